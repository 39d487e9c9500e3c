"""Files of samples and of predictions say what the Arrow stream said."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.files import write_csv, write_h5ad, write_parquet
from shared.queries.requests import RequestType
from shared.results.arrow_form import stream_arrow
from shared.results.forms import FORMS, Predictions, Rows
from shared.results.header import ResultHeader
from shared.results.part import LATENT_GROUPS, Samples

GENES = [{"ensembl_id": f"ENSG{number:011d}", "symbol": f"G{number}"} for number in range(5)]
STATE = {"id": "1", "model_id": "gem-1-bulk", "request_type": "predict_metadata", "seed": 3}
COUNTS = np.arange(15, dtype=np.int32).reshape(3, 5)
LATENTS = {group: np.full((3, 2), 0.5, np.float32) for group in LATENT_GROUPS}
SEX = np.array([[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]], np.float32)

SAMPLES = Samples(
    input_index=np.arange(3),
    sample_index=np.zeros(3, np.int64),
    condition_of=np.arange(3),
    metadata=[{"sex": "male"}, {"sex": "female"}, {}],
    counts=COUNTS,
    latents=LATENTS,
)
PREDICTIONS = Predictions(
    input_index=np.arange(3),
    probabilities={"sex": SEX},
    classes={"sex": ("female", "male")},
    modality="bulk",
    latents=LATENTS,
    counts=COUNTS,
)
BOTH: list[Any] = [(RequestType.BASELINE, SAMPLES), (RequestType.PREDICT_METADATA, PREDICTIONS)]


def reader(kind: RequestType, rows: Rows) -> pa.RecordBatchReader:
    """The server's stream: two parts of the same rows."""
    header = ResultHeader([gene["ensembl_id"] for gene in GENES], "gem-1-bulk" + kind.suffix, 1, kind)
    parts = [FORMS[kind].table(rows)] * 2
    return pa.ipc.open_stream(b"".join(stream_arrow(header, parts)))


@pytest.mark.parametrize(("kind", "rows"), BOTH)
def test_a_parquet_file_has_the_metadata_the_counts_and_the_order_of_the_genes(
    kind: RequestType, rows: Rows, tmp_path: Path
) -> None:
    path = tmp_path / "result.parquet"
    assert write_parquet(reader(kind, rows), STATE, GENES, path) == 6
    table = pq.read_table(path)
    assert table.column("counts").to_pylist() == COUNTS.tolist() * 2
    assert table.column("sex").to_pylist()[:2] == ["male", "female"]
    assert table.column("biological_latent").to_pylist()[0] == [0.5, 0.5]
    assert b"gene_order" in table.schema.metadata
    assert ("sex=male" in table.column_names) is (kind is RequestType.PREDICT_METADATA)


def test_the_csv_of_a_prediction_is_a_table_of_values_and_their_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    assert write_csv(reader(RequestType.PREDICT_METADATA, PREDICTIONS), STATE, GENES, path) == 6
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["sex"], row["sex=female"], row["sex=male"]) for row in rows[:2]] == [
        ("male", "0.25", "0.75"),
        ("female", "0.75", "0.25"),
    ]
    assert "ENSG00000000000" not in rows[0]


def test_the_csv_of_samples_has_a_column_for_each_gene(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    assert write_csv(reader(RequestType.BASELINE, SAMPLES), STATE, GENES, path) == 6
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(rows[1][gene["ensembl_id"]]) for gene in GENES] == COUNTS[1].tolist()


@pytest.mark.parametrize(("kind", "rows"), BOTH)
def test_an_h5ad_file_opens_with_counts_and_probabilities(
    kind: RequestType, rows: Rows, tmp_path: Path
) -> None:
    path = tmp_path / "result.h5ad"
    assert write_h5ad(reader(kind, rows), STATE, GENES, path) == 6
    data = anndata.read_h5ad(path)
    assert np.array_equal(np.asarray(data.X), np.tile(COUNTS, (2, 1)))
    assert data.obs["sex"].tolist()[:2] == ["male", "female"]
    assert data.uns["genequeue"]["seed"] == 3
    if kind is RequestType.PREDICT_METADATA:
        assert data.obsm["probabilities"]["sex=male"].tolist() == [0.75, 0.25, 0.5] * 2
    else:
        assert "probabilities" not in data.obsm
