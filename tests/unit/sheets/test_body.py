"""Large bodies read back from the storage: in order, whole, unpacked within their limit."""

from __future__ import annotations

import gzip
import os
from uuid import UUID

import pytest
import zstandard

from shared.errors import BodyTooLarge, InputDamaged, InvalidInput
from shared.sheets.body import Packing, body_pieces, packing_of, piece_key, unpacked, upload_prefix
from shared.sheets.sent import Format, format_of
from shared.storage.objects import ObjectStorage
from tests.unit.sheets.conftest import pieces

UPLOAD = UUID("11111111-2222-3333-4444-555555555555")
PACK = {Packing.GZIP: gzip.compress, Packing.ZSTD: zstandard.compress}
NOISE = os.urandom(300_000)


def test_pieces_are_read_in_order_and_what_broke_off_is_passed_over(storage: ObjectStorage) -> None:
    for first, data in ((0, b"abcd"), (4, b"efXXX"), (2, b"stale"), (6, b"gh")):
        storage.put(piece_key(UPLOAD, first), data)
    storage.put(piece_key(UPLOAD, 4), b"ef")
    assert b"".join(body_pieces(storage, UPLOAD, 8)) == b"abcdefgh"
    assert storage.keys(upload_prefix(UPLOAD))[0].endswith("/000000000000000")


def test_a_piece_that_is_missing_is_damage(storage: ObjectStorage) -> None:
    storage.put(piece_key(UPLOAD, 0), b"abcd")
    with pytest.raises(InputDamaged, match="Of the 8 bytes"):
        list(body_pieces(storage, UPLOAD, 8))


@pytest.mark.parametrize("packing", PACK)
def test_what_is_packed_is_unpacked_also_in_several_members(packing: Packing) -> None:
    body = PACK[packing](NOISE) + PACK[packing](b"the end")
    found, whole = packing_of(pieces(body, 1_000))
    assert found is packing
    assert b"".join(unpacked(whole, packing, 1 << 20)) == NOISE + b"the end"


@pytest.mark.parametrize("packing", PACK)
def test_the_limit_holds_after_unpacking(packing: Packing) -> None:
    bomb = PACK[packing](b"0" * 50_000_000)
    plain = unpacked(pieces(bomb), packing, 1_000_000)
    with pytest.raises(BodyTooLarge, match="once unpacked"):
        list(plain)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("cut", [3, 100, 200_000, -1])
def test_what_ends_too_early_is_refused(packing: Packing, cut: int) -> None:
    with pytest.raises(InvalidInput, match="damaged or ends too early"):
        list(unpacked(pieces(PACK[packing](NOISE)[:cut]), packing, 1 << 20))


@pytest.mark.parametrize("packing", PACK)
def test_what_is_not_packed_at_all_is_refused(packing: Packing) -> None:
    with pytest.raises(InvalidInput):
        list(unpacked(pieces(b"sex\nmale\n"), packing, 1 << 20))


@pytest.mark.parametrize(
    ("media_type", "file_name", "found"),
    [
        ("text/csv; charset=utf-8", None, Format.CSV),
        ("application/jsonl", "x.csv", Format.NDJSON),
        ("application/octet-stream", "My.Conditions.CSV.gz", Format.CSV),
        (None, "a.parquet.zst", Format.PARQUET),
        ("application/json", None, None),
        (None, None, None),
    ],
)
def test_a_form_is_known_by_type_or_by_name(
    media_type: str | None, file_name: str | None, found: Format | None
) -> None:
    assert format_of(media_type, file_name) is found
