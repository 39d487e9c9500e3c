"""The engine: a sample's bits follow from the sample alone, and mean what a query asked for."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.catalog import Model, open_model
from shared.errors import GenerationError
from tests.support.batches import (
    CONDITIONS,
    MODELS,
    assert_equal_bits,
    digest,
    generate_in_parts,
    make_batch,
    mixed_batch,
    mixed_specimens,
    pick,
    pick_conditions,
    referenced_batch,
    reorder,
)
from tests.support.models import tiny_model
from worker.inference.batch import Batch
from worker.inference.checkpoint import load_network
from worker.inference.engine import Engine

CPU = torch.device("cpu")


def digests(engine: Engine) -> str:
    """A digest for each way to ask."""
    genes = len(engine.model.genes)
    batches = mixed_batch(), referenced_batch(genes)
    results = [*map(engine.generate, batches), engine.recognise(mixed_specimens(genes))]
    return " ".join(map(digest, results))


class TestBits:
    @pytest.mark.parametrize("size", [1, 2, 7, 64])
    def test_a_batch_computed_in_parts_of_any_size_gives_the_same_bits(
        self, engine: Engine, size: int
    ) -> None:
        batch = mixed_batch()
        assert_equal_bits(generate_in_parts(engine, batch, size), engine.generate(batch))

    def test_order_changes_nothing(self, engine: Engine) -> None:
        batch = mixed_batch()
        order = np.random.default_rng(1).permutation(200)
        together, shuffled = engine.generate(batch), engine.generate(pick(batch, order))
        assert_equal_bits(reorder(shuffled, np.argsort(order)), together)

    def test_neighbours_and_unused_conditions_change_nothing(self, engine: Engine) -> None:
        """One sample alone, among its like, and last among strangers."""
        sample = make_batch(1, condition_of=3, sample_index=0)
        alone = engine.generate(pick_conditions(sample, np.array([0])))
        among_its_like = engine.generate(make_batch(40, condition_of=3))
        strangers = mixed_batch(33)
        names = [name for name in Batch.__slots__ if name not in ("conditions", "references")]
        joined = {name: np.concatenate([getattr(strangers, name), getattr(sample, name)]) for name in names}
        last = engine.generate(Batch(conditions=CONDITIONS, **joined))
        assert_equal_bits(reorder(among_its_like, np.array([0])), alone)
        assert_equal_bits(reorder(last, np.array([33])), alone)

    def test_ten_samples_are_the_first_ten_of_twenty(self, engine: Engine) -> None:
        ten, twenty = engine.generate(make_batch(10)), engine.generate(make_batch(20))
        assert np.array_equal(ten.counts, twenty.counts[:10])

    def test_conditions_given_twice_are_one(self, engine: Engine) -> None:
        once = make_batch(6)
        twice = replace(once, conditions=CONDITIONS * 2, condition_of=np.array([0, 5, 0, 5, 5, 0]))
        assert_equal_bits(engine.generate(twice), engine.generate(once))

    def test_torch_threads_change_nothing(self, model: Model, threads: None) -> None:
        batch = mixed_batch(70)
        digests = set()
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            digests.add(digest(Engine.open(model, CPU).generate(batch)))
            assert torch.get_num_threads() == count
        assert len(digests) == 1

    def test_blocks_are_computed_by_as_many_threads_as_torch_has(self, model: Model, threads: None) -> None:
        """Three blocks are begun before one of them is done; a fourth thread would wait in vain."""
        torch.set_num_threads(3)
        network, together, met = load_network(model, CPU), threading.Barrier(3), set[threading.Thread]()
        engine = Engine(model, network, CPU)

        def meet(*_: object) -> None:
            if threading.current_thread() not in met:
                met.add(threading.current_thread())
                together.wait(60)

        network.response.register_forward_hook(meet)
        engine.generate(mixed_batch())
        assert len(met) == 3
        engine.close()
        assert not any(thread.is_alive() for thread in met)

    def test_another_process_gives_the_same_bits(self, tmp_path: Path) -> None:
        genes, sizes = MODELS["deep"]
        model = tiny_model(tmp_path, genes, sizes=sizes)
        here = digests(Engine.open(model, CPU))
        there = subprocess.run(
            [sys.executable, "-m", "tests.unit.inference.test_engine", str(model.directory)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


class TestSeeds:
    def test_the_same_seed_gives_the_same_samples(self, small: Engine) -> None:
        assert_equal_bits(small.generate(make_batch(5)), small.generate(make_batch(5)))

    @pytest.mark.parametrize("name", ["seed", "input_index", "sample_index"])
    def test_every_part_of_a_samples_name_gives_other_draws(self, small: Engine, name: str) -> None:
        one, other = small.generate(make_batch(1)), small.generate(make_batch(1, **{name: 8}))
        assert not np.array_equal(one.counts, other.counts)
        assert all(not np.array_equal(one.latents[group], other.latents[group]) for group in one.latents)

    def test_the_largest_seed_is_a_seed(self, small: Engine) -> None:
        one, other = (small.generate(make_batch(1, seed=seed)) for seed in (2**64 - 1, 2**64 - 2))
        assert not np.array_equal(one.counts, other.counts)

    def test_other_weights_give_other_draws(self, small: Engine, tmp_path: Path) -> None:
        """The same network under another digest: what is drawn belongs to the version of the weights."""
        renamed = replace(
            small.model.manifest, digests={**small.model.manifest.digests, "weights.safetensors": "00" * 32}
        )
        model = replace(small.model, manifest=renamed)
        other = Engine(model, load_network(small.model, CPU), CPU)
        assert not np.array_equal(small.generate(make_batch(1)).counts, other.generate(make_batch(1)).counts)


class TestMeaning:
    def test_the_result_is_in_the_order_of_the_batch(self, small: Engine) -> None:
        generated = small.generate(mixed_batch(50))
        assert generated.counts.shape == (50, 200)
        assert generated.counts.dtype == np.int32
        assert {group: values.shape for group, values in generated.latents.items()} == {
            group: (50, size) for group, size in small.model.manifest.latent_sizes.items()
        }

    def test_nothing_asked_is_nothing_answered(self, small: Engine) -> None:
        generated = small.generate(make_batch(0))
        assert generated.counts.shape == (0, 200)
        assert small.generate(replace(make_batch(0), conditions=())).counts.shape == (0, 200)

    def test_deterministic_mean_estimates_of_a_condition_are_equal(self, small: Engine) -> None:
        rows = make_batch(
            40, sample_index=np.arange(40), deterministic=True, generation=False, seed=np.arange(40)
        )
        generated = small.generate(rows)
        assert (generated.counts == generated.counts[0]).all()
        assert all((values == values[0]).all() for values in generated.latents.values())

    def test_deterministic_latents_are_the_mean_of_the_prior(self, small: Engine) -> None:
        fixed = small.generate(make_batch(1, deterministic=True)).latents
        drawn = small.generate(make_batch(4000)).latents
        for group, values in drawn.items():
            spread = values.std(axis=0)
            assert spread.min() > 0
            assert (np.abs(values.mean(axis=0) - fixed[group][0]) < 5 * spread / math.sqrt(4000)).all()

    def test_latents_that_are_drawn_vary_the_mean_estimate(self, small: Engine) -> None:
        generated = small.generate(make_batch(2, generation=False))
        assert not np.array_equal(generated.counts[0], generated.counts[1])

    def test_conditions_differ(self, small: Engine) -> None:
        rows = make_batch(
            len(CONDITIONS), condition_of=np.arange(len(CONDITIONS)), deterministic=True, generation=False
        )
        counts = small.generate(rows).counts
        assert len(np.unique(counts, axis=0)) == len(CONDITIONS)

    def test_a_mean_estimate_adds_up_to_the_depth(self, small: Engine) -> None:
        sums = small.generate(make_batch(20, generation=False)).counts.sum(axis=1)
        assert (np.abs(sums - 10_000_000) <= 100).all()

    def test_twice_the_depth_doubles_each_count_of_a_mean_estimate(self, small: Engine) -> None:
        one, two = (
            small.generate(make_batch(8, generation=False, total_count=depth)).counts
            for depth in (3_000_000, 6_000_000)
        )
        assert np.abs(two - 2 * one).max() <= 1

    def test_generated_samples_scatter_as_the_network_says(self, small: Engine) -> None:
        """With fixed latents: the mean of counts at log rates with the residual added, and more variance than
        Poisson counts alone would have.
        """
        network, samples = load_network(small.model, CPU), 4000
        condition = network.condition(network.tokens(CONDITIONS[:1]))
        log_rate = network.decode(condition.latent_mean, condition.factor_shift) + condition.gene_effect
        factors = torch.randn(samples, len(network.loadings), generator=torch.Generator().manual_seed(3))
        residual = network.residual(factors, condition.residual_scale.expand(samples, 1))
        expected = (torch.softmax(log_rate + residual, 1).double().numpy() * 10_000_000).mean(axis=0)
        counts = small.generate(make_batch(samples, deterministic=True)).counts.astype(np.float64)
        standard_error = counts.std(axis=0) * math.sqrt(2 / samples)
        assert (np.abs(counts.mean(axis=0) - expected) < 5 * standard_error + 1e-3).all()
        abundant = expected > 1000
        assert abundant.sum() > 20
        assert (counts.var(axis=0)[abundant] > 3 * expected[abundant]).all()

    def test_measurement_error_adds_variance_within_a_condition(self, small: Engine) -> None:
        drawn, estimated = (
            small.generate(make_batch(500, generation=generation)).counts.astype(np.float64)
            for generation in (True, False)
        )
        assert np.median(drawn.std(axis=0)) > np.median(estimated.std(axis=0))

    def test_the_device_is_named(self, small: Engine) -> None:
        assert small.device.startswith("cpu ")


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("output.bias", "expression rates"),
            ("gene_log_variance", "noise levels"),
            ("biological.body.2.bias", "expression rates"),
        ],
    )
    def test_weights_that_are_not_numbers_fail_the_batch(self, small: Engine, name: str, what: str) -> None:
        network = load_network(small.model, CPU)
        network.get_parameter(name)[3] = math.nan
        with pytest.raises(GenerationError, match=what):
            Engine(small.model, network, CPU).generate(make_batch(3))

    def test_an_engine_goes_on_after_a_failed_batch(self, small: Engine) -> None:
        with pytest.raises(IndexError):
            small.generate(make_batch(3, condition_of=99))
        assert small.generate(make_batch(3)).counts.shape == (3, 200)


def main(directory: Path) -> None:
    """Print the digests, for comparison with another process."""
    print(digests(Engine.open(open_model(directory), CPU)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
