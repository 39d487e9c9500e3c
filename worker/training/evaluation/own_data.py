"""A laboratory's own samples beside a model: on the model's genes, with labels as the model knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.ontology.terms import Ontologies
from shared.queries.fields import FIELD_BY_NAME, Kind, LatentGroup
from shared.queries.placement import place, place_term
from shared.queries.vocabulary import FieldVocabulary, Vocabulary
from worker.inference.network import ExpressionNetwork
from worker.training.conditions import Condition
from worker.training.dataset import MEASURED, Dataset
from worker.training.evaluation.predictor import Predictor
from worker.training.evaluation.subject import Subject
from worker.training.samples import TERM_SEPARATOR

Key = tuple[tuple[str, tuple[str, ...]], ...]  # a condition, as a key

FEWEST_GENES = 50
PERTURBATION = "perturbation_ontology_id"
PERTURBATION_FIELDS = tuple(
    name for name, field in FIELD_BY_NAME.items() if field.group is LatentGroup.PERTURBATION
)


@dataclass(frozen=True)
class OwnData:
    """A subject whose labels are terms of the model, and the samples of each condition."""

    subject: Subject

    @cached_property
    def conditions(self) -> Mapping[Key, NDArray[np.int64]]:
        """What the model can tell apart, in the order of the data, and the samples of each."""
        found: dict[Key, list[int]] = {}
        for row in range(len(self.subject.data.labels)):
            found.setdefault(_key(self.subject.query(row)), []).append(row)
        return {key: np.array(rows) for key, rows in found.items()}

    @cached_property
    def shared(self) -> NDArray[np.bool_]:
        """[genes] measured in every sample."""
        return np.asarray(self.subject.measured.all(axis=0))

    def name_of(self, condition: Condition) -> str:
        """What the terms of a condition are called; only those of ontologies, where it has any."""
        fields = self.subject.predictor.network.vocabulary.fields
        named = [name for name in condition if FIELD_BY_NAME[name].kind is Kind.ONTOLOGY] or list(condition)
        return ", ".join(
            " and ".join(fields[name].terms[term].label for term in condition[name]) for name in named
        )

    def control_of(self, condition: Condition) -> NDArray[np.int64]:
        """The samples with the same labels and no perturbation; none if there are none."""
        plain = _key({name: terms for name, terms in condition.items() if name not in PERTURBATION_FIELDS})
        rows = [
            own
            for key, own in self.conditions.items()
            if PERTURBATION not in dict(key)
            and tuple(each for each in key if each[0] not in PERTURBATION_FIELDS) == plain
        ]
        return np.concatenate(rows) if rows else np.empty(0, np.int64)


def own_data(
    network: ExpressionNetwork, genes: tuple[str, ...], data: Dataset, ontologies: Ontologies
) -> OwnData:
    """Put the samples on the model's genes. Raises InvalidInput where they have next to none of them."""
    places = data.genes.index.get_indexer(pd.Index(genes))
    here = places >= 0
    if here.sum() < FEWEST_GENES:
        raise InvalidInput(
            f"The data have {here.sum()} of the model's {len(genes):,} genes. Name them by human Ensembl ids."
        )
    cpm = np.where(here, data.cpm[:, places], np.float32(0))
    measured = data.measured[:, places] & here
    labels = placed(data.labels, network.vocabulary, ontologies)
    var = data.genes.reindex(list(genes))
    table = anndata.AnnData(cpm, obs=labels, var=var, layers={MEASURED: measured})
    own = Dataset(table, data.depth, np.zeros(len(labels), bool))
    return OwnData(Subject(Predictor(network.eval()), own, np.arange(len(genes))))


def placed(labels: pd.DataFrame, vocabulary: Vocabulary, ontologies: Ontologies) -> pd.DataFrame:
    """The labels, each value by the terms of the model that it stands on; "" where it knows nothing near."""
    found = labels.copy()
    for name in FIELD_BY_NAME:
        if name in found:
            known = vocabulary.field(name)
            terms = {value: _terms(str(value), known, ontologies) for value in set(found[name])}
            found[name] = [terms[value] for value in found[name]]
    return found


def _terms(value: str, known: FieldVocabulary, ontologies: Ontologies) -> str:
    ontology = FIELD_BY_NAME[known.name].kind is Kind.ONTOLOGY
    placements = [
        place_term(term, known, ontologies) if ontology else place(term, known)
        for term in value.split(TERM_SEPARATOR)
        if term
    ]
    return TERM_SEPARATOR.join(dict.fromkeys(term for each in placements for term in each.terms))


def _key(condition: Condition) -> Key:
    return tuple(sorted((name, tuple(terms)) for name, terms in condition.items()))
