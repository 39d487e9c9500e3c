"""A summary says of a result what can be computed from all of it at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from sklearn.decomposition import PCA

from shared.queries.requests import RequestType
from shared.results.part import COUNTS, counts_matrix
from tests.support.sources import GENES, SYMBOLS, predictions, samples, source_of
from worker.artifacts.moments import log_cpm
from worker.artifacts.projection import MOST_SAMPLES, places_shown, project
from worker.artifacts.summary import summarise

PARTS = [samples(70), samples(50, 70)]
COUNTS_OF_ALL = np.concatenate([counts_matrix(part.column(COUNTS), len(GENES)) for part in PARTS])


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(summarise(source_of(PARTS), 120))
    return found


def test_library_sizes_and_detected_genes_are_those_of_all_samples(summary: dict[str, Any]) -> None:
    sizes, detected = COUNTS_OF_ALL.sum(1), (COUNTS_OF_ALL > 0).sum(1)
    assert summary["library_size"]["median"] == np.median(sizes)
    assert summary["library_size"]["max"] == sizes.max()
    assert summary["detected_genes"]["mean"] == pytest.approx(detected.mean())


def test_samples_of_one_condition_are_a_group(summary: dict[str, Any]) -> None:
    male, female = summary["groups"]
    assert summary["groups_total"] == 2
    assert male["metadata"] == {"sex": "male", "tissue_ontology_id": "UBERON:0002107", "modality": "bulk"}
    assert male["samples"] == female["samples"] == 60
    of_female = COUNTS_OF_ALL[np.arange(120) // 10 % 2 == 1].sum(1)
    assert female["library_size"]["median"] == np.median(of_female)


def test_the_genes_that_vary_are_named_first(summary: dict[str, Any]) -> None:
    first = summary["variable_genes"][:10]
    assert {gene["ensembl_id"] for gene in first} == set(GENES[:10])
    assert {gene["symbol"] for gene in first} == set(SYMBOLS[:10])


def test_the_plane_parts_what_differs(summary: dict[str, Any]) -> None:
    points = summary["projection"]["points"]
    assert len(points) == 120
    sides = {group: {point["x"] > 0 for point in points if point["group"] == group} for group in (0, 1)}
    assert sorted(sides.values(), key=min) in ([{False}, {True}], [{True}, {False}])
    assert (points[15]["input_index"], points[15]["sample_index"]) == (1, 5)
    assert 0 < summary["projection"]["explained_variance"][0] <= 1


def test_the_projection_is_that_of_scikit_learn() -> None:
    values = log_cpm(COUNTS_OF_ALL).astype(np.float32)
    found, expected = project(values.copy()), PCA(2).fit(values)
    assert found.explained == pytest.approx(expected.explained_variance_ratio_, rel=1e-3)
    assert np.abs(found.coordinates) == pytest.approx(np.abs(expected.transform(values)), abs=1e-2)


def test_equal_samples_are_one_point() -> None:
    found = project(np.ones((5, 10), np.float32))
    assert found.coordinates.tolist() == [[0.0, 0.0]] * 5
    assert found.explained.tolist() == [0.0, 0.0]


def test_of_many_samples_some_are_shown_from_the_first_to_the_last() -> None:
    places = places_shown(1_000_000, 100)
    assert len(places) == MOST_SAMPLES
    assert (places[0], places[-1]) == (0, 999_999)
    assert len(places_shown(1_000_000, 44_592)) * 44_592 * 4 < 210_000_000


def test_predictions_have_a_summary_too() -> None:
    found = orjson.loads(summarise(source_of([predictions(30)], RequestType.PREDICT_METADATA), 30))
    assert found["samples"] == 30
    assert len(found["projection"]["points"]) == 30
