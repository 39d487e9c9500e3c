"""The engine: a sample's bits follow from the sample alone, and mean what a query asked for."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from shared.catalog import Model, open_model
from shared.errors import GenerationError
from tests.support.models import B_CELL, DEXAMETHASONE, HEART, LIVER, LUNG, SMALL, tiny_model
from worker.inference.checkpoint import load_network
from worker.inference.engine import Batch, Engine, Generated
from worker.inference.network import Architecture

CPU = torch.device("cpu")
DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]
CONDITIONS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"tissue_ontology_id": (LIVER,), "sex": ("male",)},
    {"tissue_ontology_id": (HEART,), "sex": ("female",)},
    {"cell_type_ontology_id": (B_CELL,), "sample_type": ("primary cells",)},
    {"tissue_ontology_id": (LUNG,), "perturbation_ontology_id": (DEXAMETHASONE,)},
    {},
)
MODELS = {
    # More genes than fit one tile with the rest of a block, and not a multiple of any register.
    "wide": (20_011, SMALL),
    # The shapes that are served.
    "deep": (1_237, Architecture()),
    # Shapes whose products depend on the row's place in some libraries.
    "odd": (203, Architecture(embedding=15, hidden=17, rank=8, biological=8, technical=2, perturbation=4)),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    genes, sizes = MODELS[request.param]
    return tiny_model(tmp_path_factory.mktemp("models"), genes, sizes=sizes)


@pytest.fixture(scope="module", params=DEVICES)
def engine(request: pytest.FixtureRequest, model: Model) -> Engine:
    return Engine.open(model, torch.device(request.param))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.open(tiny_model(tmp_path_factory.mktemp("models")), CPU)


def make_batch(samples: int, **changes: object) -> Batch:
    """Samples of one condition and job, drawn, ten million counts each; changes are arrays or values."""
    columns: dict[str, object] = {
        "condition_of": 0,
        "seed": 7,
        "input_index": 0,
        "sample_index": np.arange(samples),
        "total_count": 10_000_000,
        "deterministic": False,
        "generation": True,
    }
    kinds = {"seed": np.uint64, "deterministic": np.bool_, "generation": np.bool_}
    columns.update(changes)
    arrays: dict[str, Any] = {
        name: np.broadcast_to(np.asarray(value, kinds.get(name, np.int64)), samples)
        for name, value in columns.items()
    }
    return Batch(conditions=CONDITIONS, **arrays)


def mixed_batch(samples: int = 200) -> Batch:
    """Samples of several jobs, conditions, depths and strategies, mixed."""
    choose = np.random.default_rng(5)
    return make_batch(
        samples,
        condition_of=choose.integers(len(CONDITIONS), size=samples),
        seed=choose.integers(3, size=samples),
        input_index=choose.integers(4, size=samples),
        total_count=choose.choice([1_000, 10_000_000, 50_000_000], size=samples),
        deterministic=choose.random(samples) < 0.3,
        generation=choose.random(samples) < 0.7,
    )


def pick(batch: Batch, places: NDArray[np.int64]) -> Batch:
    names = [name for name in Batch.__slots__ if name != "conditions"]
    return replace(batch, **{name: getattr(batch, name)[places] for name in names})


def generate_in_parts(engine: Engine, batch: Batch, size: int) -> Generated:
    total = len(batch.seed)
    parts = [engine.generate(pick(batch, np.arange(i, min(i + size, total)))) for i in range(0, total, size)]
    return Generated(
        np.concatenate([part.counts for part in parts]),
        {group: np.concatenate([part.latents[group] for part in parts]) for group in parts[0].latents},
    )


def assert_equal_bits(one: Generated, other: Generated) -> None:
    assert np.array_equal(one.counts, other.counts)
    assert one.latents.keys() == other.latents.keys()
    for group, values in one.latents.items():
        assert values.tobytes() == other.latents[group].tobytes()


def digest(generated: Generated) -> str:
    arrays = (generated.counts, *(generated.latents[group] for group in sorted(generated.latents)))
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


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
        back = np.argsort(order)
        assert_equal_bits(
            Generated(shuffled.counts[back], {g: v[back] for g, v in shuffled.latents.items()}), together
        )

    def test_neighbours_and_unused_conditions_change_nothing(self, engine: Engine) -> None:
        """One sample alone, among its like, and last among strangers."""
        sample = make_batch(1, condition_of=3, sample_index=0)
        alone = engine.generate(
            replace(sample, conditions=CONDITIONS[3:4], condition_of=np.zeros(1, np.int64))
        )
        among_its_like = engine.generate(make_batch(40, condition_of=3))
        strangers = mixed_batch(33)
        names = [name for name in Batch.__slots__ if name != "conditions"]
        joined = {name: np.concatenate([getattr(strangers, name), getattr(sample, name)]) for name in names}
        last = engine.generate(Batch(conditions=CONDITIONS, **joined))
        for other, place in ((among_its_like, 0), (last, 33)):
            kept = slice(place, place + 1)
            assert_equal_bits(
                Generated(other.counts[kept], {g: v[kept] for g, v in other.latents.items()}), alone
            )

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

    @pytest.fixture
    def threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        yield
        torch.set_num_threads(before)

    def test_another_process_gives_the_same_bits(self, tmp_path: Path) -> None:
        genes, sizes = MODELS["deep"]
        model = tiny_model(tmp_path, genes, sizes=sizes)
        here = digest(Engine.open(model, CPU).generate(mixed_batch()))
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

    def test_generated_samples_scatter_around_the_mean_estimate(self, small: Engine) -> None:
        """With fixed latents: the expected mean, and more variance than Poisson counts alone would have."""
        exact = small.generate(make_batch(1, deterministic=True, generation=False, total_count=2_000_000_000))
        expected = exact.counts[0] / 200.0
        counts = small.generate(make_batch(4000, deterministic=True)).counts.astype(np.float64)
        standard_error = counts.std(axis=0) / math.sqrt(4000)
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
    """Print the digest of the mixed batch, for comparison with another process."""
    print(digest(Engine.open(open_model(directory), CPU).generate(mixed_batch())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
