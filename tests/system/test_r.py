"""R against a running machine: what its clients send and read, and the files that its users open."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from shared.queries.fields import METADATA_FIELDS
from tests.support.machine import Machine
from tests.support.r import needs_r, run_r

SCRIPTS = Path(__file__).with_name("r")
PAGE = (Path(__file__).resolve().parents[2] / "docs/guides/r.md").read_text()
MODELS = [
    model + way
    for model in ("gem-1-bulk", "gem-1-sc")
    for way in ("", "_reference-conditioning", "_predict-metadata")
]


@needs_r("httr", "jsonlite")
@pytest.mark.parametrize("model_id", MODELS)
def test_the_example_of_a_model_is_asked_and_read_as_data_frames(machine: Machine, model_id: str) -> None:
    told = {"GENEQUEUE_URL": machine.url, "GENEQUEUE_API_KEY": machine.key}
    got = json.loads(run_r(SCRIPTS / "predict.R", model_id, **told))
    inputs = json.loads(machine.talk("models", "example", model_id))["inputs"]
    samples = sum(item.get("num_samples", 1) for item in inputs)
    assert set(MODELS) <= set(got["models"])
    assert got["rows"] == [samples]
    assert len(got["library_sizes"]) == samples
    assert min(got["library_sizes"]) > 0
    assert got["genes"][0] > 19_000
    assert got["integers"] == got["in_order"] == [True]
    assert {field.name for field in METADATA_FIELDS} <= set(got["metadata"])
    assert got["latents"] == ["biological", "technical", "perturbation"]
    if model_id.endswith("_predict-metadata"):
        assert got["sexes"] == pytest.approx([1.0] * samples)
    else:
        wanted = [
            item["metadata"].get("tissue_ontology_id", "")
            for item in inputs
            for _ in range(item["num_samples"])
        ]
        assert got["tissues"] == wanted


@pytest.fixture(scope="module")
def unpacked(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `result/`, a single cell result in the files that 10x Genomics' tools write."""
    folder = tmp_path_factory.mktemp("mtx")
    query, packed = folder / "query.json", folder / "result.mtx.zip"
    query.write_text(machine.talk("models", "example", "gem-1-sc"))
    machine.talk("submit", str(query), "--model", "gem-1-sc", "-o", str(packed))
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder / "result")
    return folder


@needs_r("Matrix", "jsonlite")
def test_the_matrix_package_reads_an_mtx_export(unpacked: Path) -> None:
    got = json.loads(run_r(SCRIPTS / "matrix.R", str(unpacked / "result")))
    asked = json.loads((unpacked / "query.json").read_text())["inputs"]
    wanted = [item["metadata"]["cell_type_ontology_id"] for item in asked for _ in range(item["num_samples"])]
    assert got["genes"] == sorted(set(got["genes"]))
    assert got["samples"] == got["described"]
    assert got["cell_types"] == wanted
    assert min(got["library_sizes"]) > 0


@needs_r("Seurat")
def test_seurat_reads_an_mtx_export_as_the_page_says(unpacked: Path) -> None:
    (block,) = re.findall(r"```r\n(library\(Seurat\)\n.*?)```", PAGE, flags=re.DOTALL)
    script = unpacked / "seurat.R"
    script.write_text(f"setwd({str(unpacked)!r})\n{block}\ncat(dim(cells), unique(cells$modality))\n")
    genes, samples, modality = run_r(script).split()
    asked = json.loads((unpacked / "query.json").read_text())["inputs"]
    assert int(genes) > 19_000
    assert int(samples) == sum(item["num_samples"] for item in asked)
    assert modality == "single-cell"
