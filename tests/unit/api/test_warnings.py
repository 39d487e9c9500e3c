"""One readable sentence for each value that the model does not place exactly."""

from __future__ import annotations

from api.services.warnings import MOST_WARNINGS, placement_warnings
from shared.queries.coverage import coverage_of
from shared.queries.spec import Coverage, InputSpec, Placement, QuerySpec, SamplingStrategy
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary

LIVER, LOBE, ORGAN = "UBERON:0002107", "UBERON:0001115", "UBERON:0000062"
VOCABULARY = Vocabulary(
    {
        "tissue_ontology_id": FieldVocabulary(
            "tissue_ontology_id", {LIVER: Term("liver"), ORGAN: Term("organ")}
        )
    }
)
LABELS = {LOBE: "left lobe of liver", "CHEBI:16681": "estrone"}


def warnings(*conditions: dict[str, tuple[str, Placement]]) -> list[str]:
    inputs = tuple(
        InputSpec(
            {field: value for field, (value, _) in condition.items()},
            {field: place for field, (_, place) in condition.items()},
            1,
        )
        for condition in conditions
    )
    query = QuerySpec("gem-1-bulk", SamplingStrategy.MEAN_ESTIMATION, inputs, 1000)
    return placement_warnings(coverage_of(query, VOCABULARY, LABELS.get))


def at_ancestor(distance: int, *terms: str) -> Placement:
    return Placement(Coverage.ANCESTOR, terms, distance)


def test_an_exact_place_is_not_mentioned() -> None:
    assert warnings({"tissue_ontology_id": (LIVER, Placement(Coverage.EXACT, (LIVER,)))}) == []


def test_an_ancestor_is_named_with_labels_and_distance() -> None:
    assert warnings({"tissue_ontology_id": (LOBE, at_ancestor(1, LIVER))}) == [
        "inputs[0].metadata.tissue_ontology_id: UBERON:0001115 (left lobe of liver) is placed at its nearest "
        "known ancestor UBERON:0002107 (liver), 1 step up."
    ]


def test_several_nearest_ancestors_are_all_named() -> None:
    (warning,) = warnings({"tissue_ontology_id": (LOBE, at_ancestor(3, LIVER, ORGAN))})
    assert "ancestors UBERON:0002107 (liver) and UBERON:0000062 (organ), 3 steps up." in warning


def test_an_unknown_perturbation_is_said_to_have_no_effect() -> None:
    (warning,) = warnings({"perturbation_ontology_id": ("CHEBI:16681", Placement(Coverage.UNKNOWN))})
    assert "CHEBI:16681 (estrone)" in warning
    assert "this perturbation has no effect" in warning


def test_any_other_unknown_value_is_said_to_change_nothing() -> None:
    (warning,) = warnings({"study": ("PRJNA1", Placement(Coverage.UNKNOWN))})
    assert "PRJNA1" in warning
    assert "changes nothing" in warning


def test_what_is_worse_is_said_first() -> None:
    said = warnings(
        {"tissue_ontology_id": (LOBE, at_ancestor(1, LIVER))},
        {"study": ("PRJNA1", Placement(Coverage.UNKNOWN))},
    )
    assert [sentence.partition(".")[0] for sentence in said] == ["inputs[1]", "inputs[0]"]


def test_a_sentence_is_said_once_at_its_first_place() -> None:
    lobe = {"tissue_ontology_id": (LOBE, at_ancestor(1, LIVER))}
    (warning,) = warnings({}, lobe, lobe)
    assert warning.startswith("inputs[1].")


def test_a_field_without_any_effect_is_said_once_for_all_its_values() -> None:
    inert = Placement(Coverage.NOT_INFORMATIVE)
    (warning,) = warnings({"genotype": ("wild type", inert)}, {"genotype": ("mutant", inert)})
    assert "the model learnt nothing from genotype" in warning


def test_there_are_a_hundred_at_most_and_the_last_counts_the_rest() -> None:
    unknown = Placement(Coverage.UNKNOWN)
    many = [{"perturbation_ontology_id": (f"CHEBI:{number}", unknown)} for number in range(150)]
    said = warnings(*many)
    assert len(said) == MOST_WARNINGS
    assert said[-1] == "and 51 more values."


def test_values_beyond_the_summary_are_counted_too() -> None:
    unknown = Placement(Coverage.UNKNOWN)
    many = [{"perturbation_ontology_id": (f"CHEBI:{number}", unknown)} for number in range(1_500)]
    assert warnings(*many)[-1] == "and 1401 more values."
