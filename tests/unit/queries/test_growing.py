"""A field's vocabulary, grown from training rows."""

from __future__ import annotations

from shared.ontology.terms import Ontologies
from shared.queries.growing import build_field

LIVER, HEART, MYOCARDIUM = "UBERON:0002107", "UBERON:0000948", "UBERON:0002349"


def test_values_bring_all_their_ancestors_and_only_values_have_rows(ontologies: Ontologies) -> None:
    field = build_field("tissue_ontology_id", {LIVER: 3, MYOCARDIUM: 2}, ontologies)
    assert {term for term, entry in field.terms.items() if entry.rows} == {LIVER, MYOCARDIUM}
    assert field.terms[LIVER].rows == 3
    assert field.terms[HEART].label == "heart"
    assert set(field.closure([LIVER])) == {LIVER, *ontologies.ancestors(LIVER)}


def test_every_parent_is_an_entry_and_the_order_is_that_of_the_ids(ontologies: Ontologies) -> None:
    field = build_field("tissue_ontology_id", {LIVER: 3, MYOCARDIUM: 2}, ontologies)
    assert list(field.terms) == sorted(field.terms)
    for entry in field.terms.values():
        assert set(entry.parents) <= field.terms.keys()


def test_spellings_of_one_taxon_count_together(ontologies: Ontologies) -> None:
    field = build_field("perturbation_ontology_id", {"NCBITaxon:90371": 2, "90371": 3}, ontologies)
    assert field.terms["90371"].rows == 5


def test_values_of_no_ontology_stand_alone(ontologies: Ontologies) -> None:
    field = build_field("sex", {"male": 2, "female": 1}, ontologies)
    assert {term: (entry.label, entry.parents, entry.rows) for term, entry in field.terms.items()} == {
        "female": ("female", (), 1),
        "male": ("male", (), 2),
    }
