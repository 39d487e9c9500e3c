"""Which files hold conditions and which hold results, by the ends of their names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from shared.errors import InvalidInput

# Conditions, a row each: what the server calls them.
ROWS = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}
PACKED = {".gz": "gzip", ".zst": "zstd"}
PARQUET = ROWS[".parquet"]


class Form(StrEnum):
    """A form of a result, as the server names it."""

    PARQUET = "parquet"
    H5AD = "h5ad"
    CSV = "csv"
    MTX = "mtx"
    ARROW = "arrow"
    JSON = "json"


_FILES = {
    ".parquet": Form.PARQUET,
    ".h5ad": Form.H5AD,
    ".csv": Form.CSV,
    ".mtx.zip": Form.MTX,
    ".arrow": Form.ARROW,
    ".arrows": Form.ARROW,
    ".json": Form.JSON,
}


def form_of(path: Path) -> Form:
    """The form that a file's name asks for. Raises InvalidInput."""
    for ending, form in _FILES.items():
        if path.name.endswith(ending):
            return form
    raise InvalidInput(
        f"{path} ends in {path.suffix or 'nothing'!r}; it can end in {', '.join(_FILES)}, or be a folder "
        "that ends in '/'."
    )
