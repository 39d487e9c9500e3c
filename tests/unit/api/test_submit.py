"""From a checked query to its rows, without a database."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from api.services.submit import SEEDS, PreparedJob, SubmitPolicy, prepare_job
from api.services.understand import Understood
from shared.catalog import Model
from shared.queries.coverage import CoverageSummary
from shared.queries.extent import extent_of
from shared.queries.requests import RequestType
from shared.queries.spec import InputSpec, QuerySpec, SamplingStrategy
from shared.results.specimens import specimens_key
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
    return prepare_job(Understood(query, extent_of(query.inputs), CoverageSummary(), []), model, 7, policy)


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
    vocabulary, genes = model.manifest.digests["vocabulary.json"], hashlib.sha256(model.genes_csv).hexdigest()
    named = {"vocabulary": vocabulary, "genes_csv": genes}
    assert values["model_digests"] == named
    assert (values["model_id"], values["model_version"], values["workspace_id"]) == ("gem-1-bulk", 1, 7)


def test_two_jobs_of_one_query_have_two_ids(model: Model) -> None:
    assert prepared(spec(1), model).id != prepared(spec(1), model).id


def predictions(number: int) -> QuerySpec:
    """A query that asks what these many samples are."""
    inputs = tuple(InputSpec({}, {}, 1, np.full(50, index + 1, np.int32)) for index in range(number))
    return replace(
        spec(1),
        model_id="gem-1-bulk_predict-metadata",
        inputs=inputs,
        request_type=RequestType.PREDICT_METADATA,
    )


def test_a_chunk_of_predictions_is_at_most_what_one_object_holds(model: Model) -> None:
    larger = replace(POLICY, samples_per_chunk=1_000)
    assert [chunk.num_samples for chunk in prepared(predictions(300), model, larger).chunks] == [256, 44]
    assert [chunk.num_samples for chunk in prepared(spec(1_200), model, larger).chunks] == [1_000, 200]


def test_counts_become_objects_whose_digests_the_row_keeps_in_order(model: Model) -> None:
    job = prepared(predictions(300), model)
    assert list(job.objects) == [specimens_key(job.id, first) for first in (0, 256)]
    digests = [hashlib.sha256(data).hexdigest() for data in job.objects.values()]
    assert job.values["input_digests"] == digests
    assert len(set(digests)) == 2
    plain = prepared(spec(3), model)
    assert (dict(plain.objects), plain.values["input_digests"]) == ({}, [])
