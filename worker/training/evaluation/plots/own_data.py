"""The pictures of an evaluation on a laboratory's own samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from shared.queries.vocabulary import Vocabulary
from worker.training.evaluation.figures import correlation
from worker.training.evaluation.own_data import PERTURBATION, OwnData
from worker.training.evaluation.own_figures import (
    OwnResponse,
    profiles_of,
    recognitions_of,
    replicated,
    responses_of,
)
from worker.training.evaluation.plots.gallery import Plot
from worker.training.evaluation.plots.profiles import density
from worker.training.evaluation.plots.projection import Cloud, draw_cloud
from worker.training.evaluation.plots.recognition import recognition_plot
from worker.training.evaluation.plots.responses import draw_change
from worker.training.evaluation.plots.spread import Trend, draw_trends
from worker.training.evaluation.plots.style import COLOURS, headline, page, short
from worker.training.evaluation.recognised import Recognised
from worker.training.samples import TERM_SEPARATOR

MOST_PANELS, NAMED_GENES = 4, 6
FEWEST_VALUES = 3  # of a field, to be worth a picture
OPEN = "not given"


def own_plots(own: OwnData, *, generated: bool) -> Iterator[Plot]:
    """The pictures that the data allow."""
    yield Plot("profiles", "Predicted against observed expression of each condition.", lambda: _profiles(own))
    if responses := responses_of(own)[:MOST_PANELS]:
        yield Plot("perturbations", "Predicted against observed changes.", lambda: _responses(own, responses))
    if generated and replicated(own):
        yield Plot("spread", "Mean and variance of generated and of real replicates.", lambda: _spread(own))
    if generated:
        yield Plot("samples", "Real and generated samples, principal components.", lambda: _samples(own))
    for found in recognitions_of(own):
        if len(set(found.truth)) >= FEWEST_VALUES:
            yield Plot(
                f"recognition-{found.field.removesuffix('_ontology_id')}",
                f"What the samples are taken for: {found.field}.",
                lambda found=found: _recognition(own, found),  # type: ignore[misc]
            )


def labels_of_terms(vocabulary: Vocabulary) -> Mapping[str, str]:
    """What the terms of a vocabulary are called."""
    return {term: entry.label for field in vocabulary.fields.values() for term, entry in field.terms.items()}


def _profiles(own: OwnData) -> Figure:
    found = profiles_of(own)
    pairs = list(zip(found.predicted, found.observed, strict=True))
    several = len(pairs) > 1
    figure, panels = page(2 if several else 1, size=(4.0, 4.1))
    density(panels[0], found.observed, found.predicted)
    panels[0].set(xlabel="observed, log1p CPM", ylabel="predicted, log1p CPM")
    panels[0].set_title(f"r {np.mean([correlation(*pair) for pair in pairs]):.3f}")
    if several:
        mean = found.observed.mean(axis=0)
        density(panels[1], found.observed - mean, found.predicted - mean)
        panels[1].set(xlabel="observed - mean of the conditions", ylabel="predicted - mean of the conditions")
        panels[1].set_title(f"LFC r {np.mean([correlation(a - mean, b - mean) for a, b in pairs]):.3f}")
    conditions = "1 condition" if len(pairs) == 1 else f"{len(pairs)} conditions"
    headline(figure, f"{conditions}, gene by gene (yellow: many genes)")
    return figure


def _responses(own: OwnData, responses: Sequence[OwnResponse]) -> Figure:
    columns = min(2, len(responses))
    figure, panels = page(columns, -(-len(responses) // columns), size=(4.6, 4.1))
    for axes in panels[len(responses) :]:
        axes.remove()
    for axes, each in zip(panels, responses, strict=False):
        largest = np.argsort(-np.abs(each.real))[:NAMED_GENES]
        draw_change(axes, each.symbols, each.real, each.predicted, [each.symbols[place] for place in largest])
        name = f"{short(own.name_of({PERTURBATION: each.terms}), 40)}, {each.treated} treated"
        axes.set_title(f"{name}\nr {correlation(each.predicted, each.real):.2f}")
    headline(figure, "Change of each expressed gene, treated - control; named: the largest real changes")
    return figure


def _spread(own: OwnData) -> Figure:
    conditions = replicated(own)
    figure, panels = page(len(conditions), size=(3.9, 3.8))
    for axes, (condition, rows) in zip(panels, conditions, strict=True):
        depth = own.subject.data.depth[rows]
        real = Trend.of((own.subject.cpm[rows] / 1e6 * depth[:, None])[:, own.shared])
        made = Trend.of(own.subject.predictor.generated([condition] * len(rows), depth)[:, own.shared])
        draw_trends(axes, real, made)
        name = own.name_of(condition)
        axes.set_title(
            f"{short(name, 40)}\n{len(rows)} samples; CV {made.variation:.2f}, real {real.variation:.2f}"
        )
    panels[0].legend(loc="upper left")
    headline(figure, "Mean and variance of counts over replicates, quartiles of genes")
    return figure


def _samples(own: OwnData) -> Figure:
    subject = own.subject
    rows = list(range(len(subject.data.labels)))
    field, groups = _groups(own)
    made = subject.predictor.generated([subject.query(row) for row in rows], subject.data.depth)
    real, generated = (
        np.log1p(values / values.sum(axis=1, keepdims=True) * 1e6)
        for values in (subject.cpm[:, own.shared], made[:, own.shared])
    )
    cloud = Cloud(real, generated, groups, groups).projected()
    figure, (axes,) = page(1, size=(7.6, 4.6))
    draw_cloud(axes, cloud)
    share = cloud.among_their_own()
    axes.set_title(f"{share:.0%} of generated samples lie nearest\nto a real one of their own {field}")
    headline(figure, "A generated sample for each real one, on the principal components of the real ones")
    return figure


def _groups(own: OwnData) -> tuple[str, list[str]]:
    """The field with the most values that there are colours for, and each sample's value by its label."""
    names = labels_of_terms(own.subject.predictor.network.vocabulary)
    table = own.subject.data.labels
    known = own.subject.predictor.network.vocabulary.fields
    numbers = {name: table[name].nunique() for name in known if name in table}
    field = max(
        (name for name, number in numbers.items() if number <= len(COLOURS)),
        key=lambda name: numbers[name],
        default="",
    )
    if not field:
        return "kind", ["all"] * len(table)
    called = {
        value: short(" and ".join(names.get(term, term) for term in value.split(TERM_SEPARATOR)) or OPEN)
        for value in set(table[field])
    }
    return field.removesuffix("_ontology_id"), [called[value] for value in table[field]]


def _recognition(own: OwnData, found: Recognised) -> Figure:
    names = labels_of_terms(own.subject.predictor.network.vocabulary)
    return recognition_plot(found, names, f"samples, by {found.field},")
