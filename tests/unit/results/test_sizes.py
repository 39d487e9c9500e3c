"""The size of a result, foretold from its shape, is within a factor of 1.5 of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from shared.queries.requests import RequestType
from shared.results.forms import FORMS
from shared.results.forms.recognition import Predictions
from shared.results.header import ResultHeader
from shared.results.json_form import stream_json
from shared.results.part import LATENT_GROUPS, Samples, encode_part, part_table
from shared.results.sizes import ResultShape, json_bytes, stored_bytes

FACTOR = 1.5
LATENTS = 15


def parts_of(shape: ResultShape) -> Sequence[Samples]:
    """Counts as expression has them: rates over some six decades, most genes low."""
    numbers = np.random.default_rng(3)
    log_rate = numbers.normal(0, 2.8, shape.genes)
    rate = np.exp(log_rate) / np.exp(log_rate).sum() * shape.total_count
    size = shape.rows // shape.parts
    return [
        Samples(
            input_index=np.zeros(size, np.int64),
            sample_index=np.arange(size),
            condition_of=np.zeros(size, np.int64),
            metadata=[{"tissue_ontology_id": "UBERON:0002107", "modality": "bulk"}],
            counts=numbers.poisson(rate, (size, shape.genes)).astype(np.int32),
            latents={
                group: numbers.normal(size=(size, LATENTS)).astype(np.float32) for group in LATENT_GROUPS
            },
        )
        for _ in range(shape.parts)
    ]


@pytest.mark.parametrize("total_count", [10_000, 1_000_000, 10_000_000, 500_000_000])
@pytest.mark.parametrize(("rows", "parts", "genes"), [(2, 2, 200), (64, 4, 200), (24, 1, 20_000)])
def test_both_forms_are_about_as_large_as_foretold(
    rows: int, parts: int, genes: int, total_count: int
) -> None:
    shape = ResultShape(rows, parts, genes, total_count, latents=3 * LATENTS)
    tables = [part_table(samples) for samples in parts_of(shape)]
    stored = sum(len(encode_part(table)) for table in tables)
    header = ResultHeader([f"ENSG{number:011d}" for number in range(genes)], "gem-1-bulk", 1)
    json = sum(map(len, stream_json(header, tables)))
    assert 1 / FACTOR < stored_bytes(shape) / stored < FACTOR
    assert 1 / FACTOR < json_bytes(shape) / json < FACTOR


@pytest.mark.parametrize("genes", [200, 20_000])
def test_predictions_are_about_as_large_as_foretold(genes: int) -> None:
    numbers = np.random.default_rng(4)
    rows, terms = 12, [f"UBERON:{number:07d}" for number in range(150)]
    shape = ResultShape(rows, 1, genes, 10_000_000, latents=3 * LATENTS, probabilities=len(terms))
    (samples,) = parts_of(shape)
    form = FORMS[RequestType.PREDICT_METADATA]
    table = form.table(
        Predictions(
            input_index=samples.input_index,
            probabilities={"tissue_ontology_id": numbers.dirichlet(np.ones(150), rows).astype(np.float32)},
            classes={"tissue_ontology_id": terms},
            modality="bulk",
            latents=samples.latents,
            counts=samples.counts,
        )
    )
    header = ResultHeader(
        [f"ENSG{number:011d}" for number in range(genes)], "gem-1-bulk", 1, RequestType.PREDICT_METADATA
    )
    assert 1 / FACTOR < stored_bytes(shape) / len(encode_part(table)) < FACTOR
    assert 1 / FACTOR < json_bytes(shape) / sum(map(len, stream_json(header, [table]))) < FACTOR


def test_more_of_anything_is_larger() -> None:
    shape = ResultShape(10, 2, 100, 10_000, latents=10)
    for grown in (
        replace(shape, rows=11),
        replace(shape, genes=120, total_count=12_000),
        replace(shape, total_count=100_000),
        replace(shape, latents=11),
        replace(shape, probabilities=5),
    ):
        assert stored_bytes(grown) > stored_bytes(shape)
        assert json_bytes(grown) > json_bytes(shape)
