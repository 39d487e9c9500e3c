"""References: what a sample takes from one, what it does not, and that its bits are its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from shared.catalog import Model
from shared.errors import GenerationError
from shared.queries.fields import LatentGroup
from tests.support.batches import (
    CONDITIONS,
    GENES,
    assert_equal_bits,
    digest,
    generate_in_parts,
    make_batch,
    pick,
    pick_conditions,
    profiles,
    referenced_batch,
    reorder,
)
from tests.support.models import DEXAMETHASONE
from worker.inference.batch import Batch, References
from worker.inference.checkpoint import load_network
from worker.inference.engine import Engine

CPU = torch.device("cpu")
GROUPS = [group.value for group in LatentGroup]
SUBSETS = [tuple(bool(place >> group & 1) for group in range(3)) for place in range(8)]


def batch_near(
    counts: NDArray[np.int32], conditioned: tuple[bool, ...], samples: int = 1, **changes: object
) -> Batch:
    """Deterministic mean estimates of no metadata, to the depth of the one reference."""
    changes = {"deterministic": True, "generation": False, "total_count": counts.sum(), **changes}
    references = References(counts[np.newaxis], np.array([conditioned]))
    return replace(make_batch(samples, **changes), conditions=({},), references=references)


def posterior_of(engine: Engine, counts: NDArray[np.int32]) -> tuple[NDArray[np.float32], ...]:
    network = load_network(engine.model, CPU)
    found = network.encode(torch.from_numpy(counts[np.newaxis]).float())
    return found.mean[0].numpy(), found.sd[0].numpy()


class TestBits:
    @pytest.mark.parametrize("size", [1, 7, 64])
    def test_parts_of_any_size_with_other_references_beside_them_give_the_same_bits(
        self, engine: Engine, size: int
    ) -> None:
        batch = referenced_batch(len(engine.model.genes))
        together = engine.generate(batch)
        assert_equal_bits(generate_in_parts(engine, batch, size, pick_conditions), together)

    def test_references_that_no_sample_of_the_batch_has_change_nothing(self, engine: Engine) -> None:
        batch, few = referenced_batch(len(engine.model.genes)), np.arange(9)
        assert_equal_bits(engine.generate(pick(batch, few)), engine.generate(pick_conditions(batch, few)))

    def test_order_changes_nothing(self, engine: Engine) -> None:
        batch = referenced_batch(len(engine.model.genes))
        order = np.random.default_rng(1).permutation(len(batch.seed))
        shuffled = engine.generate(pick_conditions(batch, order))
        assert_equal_bits(reorder(shuffled, np.argsort(order)), engine.generate(batch))

    def test_torch_threads_change_nothing(self, model: Model, threads: None) -> None:
        batch, digests = referenced_batch(len(model.genes), 50), set()
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            digests.add(digest(Engine.open(model, CPU).generate(batch)))
        assert len(digests) == 1

    def test_ten_samples_are_the_first_ten_of_twenty(self, engine: Engine) -> None:
        counts = profiles(1, len(engine.model.genes))[0]
        ten, twenty = (
            engine.generate(batch_near(counts, (True, True, False), n, deterministic=False, generation=True))
            for n in (10, 20)
        )
        assert_equal_bits(reorder(twenty, np.arange(10)), ten)


class TestMeaning:
    @pytest.mark.parametrize("conditioned", SUBSETS)
    def test_conditioned_latents_are_the_references_and_the_others_those_of_the_metadata(
        self, small: Engine, conditioned: tuple[bool, ...]
    ) -> None:
        counts = profiles(1, GENES)[0]
        mean, _ = posterior_of(small, counts)
        generated = small.generate(batch_near(counts, conditioned))
        plain = small.generate(replace(make_batch(1, deterministic=True), conditions=({},)))
        slices = load_network(small.model, CPU).latent_slices
        for group, taken in zip(GROUPS, conditioned, strict=True):
            expected = mean[slices[group]] if taken else plain.latents[group][0]
            np.testing.assert_allclose(generated.latents[group][0], expected, rtol=1e-4, atol=1e-5)

    def test_latents_that_are_drawn_follow_the_posterior(self, small: Engine) -> None:
        counts, samples = profiles(1, GENES)[0], 4000
        mean, sd = posterior_of(small, counts)
        generated = small.generate(batch_near(counts, (True, True, True), samples, deterministic=False))
        drawn = np.concatenate([generated.latents[group] for group in GROUPS], axis=1)
        assert (np.abs(drawn.mean(axis=0) - mean) < 5 * sd / np.sqrt(samples)).all()
        np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.06)

    @pytest.mark.parametrize("conditioned", [(True, True, True), (True, True, False)])
    def test_without_a_perturbation_the_counts_stay_close_to_the_reference(
        self, small: Engine, conditioned: tuple[bool, ...]
    ) -> None:
        """Although the decoder of a random network is nowhere near it."""
        for counts in profiles(5, GENES):
            [found] = small.generate(batch_near(counts, conditioned)).counts
            abundant = counts >= 100
            assert abundant.sum() > 5
            change = np.log2((found[abundant] + 1) / (counts[abundant] + 1))
            assert np.median(np.abs(change)) < 0.1
            assert np.abs(change).max() < 0.5

    def test_a_perturbation_adds_the_same_to_the_log_rates_of_every_reference(self, small: Engine) -> None:
        """Below the genes' ceilings, and up to one constant for each reference."""
        network = load_network(small.model, CPU)
        network.ceiling.fill_(1000.0)
        engine = Engine(small.model, network, CPU)

        def log_change(counts: NDArray[np.int32]) -> NDArray[np.float64]:
            plain = batch_near(counts, (True, True, False), total_count=1_000_000_000)
            treated = replace(plain, conditions=({"perturbation_ontology_id": (DEXAMETHASONE,)},))
            before, after = (engine.generate(batch).counts[0] for batch in (plain, treated))
            kept = np.minimum(before, after) > 1000
            change = np.full(GENES, np.nan)
            change[kept] = np.log(after[kept] / before[kept])
            return change

        one, other = (log_change(counts) for counts in profiles(2, GENES))
        shared = np.isfinite(one) & np.isfinite(other)
        assert shared.sum() > 50
        assert one[shared].std() > 0.1
        assert (one - other)[shared].std() < 0.002

    def test_a_reference_of_which_nothing_is_taken_changes_nothing(self, small: Engine) -> None:
        batch = make_batch(30, condition_of=np.arange(30) % len(CONDITIONS))
        references = References(profiles(len(CONDITIONS), GENES), np.zeros((len(CONDITIONS), 3), np.bool_))
        assert_equal_bits(small.generate(replace(batch, references=references)), small.generate(batch))

    def test_equal_conditions_keep_their_own_references(self, small: Engine) -> None:
        references = References(profiles(2, GENES), np.ones((2, 3), np.bool_))
        batch = make_batch(2, sample_index=0, condition_of=[0, 1], deterministic=True, generation=False)
        counts = small.generate(replace(batch, conditions=({}, {}), references=references)).counts
        assert not np.array_equal(counts[0], counts[1])

    def test_a_reference_is_encoded_once_for_all_its_samples(self, small: Engine) -> None:
        network, calls = load_network(small.model, CPU), []
        engine = Engine(small.model, network, CPU)
        network.encoder.register_forward_hook(lambda *_: calls.append(None))
        engine.generate(batch_near(profiles(1, GENES)[0], (True, True, False), 300))
        assert len(calls) == 1

    def test_a_reference_without_any_count_is_answered(self, small: Engine) -> None:
        nothing = np.zeros(GENES, np.int32)
        counts = small.generate(batch_near(nothing, (True, True, True), total_count=1_000_000)).counts
        assert abs(counts.sum() - 1_000_000) <= GENES


