"""A file of rows as somebody sent it: where its bytes are, how they are packed, what form they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from shared.queries.forms import QueryForm
from shared.sheets.body import Packing, packing_of, unpacked
from shared.sheets.forms.csv import read_csv
from shared.sheets.forms.ndjson import read_ndjson
from shared.sheets.forms.parquet import read_parquet
from shared.sheets.row import Row

_PACKED_SUFFIXES = (".gz", ".zst")


class Format(StrEnum):
    """The forms that files of rows come in."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


FORMAT_OF_MEDIA_TYPE = {
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
    "application/x-jsonlines": Format.NDJSON,
    "text/csv": Format.CSV,
    "application/csv": Format.CSV,
    "application/vnd.apache.parquet": Format.PARQUET,
    "application/x-parquet": Format.PARQUET,
}
FORMAT_OF_SUFFIX = {
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of rows. `pieces` reads its bytes from the beginning, `done` lets go of them; both block.

    `sha256` is of the bytes as they came, in hex. A format or a packing that nobody says is seen from the
    first bytes.
    """

    pieces: Callable[[], Iterator[bytes]]
    sha256: str
    format: Format | None
    packing: Packing = Packing.IDENTITY
    done: Callable[[], None] = lambda: None

    def rows(self, form: QueryForm, num_samples: int | None, limit: int) -> Iterator[Row]:
        """The rows; those that do not say it have `num_samples`, and a body unpacks to `limit` bytes at most.

        Raises InvalidInput, QueryRejected, BodyTooLarge, StorageUnavailable.
        """
        packing, pieces = packing_of(self.pieces())
        if self.packing is not Packing.IDENTITY:
            packing = self.packing
        plain = unpacked(pieces, packing, limit)
        format_, plain = (self.format, plain) if self.format else _seen(plain)
        match format_:
            case Format.NDJSON:
                return read_ndjson(plain, num_samples)
            case Format.CSV:
                return read_csv(plain, num_samples, form)
            case Format.PARQUET:
                return read_parquet(plain, num_samples, form, limit)


def format_of(media_type: str | None, file_name: str | None) -> Format | None:
    """The form that a media type or else the end of a file's name says; None where neither says one."""
    said = FORMAT_OF_MEDIA_TYPE.get((media_type or "").split(";")[0].strip().lower())
    name = (file_name or "").lower()
    for suffix in _PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    return said or next((each for suffix, each in FORMAT_OF_SUFFIX.items() if name.endswith(suffix)), None)


def _seen(pieces: Iterator[bytes]) -> tuple[Format, Iterator[bytes]]:
    first = next(pieces, b"")
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    seen = Format.NDJSON if start.startswith(b"{") else Format.CSV
    return Format.PARQUET if first.startswith(b"PAR1") else seen, chain([first], pieces)
