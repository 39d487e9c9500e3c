"""Specimens: what is said of one is whole and consistent, and depends on that specimen alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from shared.catalog import Model
from shared.errors import GenerationError
from tests.support.batches import (
    GENES,
    assert_equal_bits,
    digest,
    in_parts,
    make_specimens,
    mixed_specimens,
    pick_specimens,
    profiles,
    reorder,
)
from worker.inference.checkpoint import load_network
from worker.inference.engine import Engine

CPU = torch.device("cpu")


class TestBits:
    @pytest.mark.parametrize("size", [1, 2, 7, 32])
    def test_specimens_recognised_in_parts_of_any_size_are_the_same(self, engine: Engine, size: int) -> None:
        specimens = mixed_specimens(len(engine.model.genes))
        together = engine.recognise(specimens)
        for places in in_parts(50, size):
            part = engine.recognise(pick_specimens(specimens, places))
            assert_equal_bits(part, reorder(together, places))

    def test_order_changes_nothing(self, engine: Engine) -> None:
        specimens = mixed_specimens(len(engine.model.genes))
        order = np.random.default_rng(1).permutation(50)
        shuffled = engine.recognise(pick_specimens(specimens, order))
        assert_equal_bits(reorder(shuffled, np.argsort(order)), engine.recognise(specimens))

    def test_torch_threads_change_nothing(self, model: Model, threads: None) -> None:
        specimens, digests = mixed_specimens(len(model.genes), 30), set()
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            digests.add(digest(Engine.open(model, CPU).recognise(specimens)))
        assert len(digests) == 1

    def test_ten_specimens_are_the_first_ten_of_twenty(self, engine: Engine) -> None:
        twenty = make_specimens(profiles(20, len(engine.model.genes)))
        ten = engine.recognise(pick_specimens(twenty, np.arange(10)))
        assert_equal_bits(reorder(engine.recognise(twenty), np.arange(10)), ten)


class TestMeaning:
    def test_every_field_with_a_choice_gets_probabilities_that_add_up_to_one(self, small: Engine) -> None:
        found = small.recognise(mixed_specimens(GENES))
        assert found.classes["sex"] == ("female", "male")
        assert found.probabilities.keys() == found.classes.keys()
        for field, classes in found.classes.items():
            values = found.probabilities[field]
            assert values.shape == (50, len(classes))
            assert values.dtype == np.float32
            assert (values >= 0).all()
            np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)

    def test_specimens_differ_in_what_they_are(self, small: Engine) -> None:
        found = small.recognise(mixed_specimens(GENES))
        assert len(np.unique(found.probabilities["tissue_ontology_id"].round(3), axis=0)) == 50

    def test_probabilities_are_those_of_the_posterior_mean_and_do_not_vary_with_the_seed(
        self, small: Engine
    ) -> None:
        counts, network = profiles(3, GENES), load_network(small.model, CPU)
        mean = network.encode(torch.from_numpy(counts).float()).mean
        one, other = (small.recognise(make_specimens(counts, seed=seed)) for seed in (1, 2))
        for field, log_probability in network.classify(mean).items():
            np.testing.assert_allclose(one.probabilities[field], log_probability.exp(), rtol=1e-4, atol=1e-6)
            assert np.array_equal(one.probabilities[field], other.probabilities[field])
        assert not np.array_equal(one.latents["biological"], other.latents["biological"])

    def test_latents_are_drawn_from_the_posterior_or_are_its_mean(self, small: Engine) -> None:
        counts, samples = profiles(1, GENES), 4000
        posterior = load_network(small.model, CPU).encode(torch.from_numpy(counts).float())
        many = make_specimens(np.repeat(counts, samples, axis=0))
        drawn, fixed = (
            np.concatenate(list(small.recognise(specimens).latents.values()), axis=1)
            for specimens in (many, make_specimens(counts, deterministic=True))
        )
        np.testing.assert_allclose(fixed, posterior.mean, rtol=1e-4, atol=1e-5)
        error = 5 * posterior.sd.numpy() / np.sqrt(samples)
        assert (np.abs(drawn.mean(axis=0) - fixed) < error + 1e-4).all()
        np.testing.assert_allclose(drawn.std(axis=0), posterior.sd[0], rtol=0.06)

    def test_the_reconstruction_is_the_mean_estimate_of_its_latents(self, small: Engine) -> None:
        found, network = small.recognise(make_specimens(profiles(4, GENES))), load_network(small.model, CPU)
        latent = torch.from_numpy(np.concatenate(list(found.latents.values()), axis=1))
        expected = (torch.softmax(network.decode(latent), 1) * 10_000_000).numpy()
        assert found.counts.dtype == np.int32
        assert (np.abs(found.counts - expected) <= 0.5 + 1e-4 * expected).all()

    def test_a_reconstruction_adds_up_to_the_depth(self, small: Engine) -> None:
        specimens = mixed_specimens(GENES)
        sums = small.recognise(specimens).counts.sum(axis=1)
        assert (np.abs(sums - specimens.total_count) <= GENES / 2 + 1).all()

    def test_a_specimen_without_any_count_is_answered(self, small: Engine) -> None:
        found = small.recognise(make_specimens(np.zeros((1, GENES), np.int32)))
        assert abs(found.counts.sum() - 10_000_000) <= GENES

    def test_no_specimens_give_no_rows(self, small: Engine) -> None:
        found = small.recognise(make_specimens(np.zeros((0, GENES), np.int32)))
        assert found.counts.shape == (0, GENES)
        assert {len(values) for values in found.probabilities.values()} == {0}


class TestRefusals:
    @pytest.mark.parametrize(
        ("counts", "reason"),
        [(profiles(2, GENES + 1), "shape"), (-profiles(2, GENES), "0 or more"), (np.ones(GENES), "shape")],
    )
    def test_specimens_that_do_not_fit_are_refused(
        self, small: Engine, counts: np.typing.NDArray[np.int32], reason: str
    ) -> None:
        specimens = replace(make_specimens(profiles(2, GENES)), counts=counts)
        with pytest.raises(GenerationError, match=f"specimens.*{reason}|{reason}"):
            small.recognise(specimens)

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("heads.linear.sex.bias", "probabilities of sex"),
            ("encoder.body.3.bias", "latents of a specimen"),
            ("output.bias", "expression rates"),
        ],
    )
    def test_weights_that_are_not_numbers_fail_the_specimens(
        self, small: Engine, name: str, what: str
    ) -> None:
        network = load_network(small.model, CPU)
        network.get_parameter(name)[0] = torch.nan
        with pytest.raises(GenerationError, match=what):
            Engine(small.model, network, CPU).recognise(make_specimens(profiles(3, GENES)))
