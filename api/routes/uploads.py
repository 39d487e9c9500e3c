"""Resumable uploads of large queries: tus 1.0.0, for which there are clients in many languages."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.dependencies import BaseUrl, Plugs, PlugsOf, RespiteOf, WorkspaceId
from api.schemas.errors import ErrorBody
from api.schemas.resumable import (
    MEDIA_TYPE,
    Checksum,
    capabilities,
    check_media_type,
    check_version,
    description_of,
    read_announced,
    read_checksum,
    read_offset,
    state_of,
)
from api.services.respite import Respite
from api.services.uploads import elsewhere
from shared.database.tables import Upload
from shared.errors import BodyTooLarge, ChecksumMismatch, UploadElsewhere
from shared.sheets.body import PIECE_BYTES

router = APIRouter(prefix="/api/uploads", tags=["Uploads"])


def _speaks(
    _: WorkspaceId,  # first: without a key nothing is said about anything else
    tus_resumable: Annotated[str | None, Header(description="1.0.0, the version of the protocol.")] = None,
) -> None:
    check_version(tus_resumable)


_TUS = [Depends(_speaks)]
_BODY = {"requestBody": {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}}


@router.options("", include_in_schema=False, status_code=HTTPStatus.NO_CONTENT)
@router.options("/{upload_id}", include_in_schema=False, status_code=HTTPStatus.NO_CONTENT)
async def options(plugs: PlugsOf) -> Response:
    """The version of the protocol, its extensions, and how large an upload may be. Needs no key."""
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=capabilities(plugs.uploads.limit))


@router.post(
    "",
    summary="Begin an upload",
    status_code=HTTPStatus.CREATED,
    response_class=Response,
    dependencies=_TUS,
    openapi_extra=_BODY,
    responses={
        413: {"model": ErrorBody, "description": "It is larger than this server takes."},
        429: {"model": ErrorBody, "description": "The workspace keeps as many uploads as it may."},
    },
)
async def begin(
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    respite: RespiteOf,
    base_url: BaseUrl,
    request: Request,
    upload_length: Annotated[str | None, Header(description="Bytes of the whole.")] = None,
    upload_metadata: Annotated[
        str | None, Header(description="`filename` and `filetype`, each with its value in base64.")
    ] = None,
    upload_checksum: Annotated[str | None, Header(description="Of the bytes that come along.")] = None,
) -> Response:
    """A [tus](https://tus.io) upload of a large query: `Location` says where its bytes go, with PATCH.

    The first bytes may come along, as `application/offset+octet-stream`. Once all of it is there, send
    `{"upload": "<id>"}` with the options to a model's predict route.
    """
    announced = read_announced(upload_length, upload_metadata, plugs.uploads.limit)
    checksum = read_checksum(upload_checksum)
    upload = await plugs.uploads.begin(workspace_id, announced.values)
    if request.headers.get("content-type"):
        check_media_type(request.headers["content-type"])
        upload = await _take(request, plugs, respite, upload, checksum)
    headers = state_of(upload) | {"Location": f"{base_url}/api/uploads/{upload.id}"}
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


@router.head("/{upload_id}", summary="How far is an upload?", response_class=Response, dependencies=_TUS)
async def state(upload_id: str, workspace_id: WorkspaceId, plugs: PlugsOf) -> Response:
    """`Upload-Offset` is where the next bytes begin; 410 once nobody went on with it for a day."""
    upload = await plugs.uploads.find(upload_id, workspace_id)
    return Response(headers=state_of(upload) | description_of(upload))


@router.patch(
    "/{upload_id}",
    summary="Go on with an upload",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    dependencies=_TUS,
    openapi_extra=_BODY,
    responses={
        409: {"model": ErrorBody, "description": "The bytes do not begin where the last ones ended."},
        460: {"model": ErrorBody, "description": "The bytes are not those of `Upload-Checksum`."},
    },
)
async def go_on(
    upload_id: str,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    respite: RespiteOf,
    request: Request,
    upload_offset: Annotated[str | None, Header(description="Where the bytes begin.")] = None,
    upload_checksum: Annotated[str | None, Header(description="`sha256 <base64>` of these bytes.")] = None,
) -> Response:
    """The bytes from `Upload-Offset` on. What arrived is kept, also where the connection breaks.

    Bytes with an `Upload-Checksum` count all together or not at all.
    """
    check_media_type(request.headers.get("content-type"))
    offset, checksum = read_offset(upload_offset), read_checksum(upload_checksum)
    upload = await plugs.uploads.find(upload_id, workspace_id)
    if offset != upload.received:
        raise UploadElsewhere(elsewhere(offset, upload))
    upload = await _take(request, plugs, respite, upload, checksum)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=state_of(upload))


@router.delete(
    "/{upload_id}",
    summary="Give an upload up",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    dependencies=_TUS,
)
async def end(upload_id: str, workspace_id: WorkspaceId, plugs: PlugsOf) -> Response:
    """Removes what is there of it. Queries that were made of it stay as they are."""
    await plugs.uploads.end(upload_id, workspace_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _take(
    request: Request, plugs: Plugs, respite: Respite, upload: Upload, checksum: Checksum | None
) -> Upload:
    """The upload with the bytes of a request behind what was there. Raises BodyTooLarge and many more."""
    left = upload.length - upload.received
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > left:
        raise BodyTooLarge(_too_long(upload))
    sent = _bounded(request, upload, left)
    async for piece in _pieces(sent if checksum is None else _checked(sent, checksum)):
        upload = await plugs.uploads.append(upload, piece, respite)
    return upload


async def _bounded(request: Request, upload: Upload, left: int) -> AsyncIterator[bytes]:
    """The bytes of a request. Ends early where the caller goes away. Raises BodyTooLarge."""
    async for piece in request.stream():
        left -= len(piece)
        if left < 0:
            raise BodyTooLarge(_too_long(upload))
        yield piece


async def _pieces(sent: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of the size in which they are stored; what came before a break comes, too."""
    held = bytearray()
    try:
        async for some in sent:
            held += some
            while len(held) >= PIECE_BYTES:
                yield bytes(held[:PIECE_BYTES])
                del held[:PIECE_BYTES]
    except ClientDisconnect:
        if held:
            yield bytes(held)
        raise
    if held:
        yield bytes(held)


async def _checked(sent: AsyncIterator[bytes], checksum: Checksum) -> AsyncIterator[bytes]:
    """The same bytes, once all of them were compared with their digest. Raises ChecksumMismatch."""
    digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
    with tempfile.SpooledTemporaryFile(max_size=PIECE_BYTES) as file:
        async for some in sent:
            digest.update(some)
            await run_in_threadpool(file.write, some)
        if digest.digest() != checksum.digest:
            raise ChecksumMismatch(
                f"The bytes are not those that Upload-Checksum ({checksum.algorithm}) announces. None of "
                "them was kept: send them again."
            )
        file.seek(0)
        while some := await run_in_threadpool(file.read, PIECE_BYTES):
            yield some


def _too_long(upload: Upload) -> str:
    return (
        f"Upload {upload.id} was announced with {upload.length:,} bytes, of which {upload.received:,} are "
        "there; more than the rest was sent."
    )
