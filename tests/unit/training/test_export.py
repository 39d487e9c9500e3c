"""Cutting a model out of a trained network: what is kept answers as before."""

from __future__ import annotations

import torch

from tests.support.networks import COMPOUND, LIVER, small_network
from worker.training.export import cut_down
from worker.training.vocabulary import restricted, without_private_studies

GENES = torch.tensor([1, 4, 5, 17])


def test_kept_terms_and_genes_answer_as_in_the_whole_network() -> None:
    network = small_network()
    small = cut_down(network, without_private_studies(network.vocabulary), GENES)
    asked = [
        {"tissue_ontology_id": (LIVER,), "sex": ("male",), "study": ("PRJEB18997",)},
        {"perturbation_ontology_id": (COMPOUND,), "perturbation_type": ("compound",)},
        {},
    ]
    whole, part = (each.condition(each.tokens(asked)) for each in (network, small))
    torch.testing.assert_close(part.latent_mean, whole.latent_mean)
    torch.testing.assert_close(part.latent_sd, whole.latent_sd)
    torch.testing.assert_close(part.gene_effect, whole.gene_effect[:, GENES])
    torch.testing.assert_close(part.noise_sd, whole.noise_sd[:, GENES])
    torch.testing.assert_close(small.decode(part.latent_mean), network.decode(whole.latent_mean)[:, GENES])


def test_a_field_left_out_counts_as_missing() -> None:
    network = small_network()
    small = cut_down(network, restricted(network.vocabulary, lambda name, _: name == "sex"), GENES)
    assert list(small.field_slices) == ["sex"]
    whole, part = (each.condition(each.tokens([{"sex": ("male",)}])) for each in (network, small))
    torch.testing.assert_close(part.latent_mean, whole.latent_mean)


def test_studies_of_no_public_archive_are_left_out() -> None:
    studies = without_private_studies(small_network().vocabulary).field("study").terms
    assert list(studies) == ["PRJEB18997"]
