"""How ids are written: exactly on the way out, loosely understood on the way in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ontology.ids import FORMS, IdForm, parse_id, read_loosely


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_reads_its_own_example(form: IdForm) -> None:
    found = parse_id(form.example)
    assert found is not None
    assert found[0] is form
    assert form.write(found[1]) == form.example


@given(ontology=st.sampled_from(list(FORMS)), number=st.integers(1, 36**4 - 1))
def test_a_written_id_reads_back_as_its_number(ontology: str, number: int) -> None:
    form = FORMS[ontology]
    assert parse_id(form.write(number)) == (form, number)


def test_a_taxon_may_carry_its_prefix_and_is_written_without_it() -> None:
    found = parse_id("NCBITaxon:9606")
    assert found is not None
    assert found[0].write(found[1]) == "9606"


@pytest.mark.parametrize(
    "written",
    ["uberon:0002107", "UBERON:2107", "UBERON:0002107 ", "CVCL_23", "ENSG0000011153", "CHEBI:041879", "٩٦٠٦"],
)
def test_only_the_exact_spelling_is_an_id(written: str) -> None:
    assert parse_id(written) is None


@pytest.mark.parametrize(
    ("written", "ontology", "local"),
    [
        ("uberon_2107", "UBERON", "0002107"),
        ("cvcl_0023", "CVCL", "0023"),
        ("ENSG00000141510.18", "ENSG", "00000141510"),
        ("MONDO:001171", "MONDO", "001171"),
        ("9606", "NCBITaxon", "9606"),
    ],
)
def test_a_loose_spelling_is_understood(written: str, ontology: str, local: str) -> None:
    found = read_loosely(written)
    assert found is not None
    assert (found[0].ontology, found[1]) == (ontology, local)


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    found = read_loosely(text)
    assert found is None or int(found[1], found[0].base) >= 0
