"""Values of metadata: how each kind is written, normalised and refused."""

from __future__ import annotations

import pytest

from shared.queries.fields import FIELD_NAMES
from shared.queries.spec import Coverage, Placement
from tests.unit.queries.conftest import ReadOne, Refuse, query_of


@pytest.mark.parametrize(
    ("field", "written", "kept"),
    [
        ("age_years", 30, "30"),
        ("age_years", 30.0, "30"),
        ("age_years", "30.5", "30.5"),
        ("age_years", 0, "0"),
        ("sex", " male ", "male"),
        ("library_selection", "polya", "PolyA"),
        ("library_selection", "CDNA", "cDNA"),
        ("library_layout", "PAIRED", "PAIRED"),
        ("platform", "illumina", "illumina"),
        ("perturbation_dose", "10 um", "10 um"),
        ("perturbation_dose", "2.0 um", "2 um"),
        ("perturbation_dose", "0.5 mg/kg", "0.5 mg/kg"),
        ("perturbation_dose", "1e-7 M", "1e-07 M"),
        ("perturbation_dose", "0 µM", "0 µM"),
        ("perturbation_dose", "5 %", "5 %"),
        ("perturbation_time", "24 hours", "24 hours"),
        ("study", "PRJNA229998", "PRJNA229998"),
        ("race", "any words at all", "any words at all"),
        ("genotype", "BRAF p.V600E", "BRAF p.V600E"),
        ("perturbation_ontology_id", 90371, "90371"),
        ("perturbation_ontology_id", 9606.0, "9606"),
        ("perturbation_ontology_id", "NCBITaxon:90371", "90371"),
    ],
)
def test_values_are_normalised_to_strings(read: ReadOne, field: str, written: object, kept: str) -> None:
    assert read({field: written}).metadata == {field: kept}


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize("unset", [None, "", "  "])
def test_null_and_blank_are_unset(read: ReadOne, field: str, unset: str | None) -> None:
    item = read({field: unset})
    assert item.metadata == {}
    assert item.placements == {}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("age_years", -1, "0 to 150"),
        ("age_years", 151, "0 to 150"),
        ("age_years", True, "true"),
        ("age_years", "thirty", "'thirty'"),
        ("age_years", "nan", "'nan'"),
        ("age_years", float("inf"), "not finite"),
        pytest.param("age_years", 10**5000, "more than 30 digits", id="age_years-huge"),
        ("sex", "femal", 'Did you mean "female"?'),
        ("sex", "Male", 'Did you mean "male"?'),
        ("sex", 1, '"female", "male"'),
        ("sex", ["male"], "make an input of each value"),
        ("sex", {"value": "male"}, "an object"),
        ("sample_type", "tissue", '"primary tissue"'),
        ("perturbation_type", "CRISPR", 'Did you mean "crispr"?'),
        ("library_selection", "poly a", 'Did you mean "PolyA"?'),
        ("library_selection", "zzz", '"Oligo-dT"'),
        ("perturbation_dose", 10, '"10 um"'),
        ("perturbation_dose", "10um", 'Did you mean "10 um"?'),
        ("perturbation_dose", "10  um", 'Did you mean "10 um"?'),
        ("perturbation_dose", "-1 um", "0 or more"),
        ("perturbation_dose", "inf um", "'inf um'"),
        ("perturbation_dose", "1e999 um", "'1e999 um'"),
        ("perturbation_dose", "10", "a unit"),
        ("perturbation_time", "long", '"24 hours"'),
        ("study", "GSE52778", "BioProject"),
        ("study", "prjna229998", 'Did you mean "PRJNA229998"?'),
        ("race", 5, "not a text"),
        ("race", "nul\x00", "control characters"),
        ("race", "\ud800", "control characters"),
        ("race", "x" * 501, "at most 500"),
    ],
)
def test_a_refused_value_is_named_with_the_remedy(
    refuse: Refuse, field: str, value: object, said: str
) -> None:
    faults = refuse(query_of({field: value}))
    assert list(faults) == [f"inputs[0].metadata.{field}"]
    assert said in faults[f"inputs[0].metadata.{field}"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("tissue", 'Did you mean "tissue_ontology_id"?'),
        ("Sex", 'Did you mean "sex"?'),
        ("age", 'Did you mean "age_years"?'),
        ("zzz", "The fields are"),
        ("modality", "remove it here"),
        ("counts", "remove them"),
    ],
)
def test_an_unknown_key_is_named_with_the_right_one(refuse: Refuse, key: str, said: str) -> None:
    assert said in refuse(query_of({key: "x"}))[f"inputs[0].metadata.{key}"]


def test_a_key_that_cannot_be_shown_is_quoted(refuse: Refuse) -> None:
    (path,) = refuse(query_of({"\ud800\n": "x"}))
    path.encode()
    assert path.isprintable()


@pytest.mark.parametrize(
    ("field", "value", "placement"),
    [
        ("sex", "male", Placement(Coverage.EXACT, ("male",))),
        ("sample_type", "organoid", Placement(Coverage.UNKNOWN)),
        ("perturbation_type", "sirna", Placement(Coverage.UNKNOWN)),
        # Known by name and never seen: the network must tell it from an unset one.
        ("perturbation_type", "crispr", Placement(Coverage.UNKNOWN, ("crispr",))),
        ("study", "PRJEB18997", Placement(Coverage.EXACT, ("PRJEB18997",))),
        ("study", "PRJNA1", Placement(Coverage.UNKNOWN)),
        ("age_years", 30, Placement(Coverage.NOT_INFORMATIVE)),
        ("race", "x", Placement(Coverage.NOT_INFORMATIVE)),
        ("perturbation_dose", "10 um", Placement(Coverage.NOT_INFORMATIVE)),
    ],
)
def test_plain_values_are_placed_by_what_the_model_saw(
    read: ReadOne, field: str, value: object, placement: Placement
) -> None:
    assert read({field: value}).placements == {field: placement}
