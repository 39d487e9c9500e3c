"""The vocabulary of a training set: every term that labels a sample, and the ancestors it brings along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pandas as pd

from shared.ontology.terms import Ontologies
from shared.queries.fields import PERTURBATION_TYPES
from shared.queries.growing import build_field
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from worker.inference.network import PERTURBATION_ID, PERTURBATION_TYPE
from worker.training.samples import MODELLED_FIELDS, TERM_SEPARATOR

# Broader terms whose members act alike: glucocorticoids, the isomers of dihydrotestosterone, Salmonella. No
# others: an untrained steroid must not act like dexamethasone.
ALIKE: Mapping[str, tuple[str, ...]] = {
    "CHEBI:41879": ("CHEBI:24261",),
    "CHEBI:16330": ("CHEBI:85278",),
    "90371": ("590",),
}
PUBLIC_STUDY = "PRJ"  # how a BioProject id begins; other studies are known to training only


def vocabulary_of(labels: pd.DataFrame, ontologies: Ontologies) -> Vocabulary:
    """Every field that says something of a sample, with the number of samples that carry each term."""
    fields = {}
    for name in (name for name in MODELLED_FIELDS if name in labels):
        rows = _samples_by_term(labels[name])
        if not rows and not (name == PERTURBATION_TYPE and PERTURBATION_ID in fields):
            continue
        if name == PERTURBATION_ID:
            fields[name] = _perturbations(rows, ontologies)
        elif name == PERTURBATION_TYPE:
            # All of them: an untrained type must be told from an unset one, for which any effect holds.
            fields[name] = build_field(name, {term: rows[term] for term in PERTURBATION_TYPES}, ontologies)
        else:
            fields[name] = build_field(name, rows, ontologies)
    return Vocabulary(fields)


def _samples_by_term(values: pd.Series) -> Counter[str]:
    rows: Counter[str] = Counter()
    for value, number in values[values != ""].value_counts().items():
        for term in str(value).split(TERM_SEPARATOR):
            rows[term] += int(number)
    return rows


def without_private_studies(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary with BioProjects as its only studies."""
    return restricted(vocabulary, lambda name, term: name != "study" or term.startswith(PUBLIC_STUDY))


def restricted(vocabulary: Vocabulary, keep: Callable[[str, str], bool]) -> Vocabulary:
    """The vocabulary with only those terms that `keep(field, term)` allows; a field without any is gone."""
    fields = {}
    for name, field in vocabulary.fields.items():
        terms = {term: entry for term, entry in field.terms.items() if keep(name, term)}
        if terms:
            fields[name] = FieldVocabulary(name, terms)
    return Vocabulary(fields)


def _perturbations(rows: Counter[str], ontologies: Ontologies) -> FieldVocabulary:
    above = {term: ALIKE.get(term, ()) for term in rows}
    known = sorted(set(rows).union(*above.values()))
    terms = {term: Term(ontologies.label(term) or term, above.get(term, ()), rows[term]) for term in known}
    return FieldVocabulary(PERTURBATION_ID, terms)
