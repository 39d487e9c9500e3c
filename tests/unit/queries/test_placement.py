"""Where ontology terms are placed in a model of some 50 tissues, 35 diseases and few perturbations."""

from __future__ import annotations

import pytest

from shared.ontology.terms import Ontologies
from shared.queries.growing import build_field
from shared.queries.placement import place_term
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage, Placement
from tests.unit.queries.conftest import ReadOne, Refuse, query_of

TISSUE, DISEASE, CELL, LINE, PERTURBATION = (
    "tissue_ontology_id",
    "disease_ontology_id",
    "cell_type_ontology_id",
    "cell_line_ontology_id",
    "perturbation_ontology_id",
)
UNKNOWN = Placement(Coverage.UNKNOWN)


@pytest.mark.parametrize(
    ("field", "term"),
    [
        (TISSUE, "UBERON:0002107"),
        (TISSUE, "UBERON:0000955"),  # brain, known as an ancestor of its parts
        (TISSUE, "UBERON:0000062"),  # organ: broad, and asked for
        (DISEASE, "MONDO:0004992"),
        (LINE, "CVCL_0004"),
        (PERTURBATION, "CHEBI:24261"),
    ],
)
def test_what_the_vocabulary_has_is_exact(read: ReadOne, field: str, term: str) -> None:
    assert read({field: term}).placements == {field: Placement(Coverage.EXACT, (term,))}


@pytest.mark.parametrize(
    ("field", "term", "ancestor", "distance"),
    [
        (
            TISSUE,
            "UBERON:0001115",
            "UBERON:0002107",
            2,
        ),  # left lobe of liver: a lobe of liver, part of the liver
        (TISSUE, "UBERON:0001113", "UBERON:0002107", 1),  # lobe of liver
        (TISSUE, "UBERON:0009834", "UBERON:0000956", 2),  # dorsolateral prefrontal cortex: cerebral cortex
        (TISSUE, "UBERON:0001969", "UBERON:0000178", 1),  # blood plasma: blood
        (TISSUE, "UBERON:0002082", "UBERON:0000948", 2),  # cardiac ventricle: heart, an untrained large organ
        (
            DISEASE,
            "MONDO:0011719",
            "MONDO:0021118",
            3,
        ),  # GIST: intestinal neoplasm, above two trained cancers
        (DISEASE, "MONDO:0005124", "MONDO:0020590", 1),  # leprosy: mycobacterial infectious disease
        (CELL, "CL:0000897", "CL:0000084", 3),  # CD4+ alpha-beta memory T cell: T cell
        (CELL, "CL:0000169", "CL:0008024", 1),  # beta cell: pancreatic endocrine cell
        (PERTURBATION, "CHEBI:17650", "CHEBI:24261", 1),  # cortisol: glucocorticoid
        (PERTURBATION, "28901", "590", 1),  # Salmonella enterica: Salmonella
        (PERTURBATION, "216597", "90371", 1),  # strain SL1344: serovar Typhimurium
    ],
)
def test_an_unseen_term_stands_on_its_nearest_specific_ancestor(
    read: ReadOne, field: str, term: str, ancestor: str, distance: int
) -> None:
    item = read({field: term})
    assert item.metadata == {field: term}
    assert item.placements == {field: Placement(Coverage.ANCESTOR, (ancestor,), distance)}


@pytest.mark.parametrize(
    ("field", "term", "known"),
    [
        (TISSUE, "UBERON:0002101", None),  # limb: lateral structure, organism subdivision
        (TISSUE, "UBERON:0001088", "UBERON:0000178"),  # urine: a bodily substance, like blood
        (DISEASE, "MONDO:0005148", None),  # type 2 diabetes is no pancreatic cancer
        (DISEASE, "MONDO:0004975", None),  # nor is Alzheimer disease a glioblastoma
        (DISEASE, "MONDO:0100096", "MONDO:0005109"),  # COVID-19 is viral, and no HIV
    ],
)
def test_a_term_with_only_broad_known_ancestors_cannot_be_placed(
    refuse: Refuse, field: str, term: str, known: str | None
) -> None:
    message = refuse(query_of({field: term}))[f"inputs[0].metadata.{field}"]
    assert message.startswith(f"gem-1-bulk cannot place {term} (")
    assert "Use one that it knows" in message
    assert known is None or known in message


@pytest.mark.parametrize(
    "term",
    [
        "CHEBI:27641",  # cycloheximide: shares only "cyclic ketone" and the like
        "CHEBI:16469",  # estradiol: shares "17beta-hydroxy steroid" with dihydrotestosterone
        "CHEBI:17026",  # progesterone: shares "20-oxo steroid" with dexamethasone
        "CHEMBL25",
        "ENSG00000141510",
        "562",
        "158878",
    ],
)
def test_a_perturbation_near_nothing_is_accepted_without_effect(read: ReadOne, term: str) -> None:
    assert read({PERTURBATION: term}).placements == {PERTURBATION: UNKNOWN}


