"""A large body where it lies in the storage: pieces below `uploads/<id>/`, each named by its first byte.

Read in order and unpacked on the way, so that nobody ever holds more than a piece. Knows no rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from enum import StrEnum
from uuid import UUID

import pyarrow as pa

from shared.errors import BodyTooLarge, InputDamaged, InvalidInput
from shared.storage.port import Storage

UPLOADS = "uploads"  # above every body on its way in
PIECE_BYTES = 4 << 20
_READ_AT_ONCE = 1 << 20


class Packing(StrEnum):
    """How a body is packed, as Content-Encoding says it."""

    IDENTITY = "identity"  # not at all
    GZIP = "gzip"
    ZSTD = "zstd"


def upload_prefix(upload_id: UUID) -> str:
    """Where the pieces of an upload lie."""
    return f"{UPLOADS}/{upload_id}"


def piece_key(upload_id: UUID, first_byte: int) -> str:
    """The key of the piece that begins at a byte."""
    return f"{upload_prefix(upload_id)}/{first_byte:015d}"


def body_pieces(storage: Storage, upload_id: UUID, length: int) -> Iterator[bytes]:
    """The bytes of an upload of known length, in order; what an attempt that broke off left is passed over.

    Raises InputDamaged where a piece is missing, and StorageUnavailable.
    """
    place = 0
    for key in storage.keys(upload_prefix(upload_id)):
        if int(key.rsplit("/", 1)[1]) != place:
            continue
        for piece in storage.stream(key):
            wanted = piece[: length - place]
            place += len(wanted)
            yield wanted
    if place != length:
        raise InputDamaged(
            f"Of the {length:,} bytes of upload {upload_id}, {place:,} are in the storage. Send it again."
        )


def packing_of(pieces: Iterator[bytes]) -> tuple[Packing, Iterator[bytes]]:
    """How a body is packed by its first bytes, for one that nobody says it of; and the body, whole again."""
    first = next(pieces, b"")
    packing = Packing.IDENTITY
    if first.startswith(b"\x1f\x8b"):
        packing = Packing.GZIP
    elif first.startswith(b"\x28\xb5\x2f\xfd"):
        packing = Packing.ZSTD
    return packing, _with(first, pieces)


def unpacked(pieces: Iterator[bytes], packing: Packing, limit: int) -> Iterator[bytes]:
    """The body in pieces, unpacked; at most `limit` bytes.

    Raises BodyTooLarge, and InvalidInput for what is not packed as it says.
    """
    plain = pieces if packing is Packing.IDENTITY else _unpacked(pieces, packing)
    length = 0
    for piece in plain:
        length += len(piece)
        if length > limit:
            raise BodyTooLarge(too_large(f"has more than {limit:,} bytes once unpacked", limit))
        yield piece


def too_large(said: str, limit: int) -> str:
    """That a large body is larger than it may be."""
    return (
        f"The request body {said}; the limit of this server is {limit:,} bytes (GENEQUEUE_MAX_UPLOAD_BYTES). "
        "Send the rows in several requests."
    )


def _unpacked(pieces: Iterator[bytes], packing: Packing) -> Iterator[bytes]:
    source = _Reader(pieces)
    try:
        with pa.CompressedInputStream(pa.PythonFile(source, mode="r"), str(packing)) as plain:
            while piece := plain.read(_READ_AT_ONCE):
                yield piece
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(
            f"The request body is not valid {packing}: it is damaged or ends too early."
        ) from (error)


def _with(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


class _Reader(io.RawIOBase):
    """Pieces as a file that is read once, from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        taken = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(taken) :]
        return taken
