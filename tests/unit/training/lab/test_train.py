"""`genequeue train --data`: from a file to a model that serves, as a user would do it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.catalog import WEIGHTS, Model, open_model
from tests.support.lab import DRUG, FOLD, LIVER, LUNG, PERTURBATION, RAISED, TISSUE, TYPE, Lab, ensembl
from worker.inference.engine import Batch, Engine
from worker.training.lab.train import FOLDER

# Each test starts torch, some of them three times.
pytestmark = pytest.mark.timeout(1200)

TRAIN = [
    sys.executable,
    "-m",
    "cli.main",
    "train",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--model-id",
    "my-lab",
]


# What Python runs before the command: a signal comes while the training is kept for the first time.
STOPPED = """
import os, signal, sys

def stop(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("state.safetensors") and not stopped:
        stopped.append(True)
        os.kill(os.getpid(), signal.{name})

stopped = []
sys.addaudithook(stop)
"""


def trained(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, **environment}
    return subprocess.run([*TRAIN, *options], env=told, capture_output=True, text=True, check=False)


def stopped_by(number: signal.Signals, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A training of which the first process is sent a signal after its first step."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STOPPED.format(name=number.name))
    return trained(*options, "--save-minutes", "0", PYTHONPATH=str(folder))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("lab")
    path = Lab.make(samples=60, genes=300, donors=10).write(folder / "my.h5ad")
    done = trained("--data", str(path), "--out", str(folder / "my-lab"), "--steps", "500")
    assert done.returncode == 0, done.stderr
    assert "genequeue models add" in done.stdout
    return open_model(folder / "my-lab")


def mean_of(model: Model, *conditions: dict[str, tuple[str, ...]]) -> np.ndarray:
    """Counts per million of each condition, as they are served."""
    zeros = np.zeros(len(conditions), np.int64)
    batch = Batch(
        conditions=conditions,
        condition_of=np.arange(len(conditions)),
        seed=zeros.astype(np.uint64),
        input_index=zeros,
        sample_index=zeros,
        total_count=zeros + 1_000_000,
        deterministic=zeros == 0,
        generation=zeros == 1,
    )
    return Engine.open(model, torch.device("cpu")).generate(batch).counts.astype(float)


def test_the_effect_that_was_put_in_comes_out_and_nothing_else(model: Model) -> None:
    liver = {TISSUE: (LIVER,)}
    untreated, treated = mean_of(model, liver, liver | {PERTURBATION: (DRUG,), TYPE: ("compound",)})
    change = np.log((treated + 1) / (untreated + 1))
    assert change.argmax() == RAISED
    assert change[RAISED] == pytest.approx(np.log(FOLD), abs=0.5)
    assert np.abs(np.delete(change, RAISED)).mean() < 0.1


def test_tissues_are_told_apart(model: Model) -> None:
    made = Lab.make(samples=60, genes=300)
    liver, lung = np.log1p(mean_of(model, {TISSUE: (LIVER,)}, {TISSUE: (LUNG,)}))
    real = np.log1p(made.counts / made.counts.sum(axis=1, keepdims=True) * 1e6)
    difference = real[made.obs[TISSUE] == LIVER].mean(axis=0) - real[made.obs[TISSUE] == LUNG].mean(axis=0)
    assert np.corrcoef(liver - lung, difference)[0, 1] > 0.95


def test_held_out_donors_are_judged_beside_baseline_and_ceiling(model: Model) -> None:
    metrics = json.loads((model.directory / "metrics.json").read_text())
    figures = {figure["name"]: figure for figure in metrics["figures"]}
    assert figures["LFC r, held out"]["value"] > 0.8
    assert figures["r, held out"]["value"] > figures["r, held out"]["baseline"]
    assert "ceiling" in figures["r, held out"]
    assert "held-out sample" in (model.directory / "README.md").read_text()


def test_the_example_is_of_conditions_that_were_trained_on(model: Model) -> None:
    (first, *_) = model.manifest.example_query["inputs"]
    assert set(first["metadata"]) <= set(model.vocabulary.fields)
    assert first["metadata"][TISSUE] in (LIVER, LUNG)


def test_nothing_is_left_of_the_training_once_the_model_is_there(model: Model) -> None:
    assert not (model.directory / FOLDER).exists()
    again = trained("--data", "my.h5ad", "--out", str(model.directory))
    assert again.returncode == 1
    assert "holds a model already" in again.stderr


def test_ctrl_c_keeps_the_training_and_resume_ends_with_the_same_weights(tmp_path: Path) -> None:
    path = str(Lab.make(samples=16, genes=60).write(tmp_path / "my.h5ad"))
    options = ["--data", path, "--steps", "80", "--hold-out", "0"]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert trained(*options, "--out", str(whole)).returncode == 0
    stopped = stopped_by(signal.SIGINT, tmp_path / "stop", *options, "--out", str(halves))
    assert stopped.returncode == 130, stopped.stderr
    assert "after step 2 of 80" in stopped.stdout
    assert "--resume" in stopped.stdout
    assert trained(*options, "--out", str(halves), "--resume").returncode == 0
    assert (halves / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()


def test_two_processes_that_are_stopped_and_resumed_make_one_model(tmp_path: Path) -> None:
    path = str(Lab.make(samples=16, genes=60).write(tmp_path / "my.h5ad"))
    out = tmp_path / "model"
    options = ["--data", path, "--steps", "40", "--hold-out", "0", "--devices", "2", "--out", str(out)]
    stopped = stopped_by(signal.SIGTERM, tmp_path / "stop", *options)
    assert stopped.returncode == 130, stopped.stderr
    done = trained(*options, "--resume")
    assert done.returncode == 0, done.stderr
    assert open_model(out).model_id == "my-lab"


def test_check_reads_and_trains_nothing(tmp_path: Path) -> None:
    path = Lab.make(samples=8, genes=30).write(tmp_path / "my.h5ad")
    done = trained("--data", str(path), "--check")
    assert done.returncode == 0
    assert ensembl(0) in done.stdout
    assert "Library sizes" in done.stdout
    assert [each.name for each in tmp_path.iterdir()] == ["my.h5ad"]


def test_bad_data_are_a_sentence_and_not_a_traceback(tmp_path: Path) -> None:
    lab = Lab.make(samples=8, genes=30)
    path = lab.write(tmp_path / "my.h5ad", x=np.log1p(lab.counts))
    done = trained("--data", str(path), "--out", str(tmp_path / "model"))
    assert done.returncode == 1
    assert "fractional" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()
