"""What a term that nobody sampled owes to its relatives: when they are asked, and what they add."""

from __future__ import annotations

import pytest
import torch

from shared.queries.vocabulary import FieldVocabulary, Term
from tests.support.networks import LIVER, LUNG, ORGAN, small_network
from worker.inference.relatives import strict_ancestors

TISSUE, CELL_LINE = "tissue_ontology_id", "cell_line_ontology_id"


def network_with(sampled: tuple[str, ...], share: float = 0.5):
    network = small_network()
    network.relatives.share.fill_(share)
    index = network.vocabulary.field(TISSUE).index
    known = torch.zeros(len(index))
    known[[index[term] for term in sampled]] = 1.0
    network.relatives.sampled[TISSUE].copy_(known)
    return network


def shift_of(network, **query):
    return network.condition(network.tokens([query])).factor_shift[0]


@pytest.mark.parametrize(
    ("asked", "sampled", "theirs"),
    [
        (LIVER, (LIVER, LUNG), False),  # was sampled itself
        (ORGAN, (LIVER, LUNG), True),  # a class of two
        (ORGAN, (LIVER,), False),  # another name of the only one below it
        (LIVER, (LUNG,), True),  # known by its place alone
    ],
)
def test_relatives_answer_for_what_was_not_sampled(
    asked: str, sampled: tuple[str, ...], theirs: bool
) -> None:
    shift = shift_of(network_with(sampled), **{TISSUE: (asked,)})
    assert bool(shift.abs().max() > 0) is theirs


def test_nothing_asked_nothing_added() -> None:
    assert not shift_of(network_with((LIVER, LUNG))).any()


def test_at_a_share_of_one_the_answer_is_the_relatives_alone() -> None:
    network = network_with((LIVER, LUNG), share=1.0)
    tokens = network.tokens([{TISSUE: (ORGAN,)}])
    condition = network.condition(tokens)
    member = {name: tokens.membership[:, place] for name, place in network.field_slices.items()}
    factors = network.factors(condition.latent_mean) + condition.factor_shift
    torch.testing.assert_close(factors, network.relatives.predict(member, TISSUE), atol=1e-5, rtol=1e-4)


def test_a_perturbation_acts_on_relatives_as_on_anything() -> None:
    network = network_with((LIVER, LUNG), share=1.0)
    plain, treated = (
        shift_of(network, **{TISSUE: (ORGAN,)}, **more)
        for more in ({}, {"perturbation_ontology_id": ("CHEBI:41879",)})
    )
    torch.testing.assert_close(treated, plain)


def test_strict_ancestors_leave_the_term_itself_out() -> None:
    terms = {"a": Term("a"), "b": Term("b", ("a",)), "c": Term("c", ("b",))}
    above = strict_ancestors(FieldVocabulary("tissue_ontology_id", terms))
    assert above.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
