"""The API while models are added and removed: no restart, and every job keeps the version it began with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from cli.added_models import add, remove
from shared.catalog import WEIGHTS, Catalog
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, health, query_of
from tests.support.catalogs import unread_model
from tests.support.completer import Completer
from tests.support.processes import wait_until

LAB = "my-lab-bulk"
GENES = {1: 50, 2: 60}  # of each version that a test adds


class Lab:
    """A running API, and what its operators do beside it."""

    def __init__(self, api: Service, folder: Path) -> None:
        self.api, self._folder = api, folder
        self._starters = Catalog.open(api.settings.models_dir)

    def add(self, version: int) -> None:
        """Add the next version."""
        model = unread_model(
            self._folder / str(version), LAB, weights=str(version).encode(), genes=GENES[version]
        )
        assert add(self.api.engine, self.api.storage, self._starters, model).version == version

    def remove(self, version: int | None = None) -> None:
        """Remove a version, or all."""
        remove(self.api.engine, self._starters, LAB, version)

    def submit(self, **options: object) -> UUID:
        """A query that must be accepted."""
        answer = self.api.predict(query_of(2, **options), LAB)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["modelQueryId"])

    def finish(self, version: int) -> None:
        """Complete what waits for a version, as a worker would."""
        done = Completer(self.api.engine, self.api.storage, GENES[version], (LAB,), (version,)).run_all()
        assert done == 1

    def result(self, job_id: UUID) -> dict[str, object]:
        """The result as the public clients read it."""
        body: dict[str, object] = calls.get(self.api.download_url(job_id)).json()
        return body

    def version_of(self, job_id: UUID) -> int:
        """The version that a job began with."""
        version: int = self.api.get(f"/api/model-queries/{job_id}").json()["model_version"]
        return version

    def wait_until_gone(self) -> None:
        """Until the process has seen that the model was removed."""
        wait_until(lambda: self.api.get(f"/api/models/{LAB}").status_code == 404)


@pytest.fixture
def lab(serve: Serve, tmp_path: Path) -> Iterator[Lab]:
    with serve(models_cache=tmp_path / "cache") as api:
        yield Lab(api, tmp_path / "trained")


def test_a_model_that_was_added_a_moment_ago_is_found_at_once_in_every_way_of_asking(lab: Lab) -> None:
    assert lab.api.get(f"/api/models/{LAB}").status_code == 404
    lab.add(1)
    assert lab.api.get(f"/api/models/{LAB}_predict-metadata").status_code == 200
    shown = lab.api.get(f"/api/models/{LAB}").json()
    assert (shown["version"], shown["versions"]) == (1, [1])
    assert shown["added_at"]
    assert "added to this server" in shown["origin"]


def test_the_newest_version_answers_unless_a_query_pins_another(lab: Lab) -> None:
    lab.add(1)
    assert lab.version_of(lab.submit()) == 1
    lab.add(2)
    assert lab.version_of(lab.submit(model_version=2)) == 2, (
        "a new version is found at once where it is pinned"
    )
    assert lab.version_of(lab.submit()) == 2
    assert lab.version_of(lab.submit(model_version=1)) == 1


def test_a_version_that_is_not_there_is_one_fault_among_all(lab: Lab) -> None:
    lab.add(1)
    lab.add(2)
    answer = lab.api.predict(query_of(0, model_version=7), LAB)
    assert answer.status_code == 422
    faults = {fault["path"]: fault["message"] for fault in answer.json()["errors"]}
    assert set(faults) == {"model_version", "inputs[0].num_samples"}
    assert "no version 7" in faults["model_version"]
    assert "there are, 2, 1, or" in faults["model_version"]


@pytest.mark.parametrize("version", ["two", 1.5, True, 0])
def test_a_version_is_a_whole_number(lab: Lab, version: object) -> None:
    lab.add(1)
    answer = lab.api.predict(query_of(1, model_version=version), LAB)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == ["model_version"]


def test_a_result_has_the_genes_of_the_version_that_answered_also_when_it_was_removed(lab: Lab) -> None:
    lab.add(1)
    old = lab.submit()
    lab.add(2)
    new = lab.submit(model_version=2)
    for version in (1, 2):
        lab.finish(version)
    lab.remove()
    lab.wait_until_gone()
    for job_id, version in ((old, 1), (new, 2)):
        result = lab.result(job_id)
        assert result["model_version"] == version
        assert len(result["gene_order"]) == GENES[version]  # type: ignore[arg-type]
        table = lab.api.get(f"/api/model-queries/{job_id}/genes").text.splitlines()
        assert len(table) == GENES[version] + 1


def test_a_removed_model_takes_no_queries_and_its_jobs_go_on(lab: Lab) -> None:
    lab.add(1)
    job_id = lab.submit()
    lab.remove()
    lab.wait_until_gone()
    assert lab.api.predict(query_of(1), LAB).status_code == 404
    lab.finish(1)
    assert len(lab.result(job_id)["outputs"]) == 2  # type: ignore[arg-type]


def test_a_broken_model_is_refused_with_the_reason_and_the_others_are_served(lab: Lab) -> None:
    lab.add(1)
    lab.api.storage.put(f"models/{LAB}/1/{WEIGHTS}", b"other bytes")
    answer = lab.api.predict(query_of(1), LAB)
    assert answer.status_code == 409
    assert answer.json()["code"] == "model_unusable"
    assert "was changed in the storage" in answer.json()["error"]
    assert lab.api.predict(query_of(1)).status_code == 202
    ready = health(lab.api.url, "catalog", "database", "storage")
    assert ready.status_code == 200
    (reason,) = ready.json()["broken_models"]
    assert LAB in reason
