"""What the API tells of a model's fields and their values."""

from __future__ import annotations

from shared.ontology.terms import Ontologies
from shared.queries.fields import FIELD_NAMES
from shared.queries.listing import known_values, list_fields, search_values
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage


def test_all_fields_are_listed_with_what_the_model_learnt(bulk: ModelRules) -> None:
    listed = {field.name: field for field in list_fields(bulk)}
    assert tuple(listed) == FIELD_NAMES
    tissue, sex, age = listed["tissue_ontology_id"], listed["sex"], listed["age_years"]
    assert (tissue.kind, tissue.group, tissue.ontologies) == ("ontology", "biological", ("UBERON",))
    assert (tissue.informative, tissue.known) == (True, 51)
    assert sex.values == ("female", "male")
    assert (age.informative, age.known) == (False, 0)


def test_known_values_come_with_labels_most_rows_first(bulk: ModelRules, ontologies: Ontologies) -> None:
    values = known_values("cell_line_ontology_id", bulk, ontologies)
    assert [(hit.id, hit.label, hit.coverage, hit.rows) for hit in values] == [
        ("CVCL_0004", "K-562", Coverage.EXACT, 12),
        ("CVCL_0395", "LNCaP", Coverage.EXACT, 7),
    ]


def test_permitted_values_that_were_never_seen_are_listed_as_such(
    bulk: ModelRules, ontologies: Ontologies
) -> None:
    coverage = {hit.id: hit.coverage for hit in known_values("sample_type", bulk, ontologies)}
    assert coverage["cell line"] is Coverage.EXACT
    assert coverage["organoid"] is Coverage.UNKNOWN
    assert {hit.coverage for hit in known_values("platform", bulk, ontologies)} == {Coverage.NOT_INFORMATIVE}


def test_search_puts_what_the_model_knows_first(bulk: ModelRules, ontologies: Ontologies) -> None:
    hits = search_values("tissue_ontology_id", "liv", bulk, ontologies, limit=8)
    assert (hits[0].id, hits[0].label, hits[0].coverage, hits[0].rows) == (
        "UBERON:0002107",
        "liver",
        Coverage.EXACT,
        2,
    )
    assert len(hits) == 8
    assert len({hit.id for hit in hits}) == 8
    known = [hit.coverage is Coverage.EXACT for hit in hits]
    assert known == sorted(known, reverse=True)
    assert Coverage.ANCESTOR in {hit.coverage for hit in hits}


def test_search_reads_synonyms_and_ids(bulk: ModelRules, ontologies: Ontologies) -> None:
    for text in ("GIST", "MONDO:0011719"):
        (hit, *_) = search_values("disease_ontology_id", text, bulk, ontologies)
        assert (hit.id, hit.coverage) == ("MONDO:0011719", Coverage.ANCESTOR)


def test_search_of_a_closed_list_looks_into_its_values(bulk: ModelRules, ontologies: Ontologies) -> None:
    assert [hit.id for hit in search_values("sex", "FEM", bulk, ontologies)] == ["female"]
    assert search_values("race", "any", bulk, ontologies) == ()
