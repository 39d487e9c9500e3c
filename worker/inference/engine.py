"""A model that answers batches: conditions, seeds and depths in, counts and latents out, all as arrays.

A batch may mix samples of many jobs. It is cut into blocks, a thread to a block, and a sample's bits depend
on nothing but the sample. Knows no job, no row, no storage.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from shared.catalog import Model
from worker.inference.block import Block, BlockRunner, repeatable_layout
from worker.inference.checkpoint import load_network
from worker.inference.devices import Layout, device_name, one_thread_per_operation, prepare, prepare_thread
from worker.inference.network import ExpressionNetwork, Tokens
from worker.inference.streams import stream_keys
from worker.inference.validate import check_output

Indices = NDArray[np.int64]
TermsByField = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Batch:
    """N samples to compute; an array has one entry for each.

    `conditions` map metadata fields to placed vocabulary terms, and `condition_of` points into them. `seed`,
    `input_index` and `sample_index` name a sample's random stream. Where `deterministic`, latents are the
    prior's mean. Where `generation`, counts are drawn with measurement error; elsewhere they are the mean.
    """

    conditions: tuple[TermsByField, ...]
    condition_of: Indices
    seed: NDArray[np.uint64]
    input_index: Indices
    sample_index: Indices
    total_count: Indices
    deterministic: NDArray[np.bool_]
    generation: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Generated:
    """Counts int32 [N, G] and, by latent group, latents float32 [N, d], in the order of the batch."""

    counts: NDArray[np.int32]
    latents: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A batch made ready: its distinct conditions, each sample's among them, and each sample's stream."""

    batch: Batch
    tokens: Tokens
    condition_of: Indices
    keys: NDArray[np.uint64]

    def block(self, samples: Indices) -> Block:
        """The samples of the batch that stand at these places."""
        conditions, condition_of = np.unique(self.condition_of[samples], return_inverse=True)
        return Block(
            tokens=Tokens(
                self.tokens.membership[torch.from_numpy(conditions).to(self.tokens.membership.device)]
            ),
            condition_of=condition_of,
            keys=self.keys[samples],
            total_count=self.batch.total_count[samples],
            deterministic=self.batch.deterministic[samples],
            generation=self.batch.generation[samples],
        )


class Engine:
    """One model on one device. Call `generate` from one thread at a time: it uses all the cores itself."""

    def __init__(self, model: Model, network: ExpressionNetwork, device: torch.device) -> None:
        layout = Layout.of(device)
        self.model, self.device = model, device_name(device)
        self._network, self._device = network, device
        with one_thread_per_operation():
            self._layout = repeatable_layout(network, layout, device)
        self._pool = ThreadPoolExecutor(self._layout.threads, "engine", self._prepare_thread)
        self._local = threading.local()

    @classmethod
    def open(cls, model: Model, device: torch.device) -> Engine:
        """Load a catalogued model onto a device. Raises CheckpointCorrupt."""
        prepare(device)
        return cls(model, load_network(model, device), device)

    def generate(self, batch: Batch) -> Generated:
        """Compute every sample of a batch. Raises GenerationError if the model gives no valid result.

        Memory is bounded by the result, 4 bytes a count, and a block for each thread.
        """
        plan = self._plan(batch)
        samples, genes = len(batch.condition_of), len(self.model.genes)
        counts = np.empty((samples, genes), np.int32)
        latents = np.empty((samples, _dimensions(self.model)), np.float32)

        def fill(places: Indices) -> None:
            self._local.runner.run(plan.block(places), counts, latents, places)

        with one_thread_per_operation():
            for _ in self._pool.map(fill, self._cut(plan.condition_of)):
                pass
        slices = self._network.latent_slices
        generated = Generated(counts, {group: latents[:, place] for group, place in slices.items()})
        check_output(generated.counts, generated.latents, samples, genes)
        return generated

    def _plan(self, batch: Batch) -> _Plan:
        """Find equal conditions, and turn names of random streams into their keys."""
        order: dict[tuple[tuple[str, tuple[str, ...]], ...], int] = {}
        places = [order.setdefault(tuple(sorted(item.items())), len(order)) for item in batch.conditions]
        return _Plan(
            batch,
            self._network.tokens([dict(item) for item in order]).to(self._device),
            np.array(places, np.int64)[batch.condition_of],
            stream_keys(
                self.model.manifest.weights_digest, batch.seed, batch.input_index, batch.sample_index
            ),
        )

    def _cut(self, condition_of: Indices) -> list[Indices]:
        """Blocks of samples: neighbours in condition, no more than fit one block, work for every thread."""
        samples = len(condition_of)
        size = max(1, min(self._layout.block_rows, -(-samples // self._layout.threads)))
        order = np.argsort(condition_of, kind="stable")
        return [order[start : start + size] for start in range(0, samples, size)]

    def _prepare_thread(self) -> None:
        prepare_thread()
        self._local.runner = BlockRunner(self._network, self._layout, self._device)


def _dimensions(model: Model) -> int:
    return sum(model.manifest.latent_sizes.values())
