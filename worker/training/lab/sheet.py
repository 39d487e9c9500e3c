"""What a laboratory's model says of itself: sheet, example query and card. No weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from shared.queries.requests import RequestType
from shared.queries.spec import Modality, SamplingStrategy
from shared.queries.vocabulary import Vocabulary
from worker.inference.checkpoint import ModelSheet
from worker.inference.network import ExpressionNetwork
from worker.training.conditions import labels_of
from worker.training.lab.check import Checked
from worker.training.lab.request import LabRequest
from worker.training.lab.table import LabData
from worker.training.samples import TERM_SEPARATOR

TOTAL_COUNT = {Modality.BULK: 10_000_000, Modality.SINGLE_CELL: 10_000}
COUNTS_PER_CHUNK = 12_000_000  # a part of some tens of MB
MOST_SAMPLES_PER_CHUNK = 5_000
EXAMPLES, SAMPLES_OF_EACH = 2, 5


def sheet_of(request: LabRequest, data: LabData, network: ExpressionNetwork) -> ModelSheet:
    """The sheet of a trained network."""
    modality = Modality(request.modality)
    strategies = (SamplingStrategy.MEAN_ESTIMATION.value, SamplingStrategy.SAMPLE_GENERATION.value)
    kinds = (
        tuple(RequestType)
        if network.heads.classes
        else (RequestType.BASELINE, RequestType.REFERENCE_CONDITIONED)
    )
    samples = len(data.labels)
    return ModelSheet(
        model_id=request.model_id,
        version=request.version,
        modality=modality.value,
        title=request.title or f"{request.model_id}, {modality.value} RNA-seq",
        description=request.description or f"Trained on {samples:,} samples of {len(data.genes):,} genes.",
        sampling_strategies=strategies if modality is Modality.BULK else strategies[:1],
        default_total_count=TOTAL_COUNT[modality],
        samples_per_chunk=max(1, min(MOST_SAMPLES_PER_CHUNK, COUNTS_PER_CHUNK // len(data.genes))),
        example_query=_example(data, network.vocabulary),
        licence=request.licence,
        request_types=kinds,
    )


def _example(data: LabData, vocabulary: Vocabulary) -> Mapping[str, Any]:
    """The most frequent conditions that a query can say: one value a field, and only what the model knows."""
    numbers = Counter(data.strata.to_numpy().tolist())
    distinct, first = np.unique(data.strata.to_numpy(), return_index=True)
    row_of = dict(zip(distinct.tolist(), first.tolist(), strict=True))
    inputs = []
    for number, _ in numbers.most_common():
        said = labels_of(data.labels.iloc[int(row_of[number])])
        metadata = {name: terms[0] for name, terms in said.items() if name in vocabulary.fields}
        sayable = all(len(terms) == 1 for terms in said.values())
        one = {"metadata": metadata, "num_samples": SAMPLES_OF_EACH}
        if sayable and one not in inputs:
            inputs.append(one)
        if len(inputs) == EXAMPLES:
            break
    inputs = inputs or [{"metadata": {}, "num_samples": SAMPLES_OF_EACH}]
    return {"sampling_strategy": SamplingStrategy.MEAN_ESTIMATION.value, "inputs": inputs, "seed": 1}


def card_of(sheet: ModelSheet, checked: Checked, data: LabData, metrics: Mapping[str, Any]) -> str:
    """The card, in Markdown: what the model was trained on, knows, reaches, and does not know."""
    held_out = int(data.held_out.sum())
    return "\n".join(
        [
            f"# {sheet.title}: `{sheet.model_id}`, version {sheet.version}",
            "",
            sheet.description,
            "",
            f"Licence: {sheet.licence}.",
            "",
            "## Data",
            f"{len(data.labels):,} samples, {len(data.genes):,} genes; {held_out:,} samples held out.",
            *(f"- {source.file.path.name}: {source.file.rows:,} samples" for source in checked.sources),
            "",
            "## What it knows",
            *_known(checked),
            "",
            "## What it does not",
            "- A value that is not in this table is answered as its nearest trained ancestor, or refused.",
            "- Every other metadata field has no effect; it is accepted, echoed, and reported as such.",
            "- A perturbation that it was not trained on has no effect.",
            "",
            "## Figures",
            *_figures(metrics),
            "",
        ]
    )


def _known(checked: Checked) -> Iterator[str]:
    yield "| field | terms | samples by term |"
    yield "|---|---|---|"
    for column in checked.columns:
        if column.use.known:
            terms = ", ".join(f"{term} {number:,}" for term, number in column.samples.items())
            yield f"| {column.name} | {len(column.samples)} | {terms.replace(TERM_SEPARATOR, ' and ')} |"


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    if not metrics["figures"]:
        yield "No sample was held out, so nothing can be said of samples that the model has not seen."
        return
    yield "| figure | model | baseline | ceiling | |"
    yield "|---|---|---|---|---|"
    for figure in metrics["figures"]:
        cells = [f"{figure[name]:g}" if name in figure else "" for name in ("value", "baseline", "ceiling")]
        yield f"| {figure['name']} | {' | '.join(cells)} | {figure.get('note', '')} |"
