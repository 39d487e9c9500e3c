"""Exports open in the tools that scientists use, and say what the result says."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import anndata
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scanpy as sc
from scipy import sparse

from shared.queries.requests import RequestType
from shared.results.part import COUNTS, counts_matrix
from tests.support.sources import CLASSES, GENES, SYMBOLS, predictions, samples, source_of
from worker.artifacts.h5ad import write_h5ad
from worker.artifacts.mtx import write_mtx
from worker.artifacts.parquet import write_parquet

DENSE = [samples(70), samples(50, 70)]
SPARSE = [samples(70, depth=0.2), samples(50, 70, depth=0.2)]


def counts_of(parts: list[pa.Table]) -> np.ndarray:
    return np.concatenate([counts_matrix(part.column(COUNTS), len(GENES)) for part in parts])


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    path = tmp_path / "result.h5ad"
    write_h5ad(source_of(DENSE), path)
    return path


def test_the_h5ad_says_what_the_parts_say(h5ad: Path) -> None:
    data = anndata.read_h5ad(h5ad)
    assert np.array_equal(data.X, counts_of(DENSE))
    assert data.obs_names[:2].tolist() == ["0_0", "0_1"]
    assert data.obs_names.is_unique
    assert data.obs["sex"].astype(str).tolist() == [("male", "female")[row // 10 % 2] for row in range(120)]
    assert isinstance(data.obs["sex"].dtype, pd.CategoricalDtype)
    assert data.obs["input_index"].tolist() == [row // 10 for row in range(120)]
    assert data.obs["custom_id"].tolist() == [f"c{row // 10}" for row in range(120)]
    assert data.var_names.tolist() == list(GENES)
    assert data.var["symbol"].tolist() == list(SYMBOLS)
    assert data.obsm["X_biological_latent"].shape == (120, 4)
    assert data.uns["genequeue"]["seed"] == 7


def test_counts_of_few_genes_are_kept_sparse(tmp_path: Path) -> None:
    write_h5ad(source_of(SPARSE), tmp_path / "sparse.h5ad")
    data = anndata.read_h5ad(tmp_path / "sparse.h5ad")
    assert isinstance(data.X, sparse.csr_matrix)
    assert data.X.has_sorted_indices
    assert np.array_equal(data.X.toarray(), counts_of(SPARSE))


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # of anndata's own views
def test_the_h5ad_can_be_read_without_loading_it(h5ad: Path) -> None:
    data = anndata.read_h5ad(h5ad, backed="r")
    assert np.array_equal(data[10:12].to_memory().X, counts_of(DENSE)[10:12])
    data.file.close()


@pytest.mark.timeout(1200)  # the first time, what it draws with is compiled
@pytest.mark.filterwarnings("ignore")
def test_scanpy_draws_a_umap_of_the_h5ad(h5ad: Path) -> None:
    data = sc.read_h5ad(h5ad)
    data.X = data.X.astype(np.float32)
    sc.pp.normalize_total(data)
    sc.pp.log1p(data)
    sc.pp.pca(data, n_comps=5)
    sc.pp.neighbors(data, n_neighbors=5)
    sc.tl.umap(data, maxiter=20)
    assert data.obsm["X_umap"].shape == (120, 2)
    assert np.isfinite(data.obsm["X_umap"]).all()


def test_predictions_have_their_probabilities_in_obsm(tmp_path: Path) -> None:
    parts = [predictions(30), predictions(20, 30)]
    write_h5ad(source_of(parts, RequestType.PREDICT_METADATA), tmp_path / "predicted.h5ad")
    data = anndata.read_h5ad(tmp_path / "predicted.h5ad")
    assert data.obsm["tissue_ontology_id_probabilities"].sum(1) == pytest.approx(np.ones(50), abs=1e-5)
    assert data.uns["classes"]["tissue_ontology_id"].tolist() == list(CLASSES["tissue_ontology_id"])
    assert np.array_equal(data.X, counts_of(parts))
    assert data.obs_names.tolist() == [str(row) for row in range(50)]


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("parts", [DENSE, SPARSE], ids=["dense", "sparse"])
def test_the_archive_opens_as_10x_files(tmp_path: Path, parts: list[pa.Table]) -> None:
    write_mtx(source_of(parts), tmp_path / "result.zip")
    with zipfile.ZipFile(tmp_path / "result.zip") as archive:
        archive.extractall(tmp_path / "10x")
    data = sc.read_10x_mtx(tmp_path / "10x", cache=False)
    assert np.array_equal(data.X.toarray(), counts_of(parts))
    assert data.var["gene_ids"].tolist() == list(GENES)
    assert data.var_names.tolist() == [GENES[0], *SYMBOLS[1:]]
    with gzip.open(tmp_path / "10x" / "metadata.tsv.gz", "rt") as file:
        frame = pd.read_csv(file, sep="\t", index_col="barcode")
    assert frame.index.tolist() == data.obs_names.tolist()
    assert frame["custom_id"].tolist() == [f"c{row // 10}" for row in range(120)]


def test_equal_results_give_equal_archives(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_mtx(source_of(DENSE), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_parquet_file_opens_in_pandas_polars_and_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "result.parquet"
    write_parquet(source_of(DENSE), path)
    expected = counts_of(DENSE)
    assert np.array_equal(np.stack(pd.read_parquet(path)["counts"].to_list()), expected)
    assert np.array_equal(np.array(pl.read_parquet(path)["counts"].to_list()), expected)
    query = f"select sex, count(*), sum(list_sum(counts)) from '{path}' group by sex order by sex"
    female = np.arange(120) // 10 % 2 == 1
    assert duckdb.sql(query).fetchall() == [
        ("female", 60, expected[female].sum()),
        ("male", 60, expected[~female].sum()),
    ]


def test_the_parquet_file_names_its_genes_and_what_made_it(tmp_path: Path) -> None:
    path = tmp_path / "result.parquet"
    write_parquet(source_of(DENSE), path)
    about = pq.read_metadata(path).metadata
    assert json.loads(about[b"gene_order"]) == list(GENES)
    assert json.loads(about[b"gene_symbols"]) == list(SYMBOLS)
    assert json.loads(about[b"provenance"])["seed"] == 7


def test_the_parquet_file_of_predictions_names_their_classes(tmp_path: Path) -> None:
    path = tmp_path / "result.parquet"
    write_parquet(source_of([predictions(30)], RequestType.PREDICT_METADATA), path)
    table = pq.read_table(path)
    assert json.loads(table.schema.metadata[b"classes"])["sex"] == ["female", "male"]
    assert table.num_rows == 30
