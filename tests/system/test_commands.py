"""The commands as a person types them, against a running machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.support.commands import run_command
from tests.support.machine import Machine

QUERY = {
    "sampling_strategy": "mean estimation",
    "seed": 4,
    "inputs": [
        {"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 3},
        {"metadata": {"tissue_ontology_id": "UBERON:0001115"}, "num_samples": 1},
    ],
}


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query.json"
    path.write_text(json.dumps(QUERY))
    return path


def genequeue(
    machine: Machine, *arguments: object, key: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GENEQUEUE_URL": machine.url, "GENEQUEUE_API_KEY": key or machine.key}
    return run_command(environment, *arguments)


def submit(machine: Machine, query: Path, output: Path) -> subprocess.CompletedProcess[str]:
    ran = genequeue(machine, "submit", query, "--model", "gem-1-bulk", "--wait", "-o", output)
    assert ran.returncode == 0, ran.stderr
    return ran


def test_submit_writes_a_parquet_file_with_one_row_a_sample(
    machine: Machine, query: Path, tmp_path: Path
) -> None:
    said = submit(machine, query, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 4
    genes = json.loads(table.schema.metadata[b"gene_order"])
    assert {len(counts) for counts in table.column("counts").to_pylist()} == {len(genes)}
    assert "4/4" in said.stderr
    assert "UBERON:0002107" in said.stderr, "the unseen term is spoken of"


def test_the_three_files_hold_equal_counts(machine: Machine, query: Path, tmp_path: Path) -> None:
    for name in ("out.parquet", "out.h5ad", "out.csv"):
        submit(machine, query, tmp_path / name)
    parquet = np.stack(pd.read_parquet(tmp_path / "out.parquet")["counts"])
    data = anndata.read_h5ad(tmp_path / "out.h5ad")
    table = pd.read_csv(tmp_path / "out.csv")
    assert np.array_equal(parquet, np.asarray(data.X))
    assert np.array_equal(parquet, table.filter(regex="^ENSG").to_numpy())
    assert data.obs["tissue_ontology_id"].tolist() == table["tissue_ontology_id"].tolist()
    assert data.var.loc[data.var["symbol"] == "ALB"].index.tolist() == ["ENSG00000163631"]
    assert data.obsm["X_biological_latent"].shape[0] == 4


def test_submit_without_waiting_prints_an_id_that_status_knows(machine: Machine, query: Path) -> None:
    job_id = genequeue(machine, "submit", query, "--model", "gem-1-bulk").stdout.strip()
    state = json.loads(genequeue(machine, "status", job_id, "--wait").stdout)
    assert (state["id"], state["status"]) == (job_id, "ready")
    assert state["progress"] == {"samples_done": 4, "samples_total": 4, "percent": 100.0}


def test_a_check_says_how_well_the_query_is_known_and_runs_nothing(machine: Machine, query: Path) -> None:
    checked = genequeue(machine, "submit", query, "--model", "gem-1-bulk", "--check")
    assert checked.returncode == 0, checked.stderr
    assert "valid for gem-1-bulk" in checked.stdout
    assert "UBERON:0002107 liver" in checked.stdout
    assert "as JSON" in checked.stdout
    written = genequeue(machine, "submit", query, "--model", "gem-1-bulk", "--check", "--wait")
    assert written.returncode == 1
    assert "--check" in written.stderr


def test_a_query_with_faults_lists_them_all_and_fails(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**QUERY, "sampling_strategy": "guess", "total": 3}))
    ran = genequeue(machine, "submit", path, "--model", "gem-1-bulk")
    assert ran.returncode == 1
    assert "sampling_strategy" in ran.stderr
    assert "total" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "/nowhere.json", "--model", "gem-1-bulk"], "cannot be read"),
        (["submit", "QUERY", "--model", "gem-9"], "gem-9"),
        (["submit", "QUERY", "--model", "gem-1-bulk", "-o", "out.xlsx"], ".h5ad"),
        (["status", "not-an-id"], "not-an-id"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    machine: Machine, query: Path, arguments: list[str], said: str
) -> None:
    ran = genequeue(machine, *(query if argument == "QUERY" else argument for argument in arguments))
    assert ran.returncode != 0
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_wrong_key_and_a_server_that_is_away_say_what_to_do(machine: Machine) -> None:
    assert "GENEQUEUE_API_KEY" in genequeue(machine, "models", key="gq_wrong").stderr
    away = genequeue(machine, "models", "--url", "http://127.0.0.1:9")
    assert "genequeue up" in away.stderr


def test_models_lists_the_starters_and_prints_an_example(machine: Machine) -> None:
    listed = genequeue(machine, "models").stdout
    assert "gem-1-bulk" in listed
    assert "gem-1-sc" in listed
    assert json.loads(genequeue(machine, "models", "--example", "gem-1-bulk").stdout)["inputs"]
    assert genequeue(machine, "models", "list").stdout == listed
    assert json.loads(genequeue(machine, "models", "example", "gem-1-bulk").stdout)["inputs"]


def test_a_key_made_beside_a_running_machine_opens_its_own_workspace_only(
    machine: Machine, query: Path
) -> None:
    made = genequeue(
        machine, "keys", "create", "--name", "ada", "--workspace", "lab", "--data-dir", machine.data_dir
    )
    other = made.stdout.strip().splitlines()[-1]
    job_id = genequeue(machine, "submit", query, "--model", "gem-1-bulk").stdout.strip()
    hidden = genequeue(machine, "status", job_id, key=other)
    assert hidden.returncode == 1
    assert job_id in hidden.stderr
    assert genequeue(machine, "models", key=other).returncode == 0


@pytest.mark.parametrize("way", ["_reference-conditioning", "_predict-metadata"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".h5ad"])
def test_the_example_of_a_sample_of_ones_own_is_answered_in_every_kind_of_file(
    machine: Machine, tmp_path: Path, way: str, suffix: str
) -> None:
    path, output = tmp_path / "query.json", tmp_path / f"out{suffix}"
    path.write_text(genequeue(machine, "models", "--example", f"gem-1-bulk{way}").stdout)
    ran = genequeue(machine, "submit", path, "--model", f"gem-1-bulk{way}", "-o", output)
    assert ran.returncode == 0, ran.stderr
    readers = {
        ".parquet": lambda: pq.read_table(output).to_pandas(),
        ".csv": lambda: pd.read_csv(output),
        ".h5ad": lambda: anndata.read_h5ad(output).obs,
    }
    frame = readers[suffix]()
    assert len(frame) == (2 if way == "_reference-conditioning" else 1)
    assert "tissue_ontology_id" in frame