def test_even_a_full_closure_of_chebi_does_not_make_every_steroid_alike(ontologies: Ontologies) -> None:
    known = build_field(PERTURBATION, {"CHEBI:41879": 3, "CHEBI:16330": 3}, ontologies)
    assert place_term("CHEBI:17650", known, ontologies) == Placement(Coverage.ANCESTOR, ("CHEBI:24261",), 1)
    for unlike in ("CHEBI:27641", "CHEBI:16469", "CHEBI:17026", "CHEBI:17347"):
        assert place_term(unlike, known, ontologies) == UNKNOWN


def test_ancestors_at_one_distance_all_count(ontologies: Ontologies) -> None:
    stem_cell = "CL:0000016"  # male germ line stem cell: a germ line stem cell and a male germ cell
    parents = {term for term, steps in ontologies.ancestors(stem_cell).items() if steps == 1}
    assert len(parents) > 1
    known = build_field(CELL, dict.fromkeys(parents, 1), ontologies)
    placement = place_term(stem_cell, known, ontologies)
    assert placement == Placement(Coverage.ANCESTOR, tuple(sorted(parents)), 1)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (TISSUE, "UBERON:9999999", "UBERON:"),
        (TISSUE, "uberon:0002107", "UBERON:0002107 (liver)"),
        (TISSUE, "liver", "UBERON:0002107 (liver)"),
        (TISSUE, "livr", "UBERON:0002107 (liver)"),
        (TISSUE, "CL:0000236", "cell_type_ontology_id"),
        (TISSUE, "UBERON:0000027", "UBERON:0001466"),
        (DISEASE, "GIST", "MONDO:0011719"),
        (LINE, "A549", "CVCL_0023 (A-549)"),
        (PERTURBATION, "TP53", "ENSG00000141510 (TP53)"),
        (PERTURBATION, "dexamethazone", "CHEBI:41879 (dexamethasone)"),
        (PERTURBATION, "99999999", "ENSG00000111537 (IFNG)"),
        (PERTURBATION, "UBERON:0002107", "tissue_ontology_id"),
    ],
)
def test_an_id_that_is_none_is_refused_with_what_was_meant(
    refuse: Refuse, field: str, value: str, said: str
) -> None:
    message = refuse(query_of({field: value}))[f"inputs[0].metadata.{field}"]
    assert value in message
    assert said in message.replace(value, "", 1)


@pytest.mark.parametrize("value", [5, True, 1.5, ["UBERON:0002107"], {}])
def test_an_id_is_a_text(refuse: Refuse, value: object) -> None:
    assert list(refuse(query_of({TISSUE: value}))) == [f"inputs[0].metadata.{TISSUE}"]


def test_a_known_line_says_nothing_of_its_tissue(read: ReadOne) -> None:
    assert read({LINE: "CVCL_0004"}).placements.keys() == {LINE}


def test_an_unseen_line_stands_on_its_tissue_disease_and_sex(read: ReadOne) -> None:
    item = read({LINE: "CVCL_0023"})
    assert item.metadata == {LINE: "CVCL_0023"}
    assert item.placements == {
        LINE: Placement(Coverage.ANCESTOR, ("UBERON:0002048", "MONDO:0005061"), 1),
        TISSUE: Placement(Coverage.EXACT, ("UBERON:0002048",)),
        DISEASE: Placement(Coverage.EXACT, ("MONDO:0005061",)),
        "sex": Placement(Coverage.EXACT, ("male",)),
    }


def test_what_the_query_says_itself_wins_over_the_line(read: ReadOne) -> None:
    item = read({LINE: "CVCL_0023", TISSUE: "UBERON:0002107", "sex": "female"})
    assert item.placements[TISSUE].terms == ("UBERON:0002107",)
    assert item.placements["sex"].terms == ("female",)
    assert item.placements[LINE] == Placement(Coverage.ANCESTOR, ("MONDO:0005061",), 1)
    nothing_left = read({LINE: "CVCL_0023", TISSUE: "UBERON:0002107", DISEASE: "MONDO:0005061"})
    assert nothing_left.placements[LINE] == UNKNOWN


def test_a_line_of_unknown_origin_cannot_be_placed(refuse: Refuse) -> None:
    message = refuse(query_of({LINE: "CVCL_A1ZW"}))[f"inputs[0].metadata.{LINE}"]
    assert "cannot place CVCL_A1ZW (A549-1)" in message
    assert "CVCL_0004 (K-562)" in message
    assert "set tissue_ontology_id" in message


def test_a_model_without_the_field_accepts_and_learns_nothing(
    read: ReadOne, refuse: Refuse, single_cell: ModelRules
) -> None:
    item = read({PERTURBATION: "CHEBI:41879", LINE: "CVCL_0023"}, rules=single_cell)
    assert {place.coverage for place in item.placements.values()} == {Coverage.NOT_INFORMATIVE}
    assert item.metadata == {PERTURBATION: "CHEBI:41879", LINE: "CVCL_0023"}
    assert refuse(query_of({PERTURBATION: "CHEBI:9999999"}), rules=single_cell)
