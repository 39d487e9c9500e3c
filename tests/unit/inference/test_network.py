"""The network: what terms mean, what stays unchanged, what adds up."""

from __future__ import annotations

import pytest
import torch

from shared.queries.fields import LatentGroup
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from tests.support.networks import (
    COMPOUND,
    INFECTION,
    LIVER,
    LUNG,
    ORGAN,
    SMALL,
    small_network,
    small_vocabulary,
)
from worker.inference.network import Architecture
from worker.inference.priors import SATURATION


def log_rates(network, *queries):
    condition = network.condition(network.tokens(queries))
    return network.decode(condition.latent_mean) + condition.gene_effect


def with_perturbations(terms: dict[str, Term]) -> Vocabulary:
    """The small vocabulary with other perturbations."""
    fields = dict(small_vocabulary().fields)
    name = "perturbation_ontology_id"
    return Vocabulary(fields | {name: FieldVocabulary(name, terms)})


def test_a_term_brings_its_ancestors_along() -> None:
    network = small_network()
    columns = network.field_slices["tissue_ontology_id"]
    known = network.vocabulary.field("tissue_ontology_id").index
    membership = network.tokens([{"tissue_ontology_id": (LIVER,)}]).membership[0, columns]
    assert membership.nonzero().flatten().tolist() == sorted([known[LIVER], known[ORGAN]])


def test_an_absent_and_an_empty_field_are_the_same_and_differ_from_any_term() -> None:
    network = small_network()
    absent, empty, set_ = network.tokens([{}, {"sex": ()}, {"sex": ("male",)}]).membership
    assert torch.equal(absent, empty)
    assert not torch.equal(absent, set_)


def test_latents_lie_in_the_order_biological_technical_perturbation() -> None:
    slices = small_network().latent_slices
    assert list(slices) == [group.value for group in LatentGroup]
    assert [(place.start, place.stop) for place in slices.values()] == [(0, 5), (5, 8), (8, 10)]


def test_a_broader_term_differs_from_each_of_its_terms() -> None:
    liver, lung, organ = log_rates(
        small_network(), *({"tissue_ontology_id": (term,)} for term in (LIVER, LUNG, ORGAN))
    )
    assert not torch.allclose(liver, lung)
    assert not torch.allclose(organ, liver)


def test_no_known_perturbation_changes_nothing_at_all() -> None:
    network = small_network()
    plain, unknown = log_rates(network, {}, {"perturbation_ontology_id": ()})
    torch.testing.assert_close(plain, unknown, atol=1e-6, rtol=0)


def test_two_perturbations_act_with_nine_tenths_of_their_sum() -> None:
    network = small_network()
    names = ((), (COMPOUND,), (INFECTION,), (COMPOUND, INFECTION))
    none, compound, infection, both = log_rates(
        network, *({"perturbation_ontology_id": name} for name in names)
    )
    share = 2**-SATURATION
    assert 0.89 < share < 0.91
    torch.testing.assert_close(
        both - none, share * ((compound - none) + (infection - none)), atol=1e-5, rtol=1e-4
    )


def test_a_perturbation_that_brings_its_class_along_is_one_and_acts_in_full() -> None:
    terms = {"CHEBI:24261": Term("glucocorticoid"), COMPOUND: Term("dexamethasone", ("CHEBI:24261",), 1)}
    network = small_network(vocabulary=with_perturbations(terms))
    member = network.tokens([{"perturbation_ontology_id": (COMPOUND,)}])
    effects = network.perturbation.effects
    found = network.priors(member).mean[:, network.latent_slices["perturbation"]]
    torch.testing.assert_close(found[0], effects.sum(0))


def test_a_perturbation_that_does_not_act_does_not_weaken_the_other() -> None:
    network = small_network()
    network.perturbation.compatible.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    one, with_another = log_rates(
        network,
        {"perturbation_ontology_id": (COMPOUND,), "perturbation_type": ("compound",)},
        {"perturbation_ontology_id": (COMPOUND, INFECTION), "perturbation_type": ("compound",)},
    )
    torch.testing.assert_close(with_another, one, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "acts"), [("compound", True), ("crispr", False)])
def test_a_perturbation_acts_only_in_a_type_it_was_seen_with(kind: str, acts: bool) -> None:
    network = small_network()
    network.perturbation.compatible.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    plain, asked, untyped = log_rates(
        network,
        {},
        {"perturbation_ontology_id": (COMPOUND,), "perturbation_type": (kind,)},
        {"perturbation_ontology_id": (COMPOUND,)},
    )
    torch.testing.assert_close(asked, untyped if acts else plain, atol=1e-6, rtol=0)
    assert not torch.allclose(untyped, plain, atol=1e-3)


def test_no_gene_exceeds_its_ceiling() -> None:
    network = small_network()
    network.ceiling.fill_(-1.0)
    assert network.decode(10 * torch.randn(4, 10)).max() == -1.0


def test_sex_acts_on_genes_and_leaves_the_latents_alone() -> None:
    network = small_network()
    condition = network.condition(network.tokens([{"sex": ("female",)}, {"sex": ("male",)}]))
    assert torch.equal(condition.latent_mean[0], condition.latent_mean[1])
    assert not torch.equal(condition.gene_effect[0], condition.gene_effect[1])


def test_a_noisier_study_widens_latents_and_gene_noise_alike() -> None:
    network = small_network()
    network.noise_offsets["study"][1] = network.noise_offsets["study"][0] + 2.0
    condition = network.condition(network.tokens([{"study": ("HPA",)}, {"study": ("PRJEB18997",)}]))
    torch.testing.assert_close(condition.noise_sd[1] / condition.noise_sd[0], torch.full((20,), 2.718282))
    biological = condition.latent_sd[:, network.latent_slices["biological"]]
    torch.testing.assert_close(biological[1] / biological[0], torch.full((5,), 2.718282))


def test_an_architecture_of_unknown_sizes_is_refused() -> None:
    with pytest.raises(TypeError, match="layers"):
        Architecture.from_manifest({"rank": 4, "layers": 3})


def test_what_noise_takes_off_the_logarithm_the_residual_gives_back() -> None:
    """A generated sample's log rate has the mean estimate in its middle: 0.5 * noise_sd^2 is added."""
    network = small_network()
    condition = network.condition(network.tokens([{"study": ("HPA",)}]))
    middle = network.residual(torch.zeros(1, SMALL.residual), condition.residual_scale)
    torch.testing.assert_close(middle, 0.5 * condition.noise_sd**2)
