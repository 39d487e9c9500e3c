"""Rows on their way in: what is stored, what is refused and where it stood, in every form that rows have."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import RowsRejected, StorageUnavailable
from shared.queries.forms import FORMS
from shared.queries.requests import RequestType
from shared.queries.rules import Limits, ModelRules
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from shared.results.specimens import decode_specimens, specimens_key
from shared.sheets.forms.csv import read_csv
from shared.sheets.forms.ndjson import read_ndjson
from shared.sheets.forms.parquet import read_parquet
from shared.sheets.row import Row
from shared.sheets.sheet import INPUTS_OF_A_SHEET
from shared.sheets.taking_in import OnError
from shared.storage.objects import ObjectStorage
from tests.support.catalogs import HEART, LIVER
from tests.unit.sheets.conftest import JOB, Refuse, Take, pieces, places, reported, stored

MANY = 100_000
BAD = {3: ("sex", "femal"), 50_000: ("tissue_ontology_id", "UBERON:9999999"), 99_999: ("sex", "x")}
FORM = FORMS[RequestType.BASELINE]


def metadata() -> Iterator[dict[str, str]]:
    """A hundred thousand conditions, three of them bad."""
    for index in range(MANY):
        item = {"tissue_ontology_id": (LIVER, HEART)[index % 2], "sex": ("male", "female")[index % 3 // 2]}
        if index in BAD:
            item[BAD[index][0]] = BAD[index][1]
        yield item


def as_ndjson() -> Iterator[Row]:
    lines = (orjson.dumps({"metadata": item, "num_samples": 2}) for item in metadata())
    return read_ndjson(pieces(b"\n".join(lines)), None)


def as_csv() -> Iterator[Row]:
    lines = (f"{item['sex']},{item['tissue_ontology_id']},2\n" for item in metadata())
    body = "sex,tissue_ontology_id,num_samples\n" + "".join(lines)
    return read_csv(pieces(body.encode()), None, FORM)


def as_parquet() -> Iterator[Row]:
    items = list(metadata())
    columns = {name: [item[name] for item in items] for name in items[0]}
    sink = io.BytesIO()
    pq.write_table(pa.table({**columns, "num_samples": np.full(MANY, 2)}), sink)
    return read_parquet(pieces(sink.getvalue()), None, FORM, 1 << 30)


FORMS_OF_ROWS = [(as_ndjson, 1), (as_csv, 2), (as_parquet, 1)]


def rows_of(*items: object) -> list[Row]:
    return [Row(number, number + 1, item) for number, item in enumerate(items)]


def one(**more: Any) -> dict[str, Any]:
    return {"metadata": {"sex": "male"}, "num_samples": 1} | more


@pytest.mark.parametrize(("rows", "first_line"), FORMS_OF_ROWS)
def test_three_bad_rows_of_a_hundred_thousand_refuse_it_each_with_its_place(
    refuse: Refuse, storage: ObjectStorage, rows: Callable[[], Iterator[Row]], first_line: int
) -> None:
    refused = refuse(rows())
    assert isinstance(refused, RowsRejected)
    assert refused.rows == 3
    assert places(refused.faults) == [
        (row + first_line, f"/metadata/{name}") for row, (name, _) in BAD.items()
    ]
    assert [fault.path for fault in refused.faults] == [
        f"inputs[{row}].metadata.{name}" for row, (name, _) in BAD.items()
    ]
    assert [fault["line"] for fault in reported(storage, refused.report)] == [row + first_line for row in BAD]
    assert storage.keys("inputs") == []


@pytest.mark.parametrize(("rows", "first_line"), FORMS_OF_ROWS)
def test_three_bad_rows_of_a_hundred_thousand_are_left_out_where_that_is_wished(
    take: Take, storage: ObjectStorage, rows: Callable[[], Iterator[Row]], first_line: int
) -> None:
    taken = take(rows(), OnError.SKIP)
    assert taken.rejected is not None
    assert taken.rejected.rows == 3
    assert [row["input_index"] for row in taken.rejected.first] == list(BAD)
    assert [fault["line"] for fault in reported(storage, taken.rejected.report)] == [
        row + first_line for row in BAD
    ]
    good = [number for number in range(MANY) if number not in BAD]
    kept = stored(taken)
    assert [row.position for row in kept] == good
    assert [row.first_sample for row in kept] == list(range(0, 2 * len(good), 2))
    assert (taken.extent.inputs, taken.extent.samples) == (len(good), 2 * len(good))


def test_sheets_follow_each_other_without_gaps(take: Take) -> None:
    taken = take(rows_of(*(one(num_samples=1 + index % 3) for index in range(2 * INPUTS_OF_A_SHEET + 1))))
    sheets = taken.writer.sheets
    assert [sheet.inputs for sheet in sheets] == [INPUTS_OF_A_SHEET, INPUTS_OF_A_SHEET, 1]
    ends = [sheet.first_sample + sheet.num_samples for sheet in sheets]
    assert [sheet.first_sample for sheet in sheets] == [0, *ends[:-1]]
    assert ends[-1] == taken.extent.samples


def test_only_the_first_thousand_faults_are_at_hand_and_all_are_in_the_report(
    refuse: Refuse, storage: ObjectStorage
) -> None:
    refused = refuse(rows_of(*(one(num_samples=0, metadata={"sex": "x"}) for _ in range(1_500))))
    assert isinstance(refused, RowsRejected)
    assert (len(refused.faults), refused.rows) == (1_000, 1_500)
    assert len(reported(storage, refused.report)) == 3_000


@pytest.mark.parametrize("on_error", OnError)
def test_rows_of_which_none_is_good_are_refused(refuse: Refuse, on_error: OnError) -> None:
    assert refuse(rows_of(one(num_samples=0)), on_error=on_error).faults[0].pointer == "/num_samples"


def test_a_custom_id_given_twice_is_refused_with_both_places(refuse: Refuse, take: Take) -> None:
    rows = rows_of(one(custom_id="a"), one(custom_id="b"), one(custom_id="a"))
    (fault,) = refuse(rows).faults
    assert (fault.path, fault.line, fault.pointer) == ("inputs[2].custom_id", 3, "/custom_id")
    assert "inputs[0] already" in fault.message
    assert [row.custom_id for row in stored(take(rows, OnError.SKIP))] == ["a", "b"]


def test_too_many_rows_are_counted_to_the_end(refuse: Refuse, rules: ModelRules) -> None:
    few = replace(rules, limits=Limits(inputs=2))
    assert "300 inputs are sent" in refuse(rows_of(*[one()] * 300), rules=few).faults[0].message


def test_too_many_samples_are_counted_to_the_end(
    refuse: Refuse, rules: ModelRules, storage: ObjectStorage
) -> None:
    few = replace(rules, limits=Limits(samples=10))
    assert (
        "24 samples are asked for" in refuse(rows_of(*[one(num_samples=4)] * 6), rules=few).faults[0].message
    )
    assert storage.keys("inputs") == []


def test_no_rows_at_all_are_refused(refuse: Refuse) -> None:
    assert "no rows" in refuse([]).faults[0].message


def test_what_was_stored_is_removed_where_reading_breaks_off(take: Take, storage: ObjectStorage) -> None:
    def broken() -> Iterator[Row]:
        yield from rows_of(*[one()] * (INPUTS_OF_A_SHEET + 100))
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable):
        take(broken())
    assert storage.keys("inputs") == []


def test_memory_does_not_grow_with_the_rows(take: Take) -> None:
    def peak(number: int) -> int:
        rows = (Row(index, index + 1, one(custom_id=f"row {index}")) for index in range(number))
        tracemalloc.start()
        take(rows)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    take(rows_of(one()))
    few = peak(INPUTS_OF_A_SHEET + 1)
    assert peak(8 * INPUTS_OF_A_SHEET) < 1.5 * few


def test_a_cell_line_is_placed_by_its_row_not_by_rows_before_it(take: Take, rules: ModelRules) -> None:
    lines = {
        "cell_line_ontology_id": FieldVocabulary("cell_line_ontology_id", {"CVCL_0004": Term("", (), 1)})
    }
    knows_lines = replace(rules, vocabulary=Vocabulary({**rules.vocabulary.fields, **lines}))
    line, tissue = {"cell_line_ontology_id": "CVCL_0027"}, {"tissue_ontology_id": HEART}
    rows = rows_of(*(one(metadata=each) for each in (line, line | tissue, line)))
    first, second, third = stored(take(rows, rules=knows_lines))
    assert first.placements == third.placements
    assert first.placements["tissue_ontology_id"].terms == (LIVER,)
    assert second.placements["tissue_ontology_id"].terms == (HEART,)


def counted(index: int) -> dict[str, Any]:
    return {"counts": [index + 1] * 50}


@pytest.mark.parametrize("as_array", [False, True])
def test_counts_are_addressed_by_their_row_also_where_rows_are_left_out(
    take: Take, storage: ObjectStorage, recognition: ModelRules, as_array: bool
) -> None:
    bad = {5, *range(256, 512), 700}
    rows: list[Any] = [{} if index in bad else counted(index) for index in range(701)]
    if as_array:
        rows = [{name: np.array(counts) for name, counts in row.items()} for row in rows]
    taken = take(rows_of(*rows), OnError.SKIP, rules=recognition)
    digests = taken.writer.input_digests
    assert [bool(digest) for digest in digests] == [True, False, True]
    for number in (0, 2):
        counts = decode_specimens(storage.get(specimens_key(JOB, 256 * number)), 50)
        good = [index for index in range(256 * number, 256 * number + len(counts)) if index not in bad]
        assert [counts[index - 256 * number][0] for index in good] == [index + 1 for index in good]
    assert len(stored(taken)) == 701 - len(bad)


@pytest.mark.parametrize("counts", [[1, 2], [-1] * 50, [0.5] * 50, [float("nan")] * 50, [True] * 50])
def test_an_array_of_anything_but_counts_is_refused(
    refuse: Refuse, recognition: ModelRules, counts: list[Any]
) -> None:
    (fault,) = refuse(rows_of({"counts": np.array(counts)}), rules=recognition).faults
    assert fault.pointer == "/counts"
