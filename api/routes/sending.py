"""What a caller sends to be run or checked: a query in JSON, or a file of rows with options beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.dependencies import Plugs
from api.schemas.body import parse_json, read_json
from api.schemas.large import options_of
from api.services.bodies import file_of_upload, file_on_disk, store_body, within
from shared.errors import BodyTooLarge, Fault, InvalidInput, QueryRejected
from shared.sheets.asked import UPLOAD, is_large
from shared.sheets.body import Packing, too_large
from shared.sheets.sent import SentFile, format_of

FORM = "multipart/form-data"
_OPTIONS, _INPUTS = "options", "inputs"
_MOST_OPTION_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sent:
    """A query as parsed from JSON; or, where there is a file of rows, its options."""

    query: Any
    file: SentFile | None = None

    @property
    def large(self) -> bool:
        """Whether its rows are read one by one."""
        return self.file is not None or is_large(self.query)

    @property
    def asked(self) -> Any:
        """All that tells it from other queries, without what tells how to send it."""
        return self.query if self.file is None else [self.query, self.file.sha256]


@asynccontextmanager
async def received(request: Request, plugs: Plugs, workspace_id: int) -> AsyncIterator[Sent]:
    """What the request holds; at the end, what only lay there for it is removed.

    Raises InvalidInput, BodyTooLarge, UploadNotFound, UploadGone, UploadElsewhere, Unavailable.
    """
    media_type = request.headers.get("content-type", "")
    if media_type.split(";")[0].strip().lower() == FORM:
        async with _form(request, plugs) as form:
            yield await _sent_as_form(form)
        return
    if format_ := format_of(media_type, None):
        pieces = within(request.stream(), _announced(request, plugs))
        file = await store_body(pieces, plugs.storage, format_, _packing(request))
        try:
            yield Sent(options_of(request.query_params), file)
        finally:
            await run_in_threadpool(file.done)
        return
    query = await read_json(request, plugs.settings.max_body_bytes)
    yield Sent(query, await _uploaded(query, plugs, workspace_id))


async def _uploaded(query: object, plugs: Plugs, workspace_id: int) -> SentFile | None:
    """The file of the upload that a query names, if it names one."""
    named = query.get(UPLOAD) if isinstance(query, Mapping) else None
    if named is None:
        return None
    if not isinstance(named, str):
        raise QueryRejected((Fault(UPLOAD, "Write the id of a finished upload, as a text."),))
    return file_of_upload(await plugs.uploads.use(named, workspace_id), plugs.storage)


def _announced(request: Request, plugs: Plugs) -> int:
    """The limit, which the announced length keeps. Raises BodyTooLarge."""
    limit, length = plugs.settings.max_upload_bytes, request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise BodyTooLarge(too_large(f"has {int(length):,} bytes", limit))
    return limit


def _packing(request: Request) -> Packing:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    try:
        return Packing(encoding)
    except ValueError:
        raise InvalidInput(
            f"Content-Encoding {encoding!r} is not read here; send the body plain, as gzip or as zstd."
        ) from None


@asynccontextmanager
async def _form(request: Request, plugs: Plugs) -> AsyncIterator[FormData]:
    """The parts of a form; a file among them lies on disk meanwhile."""
    stream = within(request.stream(), _announced(request, plugs))
    parser = MultiPartParser(
        request.headers, stream, max_files=2, max_fields=2, max_part_size=_MOST_OPTION_BYTES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError) as error:
        said = getattr(error, "message", "") or "its boundary or its parts are not as they should be"
        raise InvalidInput(f"The form cannot be read: {said}.") from error
    try:
        yield form
    finally:
        await form.close()


async def _sent_as_form(form: FormData) -> Sent:
    if unknown := next((name for name in form if name not in (_OPTIONS, _INPUTS)), None):
        said = f"There is no part {unknown!r}; a form has the parts options (JSON) and inputs (a file)."
        raise QueryRejected((Fault(unknown, said),))
    inputs, options = form.get(_INPUTS), form.get(_OPTIONS, "{}")
    if not isinstance(inputs, UploadFile):
        said = "Send the rows as a file: NDJSON, CSV or Parquet, with its name or its content type."
        raise QueryRejected((Fault(_INPUTS, said),))
    written = await options.read() if isinstance(options, UploadFile) else options.encode()
    query = parse_json(written)
    if not isinstance(query, dict):
        raise QueryRejected((Fault(_OPTIONS, "The options must be a JSON object."),))
    format_ = format_of(inputs.content_type, inputs.filename)
    return Sent(query, await run_in_threadpool(file_on_disk, inputs.file, format_))
