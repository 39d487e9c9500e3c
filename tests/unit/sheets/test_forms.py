"""Reading NDJSON, CSV and Parquet as people and programs write them, and saying what is wrong with them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import BodyTooLarge, Fault, InvalidInput, QueryRejected
from shared.queries.forms import FORMS
from shared.queries.requests import RequestType
from shared.sheets.forms.csv import read_csv
from shared.sheets.forms.ndjson import LONGEST_LINE, read_ndjson
from shared.sheets.forms.parquet import read_parquet
from shared.sheets.row import Row
from tests.unit.sheets.conftest import pieces

BASELINE, REFERENCE = FORMS[RequestType.BASELINE], FORMS[RequestType.REFERENCE_CONDITIONED]
BOM = b"\xef\xbb\xbf"


def ndjson(body: bytes, num_samples: int | None = None, size: int = 7) -> list[Row]:
    """Read in small pieces, so that lines and characters lie across them."""
    return list(read_ndjson(pieces(body, size), num_samples))


def csv(body: bytes, num_samples: int | None = None, form: Any = BASELINE) -> list[Row]:
    return list(read_csv(pieces(body, 7), num_samples, form))


def parquet(form: Any = BASELINE, limit: int = 1 << 30, **columns: Any) -> list[Row]:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=2)
    return list(read_parquet(pieces(sink.getvalue()), None, form, limit))


def items(rows: Sequence[Row]) -> list[Any]:
    assert not any(row.fault for row in rows)
    return [row.item for row in rows]


def column_faults(read: Any, *arguments: Any, **options: Any) -> tuple[Fault, ...]:
    with pytest.raises(QueryRejected) as refused:
        read(*arguments, **options)
    return refused.value.faults


def condition(num_samples: object = 1, **metadata: object) -> dict[str, object]:
    return {"num_samples": num_samples, "metadata": metadata}


def test_blank_lines_are_no_rows_and_count_as_lines() -> None:
    rows = ndjson(BOM + b'{"a": 1}\r\n\r\n   \n{"b": "\xc3\xbc"}')
    assert [(row.number, row.line, row.item) for row in rows] == [(0, 1, {"a": 1}), (1, 4, {"b": "\u00fc"})]


def test_a_line_that_is_no_json_is_a_bad_row_of_its_own() -> None:
    bad, good = ndjson(b'{"a": 1\n{"a": 1}\n')
    assert (bad.line, good.item) == (1, {"a": 1})
    assert "not valid JSON" in bad.fault
    assert "column" in bad.fault


def test_a_line_that_is_not_utf8_is_named_with_its_byte() -> None:
    assert "not UTF-8 (byte 8 of it)" in ndjson(b'{"a": "\xff"}')[0].fault


def test_a_number_of_samples_is_for_lines_that_have_none() -> None:
    assert items(ndjson(b'{}\n{"num_samples": 2}', 5)) == [{"num_samples": 5}, {"num_samples": 2}]


def test_a_line_that_never_ends_is_refused() -> None:
    with pytest.raises(InvalidInput, match="on its own line"):
        ndjson(b"x" * (LONGEST_LINE + 10), size=1 << 20)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", BOM])
def test_csv_of_any_program_is_read(start: bytes, end: bytes) -> None:
    lines = [b"sex, age_years ,num_samples,custom_id", b'male,"3,0",10,"a ""b"""', b"", b"female,,,"]
    rows = csv(start + end.join(lines) + end)
    assert [(row.number, row.line) for row in rows] == [(0, 2), (1, 4)]
    assert items(rows) == [
        condition(10, sex="male", age_years="3,0") | {"custom_id": 'a "b"'},
        condition(1, sex="female"),
    ]


def test_a_cell_over_several_lines_stands_at_its_first() -> None:
    rows = csv(b'sex,genotype\nmale,"a\nb"\nfemale,c\n')
    assert [row.line for row in rows] == [2, 4]


@pytest.mark.parametrize(
    ("cell", "read"), [("7", 7), ("7.0", 7.0), ("5e1", 50.0), ("x", "x"), ("", 3), ("nan", "nan"), ("٣", "٣")]
)
def test_a_number_of_samples_is_read_as_a_number(cell: str, read: object) -> None:
    (row,) = csv(f"sex,num_samples\nmale,{cell}\n".encode(), 3)
    assert row.item == condition(read, sex="male")


