"""From a checked query to its rows, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.services.submit import SEEDS, PreparedJob, SubmitPolicy, prepare_job
from shared.catalog import Model
from shared.queries.spec import InputSpec, QuerySpec, SamplingStrategy
from tests.support.catalogs import LIVER, unread_model

POLICY = SubmitPolicy(timedelta(days=1))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder: Path = tmp_path_factory.mktemp("models")
    return unread_model(folder, samples_per_chunk=4)


def spec(*sizes: int, seed: int | None = None) -> QuerySpec:
    inputs = tuple(InputSpec({"tissue_ontology_id": LIVER}, {}, size) for size in sizes)
    return QuerySpec("gem-1-bulk", SamplingStrategy.MEAN_ESTIMATION, inputs, 1000, seed=seed)


def prepared(query: QuerySpec, model: Model, policy: SubmitPolicy = POLICY) -> PreparedJob:
    return prepare_job(query, model, 7, [], policy)


def test_the_manifest_sizes_the_chunks_unless_the_operator_does(model: Model) -> None:
    assert [chunk.num_samples for chunk in prepared(spec(5, 4), model).chunks] == [4, 4, 1]
    larger = replace(POLICY, samples_per_chunk=8)
    assert [chunk.num_samples for chunk in prepared(spec(5, 4), model, larger).chunks] == [8, 1]


def test_a_given_seed_is_kept_zero_too(model: Model) -> None:
    for seed in (0, 1, SEEDS - 1):
        assert prepared(spec(1, seed=seed), model).values["seed"] == seed


def test_an_open_seed_is_drawn_from_all_that_the_row_can_hold(model: Model) -> None:
    drawn = [prepared(spec(1), model).values["seed"] for _ in range(200)]
    assert len(set(drawn)) == 200
    assert all(0 <= seed < SEEDS for seed in drawn)
    assert max(drawn) > SEEDS // 2


def test_the_job_names_the_weights_that_will_answer(model: Model) -> None:
    values = prepared(spec(1), model).values
    assert values["weights_digest"] == model.manifest.weights_digest
    assert (values["model_id"], values["model_version"], values["workspace_id"]) == ("gem-1-bulk", 1, 7)


def test_two_jobs_of_one_query_have_two_ids(model: Model) -> None:
    assert prepared(spec(1), model).id != prepared(spec(1), model).id
