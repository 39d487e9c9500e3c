"""Whatever JSON comes: a spec, or faults that can be shown; never anything else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Fault, QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.check import check_query
from shared.queries.fields import FIELD_BY_NAME, FIELD_NAMES
from shared.queries.rules import ModelRules
from shared.queries.spec import QuerySpec

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1, 50).map(lambda digits: 10 ** (100 * digits)),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["male", "UBERON:0002107", "UBERON:0001115", "liver", "CVCL_0023", "10 um", "PRJNA1", "9606"]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, anything)


GOOD_IDS: dict[str, list[Any]] = {
    "cell_line_ontology_id": ["CVCL_0023", "CVCL_0004", "CVCL_A1ZW"],
    "cell_type_ontology_id": ["CL:0000236", "CL:0000897"],
    "disease_ontology_id": ["MONDO:0011719", "MONDO:0005148"],
    "tissue_ontology_id": ["UBERON:0002107", "UBERON:0001115", "UBERON:0009834"],
    "perturbation_ontology_id": [
        "CHEBI:41879",
        "CHEBI:27641",
        "NCBITaxon:90371",
        9606,
        "CHEMBL25",
        "ENSG00000111537",
    ],
    "perturbation_dose": ["10 um", "2.50 um", "1e-7 M"],
    "perturbation_time": ["24 hours", "0.5 h"],
    "study": ["PRJNA1", "PRJEB18997"],
    "age_years": [30, "30.0", 0.5],
    "library_selection": ["polya", "cDNA"],
}
good_metadata = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(GOOD_IDS.get(name) or list(FIELD_BY_NAME[name].values) or ["some words"])
        for name in FIELD_NAMES
    },
)
nearly_good_metadata = st.dictionaries(
    st.sampled_from([*FIELD_NAMES, "num_samples", "tissue"]) | st.text(max_size=8), anything, max_size=5
)
good_input = st.fixed_dictionaries({"metadata": good_metadata, "num_samples": st.integers(1, 20)})
good_options = {
    "total_count": st.integers(1, 2_000_000_000) | st.just(5e6),
    "deterministic_latents": st.booleans(),
    "seed": st.integers(0, 2**63 - 1),
    "source": st.sampled_from(["pysynthbio", "rsynthbio"]),
}
nearly_good = st.fixed_dictionaries(
    {
        "sampling_strategy": mostly(st.sampled_from(["mean estimation", "sample generation"])),
        "inputs": mostly(
            st.lists(
                mostly(
                    st.fixed_dictionaries(
                        {
                            "metadata": good_metadata | nearly_good_metadata,
                            "num_samples": mostly(st.integers(1, 20)),
                        }
                    )
                ),
                max_size=4,
            )
        ),
    },
    optional={name: mostly(good) for name, good in good_options.items()} | {"conditioning": anything},
)
good = st.fixed_dictionaries(
    {
        "sampling_strategy": st.sampled_from(["mean estimation", "sample generation"]),
        "inputs": st.lists(good_input, min_size=1, max_size=4),
    },
    optional=good_options,
)
thorough = settings(max_examples=150)


def written(spec: QuerySpec) -> dict[str, Any]:
    """A spec as a query again."""
    return {
        "sampling_strategy": str(spec.sampling_strategy),
        "inputs": [
            {"metadata": dict(item.metadata), "num_samples": item.num_samples} for item in spec.inputs
        ],
        "total_count": spec.total_count,
        "deterministic_latents": spec.deterministic_latents,
        "seed": spec.seed,
        "source": spec.source,
    }


def outcome(body: object, rules: ModelRules, ontologies: Ontologies) -> QuerySpec | tuple[Fault, ...]:
    try:
        return check_query(body, rules, ontologies)
    except QueryRejected as rejection:
        return rejection.faults


@thorough
@given(body=anything | nearly_good)
def test_any_json_gives_a_spec_or_faults_fit_to_be_shown(
    bulk: ModelRules, ontologies: Ontologies, body: object
) -> None:
    spec = outcome(body, bulk, ontologies)
    if isinstance(spec, QuerySpec):
        assert check_query(written(spec), bulk, ontologies) == spec
        return
    assert spec
    for fault in spec:
        assert fault.message.strip()
        assert (fault.path + fault.message).isprintable()
        assert len(fault.path + fault.message) < 1_500


@thorough
@given(body=good)
def test_a_checked_spec_written_out_checks_to_itself(
    single_cell: ModelRules, ontologies: Ontologies, body: dict[str, Any]
) -> None:
    # Every field but cell type and tissue is not informative here, so only those can be refused.
    body["sampling_strategy"] = "mean estimation"
    spec = check_query(body, single_cell, ontologies)
    assert check_query(json.loads(json.dumps(written(spec))), single_cell, ontologies) == spec


@thorough
@given(metadata=good_metadata, key=st.sampled_from(FIELD_NAMES), value=anything)
def test_one_value_never_changes_how_another_is_read(
    bulk: ModelRules, ontologies: Ontologies, metadata: dict[str, Any], key: str, value: object
) -> None:
    """Read beside others or alone, before or after the same text in another input: the same faults."""
    alone = {"metadata": {key: value}, "num_samples": 1}
    among = {"metadata": metadata | {key: value}, "num_samples": 1}
    query = {"sampling_strategy": "mean estimation"}
    lone = faults_at(key, query | {"inputs": [alone]}, bulk, ontologies)
    assert faults_at(key, query | {"inputs": [alone, among]}, bulk, ontologies) == lone * 2


def faults_at(key: str, body: object, rules: ModelRules, ontologies: Ontologies) -> list[str]:
    found = outcome(body, rules, ontologies)
    faults = () if isinstance(found, QuerySpec) else found
    return [fault.message for fault in faults if fault.path.endswith(f".{key}")]
