"""A model judged on a laboratory's own files: its figures, pictures and report, and what cannot be judged."""

from __future__ import annotations

import io
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from rich.console import Console

from shared.errors import InvalidInput
from shared.ontology.terms import Ontologies
from tests.support.models import DEXAMETHASONE, HEART, LIVER, tiny_model
from worker.inference.checkpoint import load_network
from worker.training.evaluation.command import REPORT, EvaluationRequest, evaluate_model
from worker.training.evaluation.own_data import placed
from worker.training.evaluation.predictor import Predictor

GENES, READS = 200, 20_000_000
LOBE = "UBERON:0001115"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models"), GENES).directory


@pytest.fixture(scope="module")
def samples(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts that the model itself expects: three replicates of liver, treated liver, and heart."""
    opened = tiny_model(model.parent, GENES)
    conditions = [
        {"tissue_ontology_id": LIVER},
        {
            "tissue_ontology_id": LIVER,
            "perturbation_ontology_id": DEXAMETHASONE,
            "perturbation_type": "compound",
        },
        {"tissue_ontology_id": HEART},
    ]
    rows = [condition for condition in conditions for _ in range(3)]
    network = load_network(opened, torch.device("cpu"))
    asked = [{name: (value,) for name, value in row.items()} for row in rows]
    expected = Predictor(network).mean(asked) / 1e6 * READS
    counts = np.random.default_rng(1).poisson(expected).astype(np.float32)
    obs = pd.DataFrame(rows, index=[f"s{row}" for row in range(len(rows))]).fillna("").astype(object)
    obs.index = obs.index.astype(object)
    var = pd.DataFrame(index=pd.Index(list(opened.gene_order), dtype=object))
    path = tmp_path_factory.mktemp("data") / "mine.h5ad"
    anndata.AnnData(counts, obs=obs, var=var).write_h5ad(path)
    return path


def request(model: Path, *data: Path, out: Path | None = None, leave_out: bool = False) -> EvaluationRequest:
    return EvaluationRequest(model, data, Path("nowhere"), out, leave_out)


@pytest.fixture(scope="module")
def evaluated(model: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that was written, and what was said."""
    out = tmp_path_factory.mktemp("out") / "figures"
    screen = io.StringIO()
    evaluate_model(request(model, samples, out=out), Console(file=screen, width=120))
    return out, screen.getvalue()


def test_samples_of_the_model_itself_agree_with_it_better_than_the_baselines(
    evaluated: tuple[Path, str],
) -> None:
    figures = {
        each["name"]: each for each in json.loads((evaluated[0] / "metrics.json").read_text())["figures"]
    }
    for name in (
        "r, profile of a condition",
        "LFC r, against the mean of the conditions",
        "delta r, dexamethasone",
    ):
        assert figures[name]["value"] > 0.9, name
        assert figures[name]["value"] > figures[name]["baseline"], name
    assert "right, tissue_ontology_id" in figures
    assert any(name.startswith("CV at") for name in figures)


def test_what_is_printed_and_reported_are_the_figures_that_are_kept(evaluated: tuple[Path, str]) -> None:
    out, said = evaluated
    report = (out / REPORT).read_text()
    assert "mine.h5ad" in report
    for figure in json.loads((out / "metrics.json").read_text())["figures"][:3]:
        assert f"{figure['value']:g}" in said
        assert f"| {figure['name']} | {figure['value']:g} |" in report


def test_every_picture_of_the_report_is_there_and_not_blank(evaluated: tuple[Path, str]) -> None:
    out, _ = evaluated
    pictures = sorted((out / "plots").glob("*.png"))
    assert {"profiles.png", "perturbations.png", "samples.png", "spread.png"} <= {
        path.name for path in pictures
    }
    for path in pictures:
        assert f"(plots/{path.name})" in (out / REPORT).read_text()
        with Image.open(path) as image:
            assert np.asarray(image.convert("L"), float).std() > 5


def test_labels_are_placed_as_those_of_a_query_are(model: Path) -> None:
    vocabulary = tiny_model(model.parent, GENES).vocabulary
    labels = pd.DataFrame(
        {"tissue_ontology_id": [LOBE, HEART, "UBERON:0000955", ""], "sex": ["male", "", "", ""]}
    )
    found = placed(labels, vocabulary, Ontologies.open())
    assert found["tissue_ontology_id"].tolist() == [LIVER, HEART, "", ""]
    assert found["sex"].tolist() == ["male", "", "", ""]


def test_a_model_that_is_no_starter_needs_samples(tmp_path: Path) -> None:
    own = tiny_model(tmp_path, GENES, "my-lab-bulk").directory
    with pytest.raises(InvalidInput, match="--data"):
        evaluate_model(request(own), Console(file=io.StringIO()))


def test_leaving_tissues_out_and_own_samples_do_not_go_together(model: Path, samples: Path) -> None:
    with pytest.raises(InvalidInput, match="--leave-out"):
        evaluate_model(request(model, samples, leave_out=True), Console(file=io.StringIO()))


def test_samples_with_next_to_none_of_the_models_genes_are_refused(samples: Path, tmp_path: Path) -> None:
    few = tiny_model(tmp_path, 20, "my-lab-bulk").directory
    with pytest.raises(InvalidInput, match="20 of the model's 20 genes"):
        evaluate_model(request(few, samples), Console(file=io.StringIO()))
