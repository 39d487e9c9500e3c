"""What is submitted, as a value: a query in JSON, or rows in a file or in memory. Sends nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from genequeue.client.calls import Json
from genequeue.client.formats import PACKED, PARQUET, ROWS
from shared.errors import InvalidInput

_STRATEGY, _DEFAULT_STRATEGY = "sampling_strategy", "mean estimation"
_READS_COUNTS = "_predict-metadata"


@runtime_checkable
class Frame(Protocol):
    """A table of pandas, polars, Arrow, DuckDB: whatever speaks the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows."""


Source = Mapping[str, Any] | list[Any] | Frame | str | Path


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query, or a design, in JSON."""

    body: Json


@dataclass(frozen=True, slots=True)
class Rows:
    """Conditions, a row each: a file, or its bytes; the options go beside them."""

    name: str
    media_type: str
    data: Path | bytes
    options: Json
    encoding: str | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data) if isinstance(self.data, bytes) else self.data.stat().st_size

    def read(self, first: int, length: int) -> bytes:
        """Some of the bytes."""
        if isinstance(self.data, bytes):
            return self.data[first : first + length]
        with self.data.open("rb") as file:
            file.seek(first)
            return file.read(length)

    @property
    def parameters(self) -> Json:
        """The options as a URL writes them: what is no text or number, as JSON."""
        plain = str, int, float
        return {
            name: value if isinstance(value, plain) and not isinstance(value, bool) else json.dumps(value)
            for name, value in self.options.items()
        }


Submission = Query | Rows


def read_submission(source: Source, model: str, options: Mapping[str, Any]) -> Submission:
    """What a caller means: a query, a list of inputs, a table, or the name of a file. Raises InvalidInput."""
    given = {name: value for name, value in options.items() if value is not None}
    match source:
        case Mapping():
            return Query({**source, **given})
        case list():
            return Query({"inputs": source, **_with_strategy(given, model)})
        case str() | Path():
            return _read_file(Path(source), model, given)
        case Frame():
            data = import_module("genequeue.client.tables").parquet_of(source)
            return Rows("table.parquet", PARQUET, data, _with_strategy(given, model))
    raise InvalidInput(
        f"A {type(source).__name__} is no query: give a dict, a list of inputs, a table (pandas, polars or "
        "Arrow), or the path of a file."
    )


def _read_file(path: Path, model: str, options: Json) -> Submission:
    packed = path.suffix if path.suffix in PACKED else ""
    ending = Path(path.name.removesuffix(packed)).suffix
    if not path.is_file():
        why = "it is a folder" if path.is_dir() else "there is no such file"
        raise InvalidInput(f"{path} cannot be read: {why}.")
    if ending in ROWS:
        encoding = PACKED.get(packed)
        return Rows(path.name, ROWS[ending], path, _with_strategy(options, model), encoding)
    if ending == ".json" and not packed:
        return Query({**read_json(path.read_bytes(), str(path)), **options})
    raise InvalidInput(
        f"{path} is no query: its name can end in .json, or {', '.join(ROWS)} (and then .gz, .zst). Save a "
        "sheet of another kind as .csv, with commas between its columns."
    )


def read_json(text: bytes, name: str) -> Json:
    """A query in JSON. Raises InvalidInput."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidInput(f"{name} holds a {type(body).__name__}; a query is an object.")
    return body


def digest_of(what: Submission, model: str) -> str:
    """The same for the same query to the same model, however often it is read."""
    found = hashlib.sha256(model.encode())
    if isinstance(what, Query):
        found.update(json.dumps(what.body, sort_keys=True).encode())
        return found.hexdigest()
    found.update(json.dumps([what.media_type, what.encoding, what.options], sort_keys=True).encode())
    first = 0
    while piece := what.read(first, 1 << 24):
        found.update(piece)
        first += len(piece)
    return found.hexdigest()


def _with_strategy(options: Json, model: str) -> Json:
    """Rows have no place for it, every model takes mean estimation, and a prediction needs none."""
    if model.endswith(_READS_COUNTS):
        return options
    return {_STRATEGY: _DEFAULT_STRATEGY, **options}