class TestRefusals:
    @pytest.mark.parametrize(
        ("references", "reason"),
        [
            (profiles(1, GENES - 1), "shape"),
            (profiles(2, GENES), "shape"),
            (-profiles(1, GENES), "0 or more"),
            (profiles(1, GENES).astype(np.float32), "whole numbers"),
        ],
    )
    def test_references_that_do_not_fit_are_refused(
        self, small: Engine, references: NDArray[np.int32], reason: str
    ) -> None:
        batch = replace(
            make_batch(1), conditions=({},), references=References(references, np.ones((1, 3), np.bool_))
        )
        with pytest.raises(GenerationError, match=reason):
            small.generate(batch)

    def test_a_choice_of_latents_that_does_not_fit_is_refused(self, small: Engine) -> None:
        batch = batch_near(profiles(1, GENES)[0], (True, True))
        with pytest.raises(GenerationError, match="conditioned"):
            small.generate(batch)

    @pytest.mark.parametrize(
        ("name", "what"), [("encoder.body.3.bias", "latents"), ("loadings", "departures")]
    )
    def test_weights_that_are_not_numbers_fail_the_batch(self, small: Engine, name: str, what: str) -> None:
        network = load_network(small.model, CPU)
        network.get_parameter(name)[0] = torch.nan
        with pytest.raises(GenerationError, match=f"{what} of a reference"):
            Engine(small.model, network, CPU).generate(batch_near(profiles(1, GENES)[0], (True, True, True)))
