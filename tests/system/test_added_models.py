"""Models added to a running machine and removed from it, asked by the public client, without a restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import httpx
import numpy as np
import pysynthbio
import pytest

from shared.catalog import MANIFEST, WEIGHTS, Model
from tests.support.machine import Machine, running_machine
from tests.support.models import LIVER, tiny_catalog, tiny_model
from tests.support.processes import wait_until

LAB = "my-lab-bulk"
GENES = {1: 120, 2: 150}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("added")
    tiny_catalog(folder / "starters")
    with running_machine(folder / "data", GENEQUEUE_MODELS_DIR=str(folder / "starters")) as made:
        yield made


@pytest.fixture(autouse=True)
def client(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", machine.url)
    monkeypatch.setenv("SYNTHESIZE_API_KEY", machine.key)
    processes = machine.processes
    yield
    assert machine.processes == processes, "nothing was started again"


def trained(tmp_path: Path, version: int, model_id: str = LAB) -> Model:
    return tiny_model(tmp_path / str(version), GENES[version], model_id, seed=version)


def graft(model: Model, weights_of: Model) -> None:
    """Give a model another one's weights, with a manifest that vouches for them."""
    weights = (weights_of.directory / WEIGHTS).read_bytes()
    (model.directory / WEIGHTS).write_bytes(weights)
    manifest = json.loads((model.directory / MANIFEST).read_bytes())
    manifest["digests"][WEIGHTS] = hashlib.sha256(weights).hexdigest()
    (model.directory / MANIFEST).write_text(json.dumps(manifest))


def query(num_samples: int = 2, **options: Any) -> dict[str, Any]:
    inputs = [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": num_samples}]
    return {"sampling_strategy": "mean estimation", "inputs": inputs, "seed": 3, **options}


def ask(model_id: str = LAB, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = pysynthbio.predict_query(
        query(**options), model_id=model_id, raw_response=True, poll_interval_seconds=1
    )
    return answer


def listed(machine: Machine) -> str:
    """What `genequeue models list` prints."""
    return machine.talk("models", "list")


def wait_for_default(machine: Machine, model_id: str, version: int | None) -> None:
    """The API reads the table every two seconds; a default changes then."""
    headers = {"Authorization": f"Bearer {machine.key}"}
    url = f"{machine.url}/api/models/{model_id}"
    wait_until(lambda: httpx.get(url, headers=headers, timeout=60).json().get("version") == version)


def refusal(machine: Machine, *arguments: str) -> str:
    with pytest.raises(CalledProcessError) as refused:
        machine.command(*arguments)
    said: str = refused.value.stderr
    assert "Traceback" not in said
    return said


def test_the_life_of_a_model_on_a_running_machine(machine: Machine, tmp_path: Path) -> None:
    first, second = (str(trained(tmp_path, version).directory) for version in (1, 2))

    assert "version 1: the default" in machine.command("models", "add", first)
    one = ask()
    assert (one["model_version"], len(one["gene_order"])) == (1, GENES[1])
    assert "nothing to add" in machine.command("models", "add", first)

    assert "version 2: the default" in machine.command("models", "add", second)
    wait_for_default(machine, LAB, 2)
    two = ask()
    assert (two["model_version"], len(two["gene_order"])) == (2, GENES[2])
    assert "2, 1" in listed(machine)
    assert "added" in listed(machine)

    assert ask(model_version=1) == one, "the same version and seed: the same result"
    arrow = pysynthbio.predict_query(query(model_version=1), model_id=LAB, self_hosted=True)
    assert np.array_equal(arrow["expression"].to_numpy(), [row["counts"] for row in one["outputs"]])

    assert "default is version 1" in machine.command("models", "remove", LAB, "--version", "2")
    wait_for_default(machine, LAB, 1)
    assert "takes no new queries" in machine.command("models", "remove", LAB)
    wait_for_default(machine, LAB, None)
    assert LAB not in listed(machine)


def test_jobs_that_wait_when_their_model_changes_run_on_the_version_they_began_with(
    machine: Machine, tmp_path: Path
) -> None:
    model_id = "waiting-bulk"
    headers = {"Authorization": f"Bearer {machine.key}"}

    def submit(num_samples: int) -> str:
        url = f"{machine.url}/api/models/{model_id}/predict"
        answer = httpx.post(url, json=query(num_samples), headers=headers, timeout=60)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["modelQueryId"]
        return job_id

    machine.command("models", "add", str(trained(tmp_path, 1, model_id).directory))
    jobs = [submit(400) for _ in range(4)]
    machine.command("models", "add", str(trained(tmp_path, 2, model_id).directory))
    machine.command("models", "remove", model_id, "--version", "1")
    for job_id in jobs:
        state = json.loads(machine.talk("status", job_id, "--wait"))
        assert (state["status"], state["model_version"]) == ("ready", 1), state
        result = httpx.get(state["links"]["download"], timeout=60).json()
        assert len(result["gene_order"]) == GENES[1]
        assert len(result["outputs"]) == 400


def test_a_model_whose_weights_no_worker_can_load_fails_its_jobs_with_the_reason_and_nothing_else(
    machine: Machine, tmp_path: Path
) -> None:
    model = trained(tmp_path, 1, "unloadable-bulk")
    other = trained(tmp_path, 2, "other-bulk")
    graft(model, other)
    machine.command("models", "add", str(model.directory))
    with pytest.raises(Exception, match=r"Weights and manifest are of different models"):
        ask("unloadable-bulk")
    assert ask("gem-1-bulk")["model_version"] == 1


def test_what_is_wrong_with_a_directory_is_one_sentence_and_nothing_is_added(
    machine: Machine, tmp_path: Path
) -> None:
    model = trained(tmp_path, 1, "cut-bulk")
    (model.directory / WEIGHTS).write_bytes(b"cut short")
    assert "does not match its manifest" in refusal(machine, "models", "add", str(model.directory))
    assert "not a model directory" in refusal(machine, "models", "add", str(tmp_path))
    assert "starter model" in refusal(machine, "models", "remove", "gem-1-bulk")
    assert "models list" in refusal(machine, "models", "remove", "cut-bulk")
    assert "cut-bulk" not in listed(machine)
