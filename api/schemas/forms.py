"""The forms in which a result is sent, and which of them a request asks for."""

from __future__ import annotations

from enum import StrEnum

from api.schemas.accept import accepts


class ResultFormat(StrEnum):
    """A form of a result."""

    ARROW = "arrow"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    H5AD = "h5ad"
    MTX = "mtx"

    @property
    def media_type(self) -> str:
        """As a Content-Type says it."""
        return _MEDIA_TYPES[self]

    @property
    def is_made(self) -> bool:
        """Whether it is a file that the upkeep worker makes; the others are streamed at once."""
        return self in {ResultFormat.PARQUET, ResultFormat.H5AD, ResultFormat.MTX}


_MEDIA_TYPES = {
    ResultFormat.ARROW: "application/vnd.apache.arrow.stream",
    ResultFormat.JSON: "application/json",
    ResultFormat.CSV: "text/csv",
    ResultFormat.PARQUET: "application/vnd.apache.parquet",
    ResultFormat.H5AD: "application/x-hdf5",
    ResultFormat.MTX: "application/zip",
}


def asked_for(accept: str) -> ResultFormat:
    """What an Accept header names, Arrow before all others; Arrow where it names none of them."""
    return next((form for form in ResultFormat if accepts(accept, form.media_type)), ResultFormat.ARROW)
