"""The two parts that a service of samples cannot be faster than: the engine, and the Parquet writer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.catalog import Model
from shared.results.part import LATENT_GROUPS, Samples, encode_part, part_table
from tests.benchmarks.samples import LIVER, batch_of
from tests.support.models import BULK, tiny_model
from worker.inference.batch import Generated
from worker.inference.devices import choose_device
from worker.inference.engine import Engine
from worker.inference.network import Architecture

CHUNK = 500
_CHUNKS = 4


@dataclass(frozen=True, slots=True)
class Alone:
    """Samples a second of the engine, and of the writer."""

    engine: float
    writer: float

    @property
    def slower(self) -> float:
        """What there is to reach."""
        return min(self.engine, self.writer)


def large_model(directory: Path, genes: int) -> Model:
    """A model of that many genes with random weights, of the size of the starters, below `directory`."""
    return tiny_model(directory, genes, BULK, samples_per_chunk=CHUNK, sizes=Architecture())


def open_engine(model: Model) -> Engine:
    """The model's engine on this machine's device."""
    return Engine.open(model, choose_device(None))


def rates_alone(engine: Engine, *, generation: bool) -> Alone:
    """Each by itself, warm, chunk by chunk."""
    generated = engine.generate(batch_of(CHUNK, 0, generation))
    began = time.perf_counter()
    for seed in range(_CHUNKS):
        generated = engine.generate(batch_of(CHUNK, seed, generation))
    computed = time.perf_counter()
    for _ in range(_CHUNKS):
        encode_part(part_table(samples_of(generated)))
    written = time.perf_counter()
    samples = _CHUNKS * CHUNK
    return Alone(samples / (computed - began), samples / (written - computed))


def samples_of(generated: Generated) -> Samples:
    """What was generated for one condition, as the rows of a part."""
    rows = len(generated.counts)
    return Samples(
        input_index=np.zeros(rows, np.int64),
        sample_index=np.arange(rows),
        condition_of=np.zeros(rows, np.int64),
        metadata=[{"tissue_ontology_id": LIVER}],
        counts=generated.counts,
        latents={group: generated.latents[group] for group in LATENT_GROUPS},
    )
