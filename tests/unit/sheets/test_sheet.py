"""Sheets of conditions: what is read is what was written, small, and found by its samples."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.queries.spec import Coverage, Placement
from shared.results.specimens import job_of_key, specimens_prefix
from shared.sheets.sheet import SheetRef, SheetRow, decode_sheet, encode_sheet, overlapping, sheet_key

JOB = UUID("11111111-2222-3333-4444-555555555555")
LIVER = Placement(Coverage.EXACT, ("UBERON:0002107",))
LOBE = Placement(Coverage.ANCESTOR, ("UBERON:0002107", "UBERON:0002048"), 2)
SHEETS = [SheetRef("a", 0, 10, 2, ""), SheetRef("b", 10, 5, 5, ""), SheetRef("c", 15, 1, 1, "")]


def rows(number: int) -> list[SheetRow]:
    """Conditions of two fields, with gaps between their positions."""
    return [
        SheetRow(
            3 * index,
            5 * index,
            5,
            {"tissue_ontology_id": "UBERON:0002107", "sex": ("male", "female")[index % 2]},
            {"tissue_ontology_id": LIVER, "sex": Placement(Coverage.UNKNOWN)},
        )
        for index in range(number)
    ]


def test_a_sheet_gives_back_its_rows() -> None:
    bare = SheetRow(7, 10, 1, {}, {})
    named = SheetRow(9, 11, 2, {"genotype": "a/b"}, {"genotype": LOBE, "sex": LIVER}, "my own \u00fc")
    assert decode_sheet(encode_sheet([*rows(2), bare, named])) == [*rows(2), bare, named]


def test_equal_rows_give_equal_bytes() -> None:
    assert encode_sheet(rows(50)) == encode_sheet(rows(50))


def test_a_condition_costs_some_bytes_since_what_recurs_is_written_once() -> None:
    assert len(encode_sheet(rows(4_096))) < 4_096


def test_rows_that_say_the_same_share_one_placement() -> None:
    first, second = decode_sheet(encode_sheet(rows(2)))
    assert first.placements["sex"] is second.placements["sex"]


@pytest.mark.parametrize(
    ("first", "number", "found"),
    [
        (0, 1, "a"),
        (0, 10, "a"),
        (9, 1, "a"),
        (9, 2, "ab"),
        (10, 5, "b"),
        (0, 16, "abc"),
        (15, 1, "c"),
        (3, 0, ""),
    ],
)
def test_the_sheets_of_a_run_of_samples_are_found(first: int, number: int, found: str) -> None:
    assert "".join(sheet.key for sheet in overlapping(SHEETS, first, number)) == found


def test_a_sheet_lies_where_all_lies_that_belongs_to_its_job() -> None:
    assert sheet_key(JOB, 12).startswith(specimens_prefix(JOB) + "/")
    assert job_of_key(sheet_key(JOB, 12)) == JOB


def test_a_reference_survives_the_row_of_its_job() -> None:
    assert [SheetRef.from_json(sheet.to_json()) for sheet in SHEETS] == SHEETS
