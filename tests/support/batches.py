"""Batches and specimens for engines of tiny models, and their results bit by bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tests.support.models import B_CELL, DEXAMETHASONE, HEART, LIVER, LUNG, SMALL
from worker.inference.batch import Batch, Generated, Recognised, References, Specimens
from worker.inference.engine import Engine
from worker.inference.network import Architecture

CONDITIONS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"tissue_ontology_id": (LIVER,), "sex": ("male",)},
    {"tissue_ontology_id": (HEART,), "sex": ("female",)},
    {"cell_type_ontology_id": (B_CELL,), "sample_type": ("primary cells",)},
    {"tissue_ontology_id": (LUNG,), "perturbation_ontology_id": (DEXAMETHASONE,)},
    {},
)
GENES = 200  # of a model whose shape does not matter
# Genes and sizes of models whose bits are compared.
MODELS = {
    # More genes than fit one tile with the rest of a block, and not a multiple of any register.
    "wide": (20_011, SMALL),
    # The shapes that are served.
    "deep": (1_237, Architecture()),
    # Shapes whose products depend on the row's place in some libraries.
    "odd": (
        203,
        Architecture(
            embedding=15,
            hidden=17,
            rank=8,
            residual=3,
            projection=9,
            biological=8,
            technical=2,
            perturbation=4,
        ),
    ),
}
_KINDS = {"seed": np.uint64, "deterministic": np.bool_, "generation": np.bool_}

Places = NDArray[np.int64]
Result = TypeVar("Result", Generated, Recognised)


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
    return Batch(conditions=CONDITIONS, **_columns(samples, columns | changes))


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


def profiles(samples: int, genes: int) -> NDArray[np.int32]:
    """Counts of samples of many depths, with many zeros and a few very abundant genes."""
    choose = np.random.default_rng(11)
    rates = np.exp(choose.normal(1, 2.5, (samples, genes)) + choose.normal(0, 1, (samples, 1)))
    return choose.poisson(rates).astype(np.int32)


def referenced_batch(genes: int, samples: int = 120) -> Batch:
    """A mixed batch of 40 conditions, each with its reference and its own choice of latents."""
    choose, many = np.random.default_rng(6), 40
    subsets = np.array([[place >> group & 1 for group in range(3)] for place in range(8)], np.bool_)
    return replace(
        mixed_batch(samples),
        conditions=tuple(CONDITIONS[place % len(CONDITIONS)] for place in range(many)),
        condition_of=choose.integers(many, size=samples),
        references=References(profiles(many, genes), subsets[np.arange(many) % 8]),
    )


def make_specimens(counts: NDArray[np.int32], **changes: object) -> Specimens:
    """Specimens of one job, their latents drawn; changes are arrays or values."""
    columns: dict[str, object] = {
        "input_index": np.arange(len(counts)),
        "seed": 7,
        "total_count": 10_000_000,
        "deterministic": False,
    }
    return Specimens(counts=counts, **_columns(len(counts), columns | changes))


def mixed_specimens(genes: int, samples: int = 50) -> Specimens:
    """Specimens of several jobs and depths, mixed."""
    choose = np.random.default_rng(8)
    return make_specimens(
        profiles(samples, genes),
        seed=choose.integers(3, size=samples),
        total_count=choose.choice([1_000, 10_000_000], size=samples),
        deterministic=choose.random(samples) < 0.5,
    )


def pick(batch: Batch, places: Places) -> Batch:
    """Some samples of a batch, among all its conditions."""
    columns = [name for name in Batch.__slots__ if name not in ("conditions", "references")]
    return replace(batch, **{name: getattr(batch, name)[places] for name in columns})


def pick_conditions(batch: Batch, places: Places) -> Batch:
    """Some samples of a batch, among the conditions that they have."""
    chosen, condition_of = np.unique(batch.condition_of[places], return_inverse=True)
    references = batch.references
    return replace(
        pick(batch, places),
        conditions=tuple(batch.conditions[place] for place in chosen),
        condition_of=condition_of,
        references=references and References(references.counts[chosen], references.conditioned[chosen]),
    )


def pick_specimens(specimens: Specimens, places: Places) -> Specimens:
    """Some specimens."""
    return Specimens(*(getattr(specimens, name)[places] for name in Specimens.__slots__))


def in_parts(samples: int, size: int) -> Iterator[Places]:
    """The places of consecutive parts."""
    return (np.arange(start, min(start + size, samples)) for start in range(0, samples, size))


def generate_in_parts(
    engine: Engine, batch: Batch, size: int, choose: Callable[[Batch, Places], Batch] = pick
) -> Generated:
    """A batch, computed in parts of `size` samples."""
    parts = [engine.generate(choose(batch, places)) for places in in_parts(len(batch.seed), size)]
    return Generated(
        np.concatenate([part.counts for part in parts]),
        {group: np.concatenate([part.latents[group] for part in parts]) for group in parts[0].latents},
    )


def reorder(result: Result, places: Places) -> Result:
    """The same result, its rows at other places."""
    arrays = {
        name: {key: values[places] for key, values in getattr(result, name).items()}
        for name in ("latents", "probabilities")
        if hasattr(result, name)
    }
    return replace(result, counts=result.counts[places], **arrays)


def digest(result: Generated | Recognised) -> str:
    """A hash over every bit of a result."""
    arrays = [result.counts, *(result.latents[group] for group in sorted(result.latents))]
    if isinstance(result, Recognised):
        arrays += [result.probabilities[name] for name in sorted(result.probabilities)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def assert_equal_bits(one: Generated | Recognised, other: Generated | Recognised) -> None:
    """Compare counts first, so that a failure says something."""
    assert np.array_equal(one.counts, other.counts)
    assert one.latents.keys() == other.latents.keys()
    assert digest(one) == digest(other)


def _columns(samples: int, values: dict[str, object]) -> dict[str, Any]:
    return {
        name: np.broadcast_to(np.asarray(value, _KINDS.get(name, np.int64)), samples)
        for name, value in values.items()
    }