@pytest.mark.parametrize("line", [b"male", b"male,1,2"])
def test_a_row_with_more_or_fewer_cells_than_the_header_is_bad(line: bytes) -> None:
    bad, good = csv(b"sex,num_samples\n" + line + b"\nmale,1\n")
    assert f"has {line.count(b',') + 1} cells; the header names 2 columns" in bad.fault
    assert not good.fault


def test_a_quote_that_is_not_closed_is_a_bad_row() -> None:
    assert "not valid CSV" in csv(b'sex,genotype\nmale,"a\nfemale,b\n')[0].fault


def test_a_line_of_csv_that_is_not_utf8_is_bad_and_the_others_are_not() -> None:
    first, second, third = csv(b"genotype\na\nM\xfcller\nb\n")
    assert (first.fault, third.fault) == ("", "")
    assert "not UTF-8 (byte 2 of it)" in second.fault


def test_unknown_columns_are_all_named_with_what_was_meant() -> None:
    faults = column_faults(csv, b"tissue,sexx,sex,sex\n")
    assert [(fault.path, fault.line) for fault in faults] == [
        ("columns.tissue", 1),
        ("columns.sexx", 1),
        ("columns.sex", 1),
    ]
    assert 'Did you mean "tissue_ontology_id"?' in faults[0].message
    assert 'Did you mean "sex"?' in faults[1].message
    assert "2 columns sex" in faults[2].message


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"sex;age_years\n", "separate them by commas"),
        (b"sex\tage_years\n", "separate them by commas"),
        (b",sex\n", "A column has no name"),
        (b"counts,sex\n", "remove the column"),
        (b"metadata\n", "one column for each field"),
        (b"", "no columns"),
        (BOM, "no columns"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_with_a_remedy(header: bytes, said: str) -> None:
    assert said in column_faults(csv, header + b"male\n" if header.strip(BOM) else header)[0].message


def test_counts_do_not_fit_into_csv() -> None:
    said = column_faults(csv, b"num_samples\n1\n", form=REFERENCE)[0].message
    assert "NDJSON, or Parquet" in said


def test_columns_and_structs_of_parquet_are_the_same_rows() -> None:
    columns = {"sex": ["male", None, "female"], "age_years": [30.0, float("nan"), None]}
    struct = [
        {"sex": "male", "age_years": 30.0},
        {"sex": None, "age_years": None},
        {"sex": "female", "age_years": None},
    ]
    expected = [condition(sex="male", age_years=30.0), condition(), condition(sex="female")]
    assert items(parquet(**columns)) == expected
    assert items(parquet(metadata=struct)) == expected
    categories = pa.array(columns["sex"]).dictionary_encode()
    assert items(parquet(sex=categories, age_years=columns["age_years"])) == expected


def test_rows_of_parquet_are_numbered_over_all_row_groups() -> None:
    rows = parquet(sex=["male"] * 5, custom_id=[7, 8, 9, 10, 11])
    assert [(row.number, row.line) for row in rows] == [(index, index + 1) for index in range(5)]
    assert [row.item["custom_id"] for row in rows if isinstance(row.item, dict)] == [
        "7",
        "8",
        "9",
        "10",
        "11",
    ]


def test_the_index_that_pandas_writes_is_no_column() -> None:
    assert items(parquet(sex=["male"], __index_level_0__=[0])) == [condition(sex="male")]


def test_counts_of_parquet_are_arrays_and_what_is_missing_is_none() -> None:
    first, second = items(parquet(REFERENCE, counts=[[1, 2, 3], None], num_samples=[2, None]))
    assert list(first["counts"]) == [1, 2, 3]
    assert (second["counts"], second["num_samples"]) == (None, 1)


def test_unknown_columns_of_parquet_are_named() -> None:
    faults = column_faults(parquet, tissue=["x"], sex=["male"])
    assert [(fault.path, fault.line) for fault in faults] == [("columns.tissue", None)]


@pytest.mark.parametrize("body", [b"", b"PAR1", b"sex\nmale\n", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a whole Parquet file"):
        list(read_parquet(pieces(body), None, BASELINE, 1 << 30))


def test_parquet_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    with pytest.raises(BodyTooLarge, match="GENEQUEUE_MAX_UPLOAD_BYTES"):
        parquet(limit=1_000, genotype=[f"number {index}" for index in range(1_000)])
