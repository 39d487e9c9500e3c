"""The two parts that a service of samples cannot be faster than: the engine, and the Parquet writer."""

from __future__ import annotations

import time
from collections.abc import Callable
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
_CHUNKS = 6


@dataclass(frozen=True, slots=True)
class Rate:
    """Samples a second by the clock, and seconds of a processor that a thousand samples cost."""

    a_second: float
    processor: float


@dataclass(frozen=True, slots=True)
class Alone:
    """The engine, on as many cores as it takes, and the writer, on one."""

    engine: Rate
    writer: Rate

    @property
    def slower(self) -> float:
        """Samples a second that nothing which waits for both can pass."""
        return min(self.engine.a_second, self.writer.a_second)

    @property
    def processor(self) -> float:
        """Seconds of a processor for a thousand samples, computed and written."""
        return self.engine.processor + self.writer.processor

    def together(self, cores: int) -> float:
        """Samples a second that so many cores cannot pass, since they do the work of both."""
        return 1e3 * cores / self.processor


def large_model(directory: Path, genes: int) -> Model:
    """A model of that many genes with random weights, of the size of the starters, below `directory`."""
    return tiny_model(directory, genes, BULK, samples_per_chunk=CHUNK, sizes=Architecture())


def open_engine(model: Model) -> Engine:
    """The model's engine on this machine's device."""
    return Engine.open(model, choose_device(None))


def rates_alone(engine: Engine, *, generation: bool) -> Alone:
    """Each by itself, warm, chunk by chunk."""
    generated = engine.generate(batch_of(CHUNK, 0, generation))
    return Alone(
        engine=_rate(lambda seed: engine.generate(batch_of(CHUNK, seed, generation))),
        writer=_rate(lambda _: encode_part(part_table(samples_of(generated)))),
    )


def _rate(make: Callable[[int], object]) -> Rate:
    """Of what makes a chunk, given its number."""
    make(0)
    began, worked = time.perf_counter(), time.process_time()
    for number in range(_CHUNKS):
        make(number)
    samples = _CHUNKS * CHUNK
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    return Rate(samples / seconds, 1e3 * processor / samples)


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
