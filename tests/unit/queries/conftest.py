"""Models as the starter models are: the tissues, cells, cancers and perturbations of public data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import Fault, QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.check import check_query
from shared.queries.growing import build_field
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec, Modality, QuerySpec, SamplingStrategy
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary

TISSUES = (
    "0001013 0002369 0001876 0001154 0010011 0002371 0000310 0002037 0000956 0000002 0001886 0001155 0002114 "
    "0001295 0001301 0001043 0003889 0002110 0002349 0002421 0001898 0002113 0002107 0002048 0000029 0001891 "
    "0000992 0001264 0001132 0000007 0001987 0002367 0001052 0000966 0001044 0000998 0001134 0000014 0002108 "
    "0001135 0002240 0002106 0000945 0000473 0002370 0002046 0001723 0002372 0001255 0000996 0000178"
)
CELL_TYPES = "0000236 0000084 0000623 0000235 0000094 0000576 0000182 0000746 0000115 0000057 0008024"
CANCERS = (
    "0005611 0004989 0006143 0002271 0018177 0010150 0017885 0005005 0017884 0007256 0005061 0005097 0006046 "
    "0006047 0005082 0002169 0005012 0005036 0010108 0015075 0002447 0005089 0006639 0019087 0018905 0019086 "
    "0018874 0021639 0005065 0008233 0006456 0006485 0006486 0018076 0005109"
)
# As the training room makes them: only classes whose members act alike stand above a compound.
PERTURBATIONS = {
    "CHEBI:41879": Term("dexamethasone", ("CHEBI:24261",), 3),
    "CHEBI:24261": Term("glucocorticoid"),
    "CHEBI:16330": Term("17beta-hydroxy-5alpha-androstan-3-one", (), 3),
    "ENSG00000111537": Term("IFNG", (), 5),
    "90371": Term("Salmonella enterica subsp. enterica serovar Typhimurium", ("590",), 5),
    "590": Term("Salmonella"),
}


@pytest.fixture(scope="session")
def ontologies() -> Ontologies:
    return Ontologies.open()


@pytest.fixture(scope="session")
def bulk(ontologies: Ontologies) -> ModelRules:
    """A bulk model; nothing of age, race, dose, platform and so on was learnt."""
    trained: dict[str, dict[str, int]] = {
        "tissue_ontology_id": {f"UBERON:{number}": 2 for number in TISSUES.split()},
        "cell_type_ontology_id": {f"CL:{number}": 1 for number in CELL_TYPES.split()},
        "disease_ontology_id": {f"MONDO:{number}": 1 for number in CANCERS.split()},
        "cell_line_ontology_id": {"CVCL_0004": 12, "CVCL_0395": 7},
        "sample_type": {"cell line": 148, "primary cells": 21, "primary tissue": 199},
        "sex": {"female": 98, "male": 75},
        "study": {"PRJEB18997": 15},
    }
    fields = {name: build_field(name, rows, ontologies) for name, rows in trained.items()}
    fields["perturbation_ontology_id"] = FieldVocabulary("perturbation_ontology_id", PERTURBATIONS)
    types = {"compound": Term("compound", (), 6), "crispr": Term("crispr"), "shrna": Term("shrna", (), 6)}
    fields["perturbation_type"] = FieldVocabulary("perturbation_type", types)
    return ModelRules("gem-1-bulk", Modality.BULK, tuple(SamplingStrategy), 10_000_000, Vocabulary(fields))


@pytest.fixture(scope="session")
def single_cell(bulk: ModelRules) -> ModelRules:
    """A single-cell model, which knows cell types, tissues and sex only."""
    names = ("tissue_ontology_id", "cell_type_ontology_id", "sex")
    fields = {name: bulk.vocabulary.field(name) for name in names}
    return ModelRules(
        "gem-1-sc", Modality.SINGLE_CELL, (SamplingStrategy.MEAN_ESTIMATION,), 10_000, Vocabulary(fields)
    )


Check = Callable[..., QuerySpec]
Refuse = Callable[..., dict[str, str]]
ReadOne = Callable[..., InputSpec]


def query_of(metadata: object = None, **more: Any) -> dict[str, Any]:
    """A query with one input; `more` sets or overrides what stands at its top level."""
    one = {"metadata": metadata if metadata is not None else {}, "num_samples": 1}
    return {"sampling_strategy": "mean estimation", "inputs": [one]} | more


@pytest.fixture
def check(bulk: ModelRules, ontologies: Ontologies) -> Check:
    def checked(body: object, rules: ModelRules = bulk) -> QuerySpec:
        return check_query(body, rules, ontologies)

    return checked


@pytest.fixture
def refuse(check: Check) -> Refuse:
    """The faults of a query that must be refused, by path."""

    def refused(body: object, **options: Any) -> dict[str, str]:
        with pytest.raises(QueryRejected) as rejection:
            check(body, **options)
        faults: tuple[Fault, ...] = rejection.value.faults
        return {fault.path: fault.message for fault in faults}

    return refused


@pytest.fixture
def read(check: Check) -> ReadOne:
    """The only input of a query with this metadata."""

    def one(metadata: object, **options: Any) -> InputSpec:
        return check(query_of(metadata), **options).inputs[0]

    return one
