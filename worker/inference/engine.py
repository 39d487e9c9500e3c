"""A model that answers batches: conditions, seeds and depths in, counts and latents out, all as arrays.

A batch may mix samples of many jobs. It is cut into blocks, a thread to a block, and a sample's bits depend
on nothing but the sample. Knows no job, no row, no storage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from shared.catalog import Model
from worker.inference.batch import Batch, Generated, Indices, Recognised, References, Specimens
from worker.inference.block import Block, BlockRunner
from worker.inference.checkpoint import load_network
from worker.inference.conditioning import Conditioner, Conditioning
from worker.inference.devices import Layout, device_name, one_thread_per_operation, prepare, prepare_thread
from worker.inference.faults import in_our_words
from worker.inference.network import ExpressionNetwork, Tokens
from worker.inference.recognition import Recogniser
from worker.inference.repeatable import repeatable_layout
from worker.inference.streams import stream_keys
from worker.inference.validate import check_conditioned, check_output, check_probabilities, check_profiles


@dataclass(frozen=True, slots=True)
class _Plan:
    """A batch made ready: its distinct conditions, each sample's among them, and each sample's stream."""

    batch: Batch
    tokens: Tokens
    conditioning: Conditioning | None
    condition_of: Indices
    keys: NDArray[np.uint64]

    def block(self, samples: Indices) -> Block:
        """The samples of the batch that stand at these places."""
        conditions, condition_of = np.unique(self.condition_of[samples], return_inverse=True)
        places = torch.from_numpy(conditions).to(self.tokens.membership.device)
        return Block(
            tokens=Tokens(self.tokens.membership[places]),
            conditioning=self.conditioning and self.conditioning.at(places),
            condition_of=condition_of,
            keys=self.keys[samples],
            total_count=self.batch.total_count[samples],
            deterministic=self.batch.deterministic[samples],
            generation=self.batch.generation[samples],
        )


class Engine:
    """One model on one device. Call it from one thread at a time: it uses all the cores itself."""

    def __init__(self, model: Model, network: ExpressionNetwork, device: torch.device) -> None:
        self.model, self.device = model, device_name(device)
        self._network, self._device = network, device
        layout = Layout.of(device)
        with one_thread_per_operation():
            self._layout = repeatable_layout(network, layout, device)
        self._conditioner = Conditioner(network, self._layout.reference_rows, device)
        self._pool = ThreadPoolExecutor(self._layout.threads, "engine", self._prepare_thread)
        self._local = threading.local()

    @classmethod
    def open(cls, model: Model, device: torch.device) -> Engine:
        """Load a catalogued model onto a device. Raises CheckpointCorrupt."""
        prepare(device)
        return cls(model, load_network(model, device), device)

    @in_our_words()
    def generate(self, batch: Batch) -> Generated:
        """Compute every sample of a batch.

        Raises GenerationError if the model gives no valid result, OutOfMemory, DeviceLost.

        Memory is bounded by the result and the references, 4 bytes a count of each, and a block for each
        thread.
        """
        plan = self._plan(batch)
        samples = len(batch.condition_of)
        counts, latents = self._room(samples)

        def fill(places: Indices) -> None:
            self._local.runner.run(plan.block(places), counts, latents, places)

        order = np.argsort(plan.condition_of, kind="stable")  # neighbours in condition share a block
        # Rows that are rounded cost a block nothing, those that are drawn most of its time.
        threads = self._layout.threads if batch.generation.any() else 1
        self._run(fill, self._cut(order, self._layout.block_rows, threads))
        generated = Generated(counts, self._by_group(latents))
        check_output(generated.counts, generated.latents, samples, len(self.model.genes))
        return generated

    @in_our_words()
    def recognise(self, specimens: Specimens) -> Recognised:
        """Predict the metadata of every specimen.

        Raises GenerationError if there is no valid result, OutOfMemory, DeviceLost.

        Memory is bounded by the reconstructions, 4 bytes a count, and a block for each thread.
        """
        samples = len(specimens.seed)
        check_profiles(specimens.counts, samples, len(self.model.genes), "specimens")
        counts, latents = self._room(samples)
        classes = self._network.heads.classes
        probabilities = {name: np.empty((samples, len(each)), np.float32) for name, each in classes.items()}
        result = Recognised(probabilities, classes, self._by_group(latents), counts)
        keys = self._keys(specimens.seed, specimens.input_index, np.zeros(samples, np.int64))

        def fill(places: Indices) -> None:
            self._local.recogniser.run(specimens, keys[places], places, result)

        rows = self._layout.reference_rows
        self._run(fill, self._cut(np.arange(samples), rows, self._layout.threads))
        check_output(result.counts, result.latents, samples, len(self.model.genes))
        check_probabilities(result.probabilities)
        return result

    def free(self) -> None:
        """Give the device back what is kept for the next batch; after OutOfMemory."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Let the threads end, and the memory go; the engine answers no more."""
        self._pool.shutdown()

    def _plan(self, batch: Batch) -> _Plan:
        """Find equal conditions, encode references, and turn names of random streams into their keys."""
        referenced = batch.references is not None
        names = [  # conditions with references are never equal
            (place if referenced else 0, tuple(sorted(terms.items())))
            for place, terms in enumerate(batch.conditions)
        ]
        order = {name: place for place, name in enumerate(dict.fromkeys(names))}
        return _Plan(
            batch,
            self._network.tokens([dict(terms) for _, terms in order]).to(self._device),
            self._condition_on(batch.references, len(batch.conditions)) if batch.references else None,
            np.array([order[name] for name in names], np.int64)[batch.condition_of],
            self._keys(batch.seed, batch.input_index, batch.sample_index),
        )

    def _condition_on(self, references: References, conditions: int) -> Conditioning:
        """Encode the references, one for each condition. Raises GenerationError unless they fit."""
        check_profiles(references.counts, conditions, len(self.model.genes), "references")
        check_conditioned(references.conditioned, conditions)
        conditioning = self._conditioner.start(references)
        fill = partial(self._conditioner.fill, conditioning, references)
        self._run(fill, self._conditioner.cut(references))
        return conditioning

    def _keys(self, seed: NDArray[np.uint64], input_index: Indices, sample: Indices) -> NDArray[np.uint64]:
        return stream_keys(self.model.manifest.weights_digest, seed, input_index, sample)

    def _room(self, samples: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Counts [N, G] and latents [N, dimensions] to write to."""
        dimensions = sum(self.model.manifest.latent_sizes.values())
        return (
            np.empty((samples, len(self.model.genes)), np.int32),
            np.empty((samples, dimensions), np.float32),
        )

    def _by_group(self, latents: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return {group: latents[:, place] for group, place in self._network.latent_slices.items()}

    def _cut(self, order: Indices, rows: int, threads: int) -> list[Indices]:
        """Blocks of samples, in this order: no more than `rows`, and work for so many threads."""
        size = max(1, min(rows, -(-len(order) // threads)))
        return [order[start : start + size] for start in range(0, len(order), size)]

    def _run(self, compute: Callable[[Indices], None], blocks: Iterable[Indices]) -> None:
        with one_thread_per_operation():
            for _ in self._pool.map(compute, blocks):
                pass

    def _prepare_thread(self) -> None:
        prepare_thread()
        self._local.runner = BlockRunner(self._network, self._layout, self._device)
        self._local.recogniser = Recogniser(self._network, self._layout.reference_rows, self._device)
