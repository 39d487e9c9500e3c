"""What is asked in a storm: a pool of queries of all six ids, drawn from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

from shared.queries.requests import RequestType
from tests.support.models import B_CELL, BULK, DEXAMETHASONE, HEART, LIVER, LUNG, SINGLE_CELL

MEAN, GENERATION = "mean estimation", "sample generation"
GENES = 200
_METADATA: Mapping[str, Sequence[Mapping[str, str]]] = {
    BULK: (
        {"tissue_ontology_id": LIVER},
        {"tissue_ontology_id": HEART, "sex": "female"},
        {"tissue_ontology_id": LUNG, "sex": "male", "sample_type": "primary tissue"},
    ),
    SINGLE_CELL: ({"cell_type_ontology_id": B_CELL}, {"cell_type_ontology_id": B_CELL, "sex": "male"}),
}
_TREATED = {"perturbation_ontology_id": DEXAMETHASONE, "perturbation_type": "compound"}
_MARK = "storm:"
# The source of queries that are never to become jobs.
NEVER_SAVED = "storm-never"


@dataclass(frozen=True, slots=True)
class Question:
    """A query; its name travels in its `source`, so that every job in the database can be told apart.

    `model_id` is the public one.
    """

    name: str
    model_id: str
    body: Mapping[str, Any] = field(repr=False)
    samples: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Samples per query, from and to: of small ones, of middling ones, of bulk."""

    small: tuple[int, int] = (1, 5)
    middling: tuple[int, int] = (20, 150)
    bulk: tuple[int, int] = (800, 4_000)


def draw(seed: int, sizes: Sizes, of_each: int = 6) -> dict[str, list[Question]]:
    """The pool by kind: "small", "middling", "bulk". Equal seeds give equal pools.

    Small and middling ones are of each of the six ids in turn, bulk of those that generate samples.
    """
    chance = random.Random(f"questions {seed}")
    kinds = {"small": sizes.small, "middling": sizes.middling, "bulk": sizes.bulk}
    pool: dict[str, list[Question]] = {}
    for kind, (least, most) in kinds.items():
        ids = [
            (model, asked)
            for model, asked in product((BULK, SINGLE_CELL), RequestType)
            if kind != "bulk" or asked is not RequestType.PREDICT_METADATA
        ]
        chance.shuffle(ids)
        pool[kind] = [
            _question(chance, f"{kind}-{number}", ids[number % len(ids)], chance.randint(least, most))
            for number in range(of_each)
        ]
    return pool


def question_of(source: str | None) -> str | None:
    """The name of the question that a job's source tells; None for a job of somebody else."""
    return source.removeprefix(_MARK) if source and source.startswith(_MARK) else None


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def _question(chance: random.Random, name: str, asked: tuple[str, RequestType], samples: int) -> Question:
    model_id, kind = asked
    body: dict[str, Any] = {
        "inputs": list(_INPUTS[kind](chance, model_id, samples)),
        "seed": chance.randrange(1 << 40),
        "source": _MARK + name,
    }
    if kind is not RequestType.PREDICT_METADATA:
        strategies = (MEAN, GENERATION) if model_id == BULK else (MEAN,)
        body |= {
            "sampling_strategy": chance.choice(strategies),
            "deterministic_latents": chance.random() < 0.25,
        }
    return Question(name, model_id + kind.suffix, body, samples)


def _conditions(chance: random.Random, model_id: str, samples: int) -> Iterator[Mapping[str, Any]]:
    """One to three conditions that share the samples."""
    for count in _shares(chance, samples):
        yield {"metadata": dict(chance.choice(_METADATA[model_id])), "num_samples": count}


def _references(chance: random.Random, model_id: str, samples: int) -> Iterator[Mapping[str, Any]]:
    """One to three samples, some of them to be treated."""
    for count in _shares(chance, samples):
        treated = {"metadata": _TREATED} if chance.random() < 0.5 else {}
        yield {"counts": _counts(chance), "num_samples": count, **treated}


def _strangers(chance: random.Random, model_id: str, samples: int) -> Iterator[Mapping[str, Any]]:
    """Samples of which nothing is known but their counts."""
    for _ in range(samples):
        yield {"counts": _counts(chance)}


_INPUTS = {
    RequestType.BASELINE: _conditions,
    RequestType.REFERENCE_CONDITIONED: _references,
    RequestType.PREDICT_METADATA: _strangers,
}


def _shares(chance: random.Random, samples: int) -> Iterator[int]:
    count = min(samples, chance.randint(1, 3))
    cuts = [0, *sorted(chance.sample(range(1, samples), count - 1)), samples]
    return (end - begin for begin, end in pairwise(cuts))


def _counts(chance: random.Random) -> list[int]:
    return [int(chance.lognormvariate(3, 2)) for _ in range(GENES)]
