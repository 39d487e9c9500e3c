"""What may be submitted, and what becomes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genequeue.client.submissions import Query, Rows, digest_of, read_submission
from shared.errors import InvalidInput

MODEL = "gem-1-bulk"
TISSUES = {"tissue_ontology_id": ["UBERON:0002107", "UBERON:0000948"], "sex": ["male", None]}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_table_of_any_kind_goes_as_parquet(make: Any) -> None:
    what = read_submission(make(TISSUES), MODEL, {"seed": 1})
    assert isinstance(what, Rows)
    assert isinstance(what.data, bytes)
    assert pq.read_table(io.BytesIO(what.data)).to_pydict() == TISSUES
    assert what.media_type == "application/vnd.apache.parquet"
    assert what.options == {"sampling_strategy": "mean estimation", "seed": 1}


def test_an_index_with_a_name_is_a_column_and_one_without_is_not() -> None:
    named = pd.DataFrame({"sex": ["male", "female"]}, index=pd.Index(["a", "b"], name="custom_id"))
    for frame, columns in [(named, {"sex", "custom_id"}), (named.rename_axis(None), {"sex"})]:
        what = read_submission(frame, MODEL, {})
        assert isinstance(what, Rows)
        assert isinstance(what.data, bytes)
        assert set(pq.read_table(io.BytesIO(what.data)).column_names) == columns


@pytest.mark.parametrize(
    ("name", "media_type", "encoding"),
    [
        ("a.csv", "text/csv", None),
        ("a.ndjson", "application/x-ndjson", None),
        ("a.jsonl.gz", "application/x-ndjson", "gzip"),
        ("a.csv.zst", "text/csv", "zstd"),
        ("a.parquet", "application/vnd.apache.parquet", None),
    ],
)
def test_a_files_name_says_what_it_holds(tmp_path: Path, name: str, media_type: str, encoding: Any) -> None:
    (tmp_path / name).write_bytes(b"sex\nmale\n")
    what = read_submission(tmp_path / name, MODEL, {})
    assert isinstance(what, Rows)
    assert (what.media_type, what.encoding, what.size) == (media_type, encoding, 9)
    assert what.read(4, 4) == b"male"


def test_options_stand_in_the_query_or_beside_the_rows_in_a_url(tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    path.write_text(json.dumps({"design": TISSUES, "seed": 1}))
    assert read_submission(str(path), MODEL, {"seed": 2, "total_count": None}) == Query(
        {"design": TISSUES, "seed": 2}
    )
    assert read_submission([{"metadata": {}}], MODEL, {}) == Query(
        {"inputs": [{"metadata": {}}], "sampling_strategy": "mean estimation"}
    )
    options = {"client_metadata": {"a": "b"}, "deterministic_latents": True, "seed": 3}
    rows = read_submission(pd.DataFrame(TISSUES), f"{MODEL}_predict-metadata", options)
    assert isinstance(rows, Rows)
    assert rows.parameters == {"client_metadata": '{"a": "b"}', "deterministic_latents": "true", "seed": 3}


@pytest.mark.parametrize(
    ("source", "said"),
    [("nowhere.csv", "no such file"), (7, "A int is no query"), ("a.xlsx", "can end in"), ("a.json", "JSON")],
)
def test_what_cannot_be_meant_is_a_sentence(tmp_path: Path, source: Any, said: str) -> None:
    for name in ("a.xlsx", "a.json"):
        (tmp_path / name).write_text("?")
    with pytest.raises(InvalidInput, match=said):
        read_submission(tmp_path / source if isinstance(source, str) else source, MODEL, {})


def test_the_digest_is_of_bytes_options_and_model(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sex\nmale\n")
    first = digest_of(read_submission(path, MODEL, {"seed": 1}), MODEL)
    assert first == digest_of(read_submission(path, MODEL, {"seed": 1}), MODEL)
    others = {digest_of(read_submission(path, MODEL, {"seed": 2}), MODEL)}
    others.add(digest_of(read_submission(path, MODEL, {"seed": 1}), "gem-1-sc"))
    path.write_text("sex\nfemale\n")
    others.add(digest_of(read_submission(path, MODEL, {"seed": 1}), MODEL))
    assert len(others | {first}) == 4
