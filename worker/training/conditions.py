"""How a training sample is described to the network: its labels, thinned out and mixed as users do it.

A user names a tissue and nothing else, or a broader term than ours, or labels that no data combine: samples
are shown under such labels too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from shared.queries.vocabulary import FieldVocabulary, Vocabulary
from worker.training.dataset import TrainingData
from worker.training.samples import MODELLED_FIELDS, TERM_SEPARATOR, SampleKind

Condition = Mapping[str, tuple[str, ...]]
GENERALISED_FIELDS = (
    "tissue_ontology_id",
    "cell_type_ontology_id",
    "disease_ontology_id",
    "perturbation_ontology_id",
)
GENERALISED = 0.3  # share of labels that are replaced by one of their ancestors
NOTHING = 0.02  # share of profiles shown without any label
SEX_INVENTED = 0.3  # share of profiles of both sexes that are shown as female, and as male
# Field to the share of samples that are shown without it.
DROPPED_FROM_PROFILES = {"study": 0.5, "sample_type": 0.5, "sex": 0.3}
DROPPED_FROM_COUNTS = {"study": 0.4, "sex": 0.3, "perturbation_type": 0.5}
# Where no data combine two labels the more specific one decides: cell line, cell type, disease, tissue, in
# this order; and a sample type has no effect. So some samples are shown with another label of a lesser field.
UNRELATED = (
    ("cell_line_ontology_id", "tissue_ontology_id", 0.2),
    ("cell_line_ontology_id", "disease_ontology_id", 0.2),
    ("cell_type_ontology_id", "tissue_ontology_id", 0.2),
    ("cell_type_ontology_id", "disease_ontology_id", 0.1),
    ("disease_ontology_id", "tissue_ontology_id", 0.1),
)
UNRELATED_SAMPLE_TYPE = 0.2
ONLY_THE_NAME = 0.35  # share of profiles shown with their tissue, cell type or disease alone


# Where there are no profiles. What changes a sample is never left out: no perturbation means none.
INTERVENTIONS = ("disease_ontology_id", "perturbation_ontology_id", "perturbation_type")
DROPPED, ONLY_ONE_LABEL = 0.3, 0.15


class LabelThinner:
    """Draws descriptions of samples; knows how many training samples lie below each term."""

    def __init__(self, labels: pd.DataFrame, vocabulary: Vocabulary, random: np.random.Generator) -> None:
        self._labels, self._vocabulary, self._random = labels, vocabulary, random

    def describe(self, row: pd.Series) -> Condition:
        """One way to describe a sample, given its row of labels."""
        condition = dict(labels_of(row))
        profile = row["kind"] == SampleKind.PROFILE
        if profile and self._happens(NOTHING):
            condition = {}
        elif profile:
            self._thin_profile(condition)
            self._add_sample_type(condition)
        else:
            self._thin_counts(condition)
        self._add_unrelated(condition)
        if profile and "sex" not in condition and not row["sex"]:
            self._invent_sex(condition)
        return {name: self._generalised(name, terms) for name, terms in condition.items()}

    def _thin_profile(self, condition: dict[str, tuple[str, ...]]) -> None:
        only_name = self._happens(ONLY_THE_NAME)
        for name, share in DROPPED_FROM_PROFILES.items():
            if only_name or self._happens(share):
                condition.pop(name, None)
        if "disease_ontology_id" in condition and self._happens(0.4):
            condition.pop("tissue_ontology_id", None)

    def _thin_counts(self, condition: dict[str, tuple[str, ...]]) -> None:
        for name, share in DROPPED_FROM_COUNTS.items():
            if self._happens(share):
                condition.pop(name, None)
        if "cell_line_ontology_id" in condition and self._happens(0.5):
            condition.pop("sample_type", None)  # a cell line's name says it; for other cells the type tells
        if "cell_type_ontology_id" in condition and self._happens(0.5):
            condition.pop("tissue_ontology_id", None)
        elif "disease_ontology_id" in condition:
            self._thin_disease(condition)

    def _thin_disease(self, condition: dict[str, tuple[str, ...]]) -> None:
        """Whole blood comes from patients only: blood without a disease is shown as theirs now and then."""
        diseases = condition["disease_ontology_id"]
        if self._happens(0.2):
            del condition["disease_ontology_id"]
        elif len(diseases) > 1 and self._happens(0.4):
            condition["disease_ontology_id"] = (diseases[self._random.integers(len(diseases))],)
        if self._happens(0.5):
            condition.pop("sample_type", None)

    def _add_unrelated(self, condition: dict[str, tuple[str, ...]]) -> None:
        for deciding, lesser, share in UNRELATED:
            if deciding in condition and self._happens(share) and len(self._trained[lesser]):
                condition[lesser] = (str(self._random.choice(self._trained[lesser])),)

    def _add_sample_type(self, condition: dict[str, tuple[str, ...]]) -> None:
        """Any type of sample, unless there are counts of that type, which look otherwise."""
        cell_type = "".join(condition.get("cell_type_ontology_id", ()))
        types = [t for t in self._trained["sample_type"] if (cell_type, t) not in self._counted]
        if condition and types and self._happens(UNRELATED_SAMPLE_TYPE):
            condition["sample_type"] = (str(self._random.choice(types)),)

    @cached_property
    def _trained(self) -> Mapping[str, list[str]]:
        """The terms of each field that label a sample themselves."""
        return {
            name: [term for term, entry in self._vocabulary.field(name).terms.items() if entry.rows]
            for name in MODELLED_FIELDS
        }

    @cached_property
    def _counted(self) -> set[tuple[str, str]]:
        """Cell types and sample types of which there are counts."""
        is_count = self._labels["kind"] == SampleKind.COUNTS
        counts = self._labels[is_count & (self._labels["cell_type_ontology_id"] != "")]
        pairs = counts[["cell_type_ontology_id", "sample_type"]].drop_duplicates()
        return set(pairs.itertuples(index=False, name=None))

    def _invent_sex(self, condition: dict[str, tuple[str, ...]]) -> None:
        draw = self._random.random()
        if draw < 2 * SEX_INVENTED:
            condition["sex"] = ("female" if draw < SEX_INVENTED else "male",)

    def _generalised(self, name: str, terms: tuple[str, ...]) -> tuple[str, ...]:
        """Now and then an ancestor instead of the term, the closest ones most often.

        An ancestor with samples of its own stays theirs: the small intestine is not the duodenum's.
        """
        if name not in GENERALISED_FIELDS or len(terms) != 1 or not self._happens(GENERALISED):
            return terms
        field = self._vocabulary.field(name)
        counts = self._rows_below[name]
        ancestors = [term for term in field.closure(terms) if not field.terms[term].rows]
        if not ancestors:
            return terms
        weights = np.array([1.0 / max(counts[term], 1) ** 2 for term in ancestors])
        return (ancestors[self._random.choice(len(ancestors), p=weights / weights.sum())],)

    @cached_property
    def _rows_below(self) -> Mapping[str, Mapping[str, int]]:
        return {
            name: rows_below(self._vocabulary.field(name), self._labels[name]) for name in GENERALISED_FIELDS
        }

    def _happens(self, share: float) -> bool:
        return bool(self._random.random() < share)


class PlainThinner(LabelThinner):
    """Draws descriptions of a laboratory's own samples: some of the labels of each, and nothing made up."""

    def describe(self, row: pd.Series) -> Condition:
        """Some of the labels; the interventions always, as far as the data show samples without them."""
        condition = dict(labels_of(row))
        if self._happens(NOTHING):
            return {}
        optional = [name for name in condition if name not in self._kept]
        if optional and self._happens(ONLY_ONE_LABEL):
            chosen = optional[self._random.integers(len(optional))]
            dropped = [name for name in optional if name != chosen]
        else:
            dropped = [name for name in optional if self._happens(DROPPED)]
        for name in dropped:
            del condition[name]
        return {name: self._generalised(name, terms) for name, terms in condition.items()}

    @cached_property
    def _kept(self) -> set[str]:
        return {name for name in INTERVENTIONS if (self._labels[name] == "").any()}


def thinner_for(data: TrainingData, vocabulary: Vocabulary, random: np.random.Generator) -> LabelThinner:
    """The thinner that fits the data: published profiles are described otherwise than samples alone."""
    kind = LabelThinner if data.is_profile.any() else PlainThinner
    return kind(data.labels, vocabulary, random)


def labels_of(row: pd.Series) -> Condition:
    """All that is known of a sample, as the network takes it."""
    return {name: tuple(str(row[name]).split(TERM_SEPARATOR)) for name in MODELLED_FIELDS if row.get(name)}


def rows_below(field: FieldVocabulary, values: pd.Series) -> Mapping[str, int]:
    """Each term to the number of samples that carry it or one of its descendants."""
    counts = dict.fromkeys(field.terms, 0)
    for value, number in values[values != ""].value_counts().items():
        for term in field.closure(str(value).split(TERM_SEPARATOR)):
            counts[term] += int(number)
    return counts
