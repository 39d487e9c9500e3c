"""What the tables say of known terms, and of ids that are not terms."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from shared.errors import SetupError
from shared.ontology.terms import TABLED, Ontologies, OntologyTerm

PERTURBATIONS = ("ENSG", "CHEBI", "CHEMBL", "NCBITaxon")


def ids(terms: Iterable[OntologyTerm]) -> list[str]:
    return [term.id for term in terms]


@pytest.mark.parametrize(
    ("term_id", "label"),
    [
        ("UBERON:0002107", "liver"),
        ("CL:0000236", "B cell"),
        ("MONDO:0011719", "gastrointestinal stromal tumor"),
        ("CVCL_0023", "A-549"),
        ("CHEBI:41879", "dexamethasone"),
        ("ENSG00000111537", "IFNG"),
        ("9606", "Homo sapiens"),
        ("90371", "Salmonella enterica subsp. enterica serovar Typhimurium"),
    ],
)
def test_a_term_of_each_ontology_has_its_label(ontologies: Ontologies, term_id: str, label: str) -> None:
    term = ontologies.get(term_id)
    assert term is not None
    assert (term.id, term.label, term.obsolete, term.verified) == (term_id, label, False, True)


@pytest.mark.parametrize(
    "missing",
    ["UBERON:9999999", "CL:9999999", "MONDO:9999999", "CVCL_ZZZZ", "CHEBI:9999999", "ENSG99999999999"],
)
def test_an_id_that_no_ontology_has_is_no_term(ontologies: Ontologies, missing: str) -> None:
    assert ontologies.get(missing) is None
    assert ontologies.label(missing) is None
    assert not ontologies.ancestors(missing)


def test_ancestors_go_through_part_of_with_the_fewest_steps(ontologies: Ontologies) -> None:
    ancestors = ontologies.ancestors("UBERON:0001115")
    assert ancestors["UBERON:0001113"] == 1  # lobe of liver
    assert ancestors["UBERON:0002107"] == 2  # liver, of which the lobe is a part
    assert "UBERON:0001115" not in ancestors
    assert list(ancestors.values()) == sorted(ancestors.values())


def test_a_parent_is_one_step_up_and_its_ancestors_are_the_childs_too(ontologies: Ontologies) -> None:
    term = ontologies.get("MONDO:0011719")
    assert term is not None
    ancestors = ontologies.ancestors(term.id)
    assert {ancestor for ancestor, steps in ancestors.items() if steps == 1} == set(term.parents)
    for parent in term.parents:
        assert ontologies.ancestors(parent).keys() <= ancestors.keys()


def test_descendants_count_what_lies_below(ontologies: Ontologies) -> None:
    hepatocyte, cell = ontologies.get("CL:0000182"), ontologies.get("CL:0000000")
    assert hepatocyte is not None
    assert cell is not None
    assert 0 < hepatocyte.descendants < 10 < 3_000 < cell.descendants


def test_an_obsolete_term_names_its_replacement(ontologies: Ontologies) -> None:
    term = ontologies.get("UBERON:0000027")
    assert term is not None
    assert term.obsolete
    assert term.replacements == ("UBERON:0001466",)


def test_of_chembl_and_unlisted_taxa_only_the_form_is_checked(ontologies: Ontologies) -> None:
    for unlisted in ("CHEMBL25", "158878"):  # a strain of S. aureus, in no table here
        term = ontologies.get(unlisted)
        assert term is not None
        assert (term.label, term.verified) == ("", False)
    assert ontologies.get("99999999") is None  # beyond the highest number given so far


def test_strains_of_pathogens_lie_below_their_species(ontologies: Ontologies) -> None:
    assert list(ontologies.ancestors("216597")) == ["90371", "59201", "28901", "590"]


@pytest.mark.parametrize(
    ("text", "wanted", "best"),
    [
        ("liver", ("UBERON",), "UBERON:0002107"),
        ("liv", ("UBERON",), "UBERON:0002107"),
        ("GIST", ("MONDO",), "MONDO:0011719"),  # a synonym
        ("A549", ("CVCL",), "CVCL_0023"),  # whose label has a hyphen
        ("hepg2", ("CVCL",), "CVCL_0027"),
        ("ventricle left heart", ("UBERON",), "UBERON:0002084"),  # words in any order
        ("tp53", PERTURBATIONS, "ENSG00000141510"),
        ("dexamethasone", PERTURBATIONS, "CHEBI:41879"),
        ("UBERON:0002107", ("UBERON",), "UBERON:0002107"),
    ],
)
def test_search_puts_the_best_name_first(
    ontologies: Ontologies, text: str, wanted: tuple[str, ...], best: str
) -> None:
    assert ids(ontologies.search(text, wanted))[0] == best


def test_search_stays_within_what_it_is_told(ontologies: Ontologies) -> None:
    assert len(ontologies.search("cell", ("CL",), limit=7)) == 7
    assert ids(ontologies.search("l", ("UBERON",), among=["UBERON:0002107", "CL:0000182"])) == [
        "UBERON:0002107"
    ]
    assert ontologies.search("liver", ("CHEMBL",)) == ()
    assert ontologies.search("  ", ("UBERON",)) == ()
    assert not any(term.obsolete for term in ontologies.search("processual entity", ("UBERON",)))


@pytest.mark.parametrize(
    ("value", "wanted", "meant"),
    [
        ("uberon_0002107", ("UBERON",), "UBERON:0002107"),
        ("UBERON:2107", ("UBERON",), "UBERON:0002107"),
        ("UBERON:00021O7", ("UBERON",), None),
        ("UBERON:0020107", ("UBERON",), "UBERON:0002107"),  # swapped digits
        ("UBERON:0000027", ("UBERON",), "UBERON:0001466"),  # obsolete
        ("ENSG00000141510.18", PERTURBATIONS, "ENSG00000141510"),
        ("livr", ("UBERON",), "UBERON:0002107"),
        ("dexamethazone", PERTURBATIONS, "CHEBI:41879"),
        ("HELA", ("CVCL",), "CVCL_0030"),
        ("x" * 500, ("UBERON",), None),
        ("", PERTURBATIONS, None),
    ],
)
def test_suggestions_name_what_was_probably_meant(
    ontologies: Ontologies, value: str, wanted: tuple[str, ...], meant: str | None
) -> None:
    suggested = ids(ontologies.suggest(value, wanted, limit=10))
    assert suggested == [] if meant is None else meant in suggested


def test_every_suggestion_is_a_valid_term_of_a_wanted_ontology(ontologies: Ontologies) -> None:
    for value in ("CHEBI:4187", "MONDO:001171", "CVCL_002", "CL:0000236", "insulin"):
        for term in ontologies.suggest(value, ("CHEBI", "MONDO", "CVCL")):
            assert term.ontology in ("CHEBI", "MONDO", "CVCL")
            assert not term.obsolete


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=f"{TABLED[0]}.arrow is missing"):
        Ontologies.open(tmp_path)
