"""What is asked in a storm: a pool of queries, drawn from a seed, and the answers of undisturbed runs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.support.models import B_CELL, BULK, HEART, LIVER, LUNG, SINGLE_CELL

MEAN, GENERATION = "mean estimation", "sample generation"
_METADATA: Mapping[str, Sequence[Mapping[str, str]]] = {
    BULK: (
        {"tissue_ontology_id": LIVER},
        {"tissue_ontology_id": HEART, "sex": "female"},
        {"tissue_ontology_id": LUNG, "sex": "male", "sample_type": "primary tissue"},
    ),
    SINGLE_CELL: ({"cell_type_ontology_id": B_CELL}, {"cell_type_ontology_id": B_CELL, "sex": "male"}),
}
_MARK = "storm:"

Place = tuple[int, int]  # first sample and number of samples of a part, within its job


@dataclass(frozen=True, slots=True)
class Question:
    """A query; its name travels in its `source`, so that every job in the database can be told apart."""

    name: str
    model_id: str
    body: Mapping[str, Any] = field(repr=False)
    samples: int


@dataclass(slots=True)
class Answer:
    """The undisturbed result: SHA-256 of its JSON, and of its parts by place, for each way of cutting."""

    json_sha256: str
    parts: dict[Place, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Samples per query, from and to: of small ones, of middling ones, of bulk."""

    small: tuple[int, int] = (1, 5)
    middling: tuple[int, int] = (20, 150)
    bulk: tuple[int, int] = (800, 4_000)


def draw(seed: int, sizes: Sizes, of_each: int = 6) -> dict[str, list[Question]]:
    """The pool by kind: "small", "middling", "bulk". Equal seeds give equal pools."""
    chance = random.Random(f"questions {seed}")
    kinds = {"small": sizes.small, "middling": sizes.middling, "bulk": sizes.bulk}
    return {
        kind: [_question(chance, f"{kind}-{number}", *bounds) for number in range(of_each)]
        for kind, bounds in kinds.items()
    }


def question_of(source: str | None) -> str | None:
    """The name of the question that a job's source tells; None for a job of somebody else."""
    return source.removeprefix(_MARK) if source and source.startswith(_MARK) else None


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def _question(chance: random.Random, name: str, least: int, most: int) -> Question:
    model_id = chance.choice((BULK, BULK, SINGLE_CELL))
    samples = chance.randint(least, most)
    strategy = chance.choice((MEAN, GENERATION)) if model_id == BULK else MEAN
    body = {
        "sampling_strategy": strategy,
        "inputs": list(_inputs(chance, model_id, samples)),
        "seed": chance.randrange(1 << 40),
        "deterministic_latents": chance.random() < 0.25,
        "source": _MARK + name,
    }
    return Question(name, model_id, body, samples)


def _inputs(chance: random.Random, model_id: str, samples: int) -> Sequence[Mapping[str, Any]]:
    """One to three conditions that share the samples."""
    count = min(samples, chance.randint(1, 3))
    cuts = [0, *sorted(chance.sample(range(1, samples), count - 1)), samples]
    return [
        {"metadata": dict(chance.choice(_METADATA[model_id])), "num_samples": end - begin}
        for begin, end in pairwise(cuts)
    ]
