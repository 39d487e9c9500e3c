"""Samples per second of the engine, beside what torch does by itself with the same matrices.

`python -m tests.benchmarks.bench_engine --genes 23270`; the best of several runs, taken in turns. Weights are
random, with rates spread as those of a tissue: four genes in ten have fewer than 10 counts at a depth of ten
million.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.report import Row, as_markdown
from tests.support.batches import make_specimens, profiles
from tests.support.models import HEART, LIVER, tiny_model
from worker.inference.batch import Batch, References
from worker.inference.checkpoint import load_network
from worker.inference.devices import Layout, choose_device, prepare_thread
from worker.inference.engine import Engine
from worker.inference.network import Architecture, ExpressionNetwork
from worker.inference.sampling import CountSampler, padded
from worker.inference.streams import stream_keys

GENES = (23_270, 44_592)
SAMPLES = 512
TURNS = 5
DEPTH = 10_000_000


def main(numbers_of_genes: Sequence[int] = GENES) -> None:
    """Print the table."""
    print(as_markdown(measure(numbers_of_genes)))


def measure(numbers_of_genes: Sequence[int]) -> list[Row]:
    """One row for each way to compute, for each number of genes."""
    with tempfile.TemporaryDirectory() as directory:
        return [row for genes in numbers_of_genes for row in _measure(genes, Path(directory, str(genes)))]


def _measure(genes: int, directory: Path) -> list[Row]:
    device = choose_device()
    model = tiny_model(directory, genes, sizes=Architecture())
    engine, network = Engine.open(model, device), load_network(model, device)
    noise_sd = network.condition(network.tokens([{}]).to(device)).noise_sd
    expected = _decode(network)

    naive, bare = "torch: lognormal, poisson", "torch: decode"
    seconds = _best(
        {
            naive: lambda: _naive_sampling(expected, noise_sd),
            bare: lambda: _decode(network),
            "torch: decode, lognormal, poisson": lambda: _naive_sampling(_decode(network), noise_sd),
            "our sampling alone": _our_sampling(genes, device),
            **_asked(engine),
        }
    )
    rows = [
        Row(
            f"{way}, {genes:,} genes",
            f"{SAMPLES / spent:,.0f} samples/s",
            f"{seconds[naive] / spent:.2f} x {naive}; {seconds[bare] / spent:.2f} x {bare}",
        )
        for way, spent in seconds.items()
    ]
    [single] = _best({"one": lambda: engine.generate(_batch(1, 1, True))}).values()
    return [*rows, Row(f"engine: one sample, {genes:,} genes", f"{1e3 * single:.1f} ms", engine.device)]


def _asked(engine: Engine) -> dict[str, Callable[[], object]]:
    """SAMPLES samples, in each way that an engine can be asked for them."""
    counts = profiles(SAMPLES, len(engine.model.genes))
    specimens = make_specimens(counts)

    def generate(conditions: int, generation: bool, referenced: bool = False) -> Callable[[], object]:
        references = References(counts[:conditions], np.tile([True, True, False], (conditions, 1)))
        batch = _batch(SAMPLES, conditions, generation)
        batch = replace(batch, references=references if referenced else None)
        return lambda: engine.generate(batch)

    return {
        "engine: sample generation": generate(1, True),
        "engine: sample generation, all conditions different": generate(SAMPLES, True),
        "engine: sample generation, 8 references": generate(8, True, referenced=True),
        "engine: sample generation, all references different": generate(SAMPLES, True, referenced=True),
        "engine: mean estimation": generate(1, False),
        "engine: mean estimation, all conditions different": generate(SAMPLES, False),
        "engine: mean estimation, 8 references": generate(8, False, referenced=True),
        "engine: mean estimation, all references different": generate(SAMPLES, False, referenced=True),
        "engine: metadata prediction": lambda: engine.recognise(specimens),
    }


def _best(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The shortest time in seconds of each; a turn runs all of them, so that a busy machine is fair."""
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(TURNS + 1):
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            if turn:  # the first one warms up
                best[way] = min(best[way], time.perf_counter() - started)
    return best


@torch.inference_mode()
def _decode(network: ExpressionNetwork) -> Tensor:
    """Expected counts of SAMPLES samples, in blocks of 64, on all of torch's threads."""
    device = network.output.weight.device
    latent = torch.zeros(64, max(place.stop for place in network.latent_slices.values()), device=device)
    blocks = [torch.softmax(network.decode(latent), 1) * DEPTH for _ in range(SAMPLES // 64)]
    return torch.cat(blocks)


@torch.inference_mode()
def _naive_sampling(expected: Tensor, noise_sd: Tensor) -> Tensor:
    """Poisson-lognormal counts as one would write them, in blocks of 64, on all of torch's threads."""
    counts = []
    for start in range(0, len(expected), 64):
        block = expected[start : start + 64]
        noise = torch.randn_like(block) * noise_sd - noise_sd**2 / 2
        counts.append(torch.poisson(block * noise.exp()).int())
    return torch.cat(counts)


def _our_sampling(genes: int, device: torch.device) -> Callable[[], object]:
    """The engine's sampling alone, its tiles on the engine's number of threads."""
    layout, width = Layout.of(device), padded(genes)
    rows = max(1, layout.tile_elements // width)
    samplers = [CountSampler(rows, width, device) for _ in range(layout.threads)]
    generator = torch.Generator().manual_seed(1)
    log_rate = 2.6 * torch.randn(genes, generator=generator)
    expected = torch.zeros(rows, width)
    expected[:, :genes] = torch.softmax(log_rate, 0) * DEPTH
    expected, noise = expected.to(device), torch.full((rows, width), 0.35, device=device)
    numbers = np.arange(SAMPLES, dtype=np.int64)
    keys = stream_keys("00" * 32, np.zeros(SAMPLES, np.uint64), numbers, numbers)

    def draw(sampler: CountSampler, share: int) -> None:
        for start in range(share, SAMPLES, rows * layout.threads):
            tile = keys[start : start + rows]
            sampler.draw(expected[: len(tile)], noise[: len(tile)], tile)

    pool = ThreadPoolExecutor(layout.threads, initializer=prepare_thread)
    return lambda: list(pool.map(draw, samplers, range(0, rows * layout.threads, rows)))


def _batch(samples: int, conditions: int, generation: bool) -> Batch:
    numbers = np.arange(samples, dtype=np.int64)
    places = ({"tissue_ontology_id": (LIVER,)}, {"tissue_ontology_id": (HEART,)})
    return Batch(
        # A name that no vocabulary has keeps conditions apart without changing what they mean.
        conditions=tuple({**places[i % 2], f"unread_{i}": ()} for i in range(conditions)),
        condition_of=numbers % conditions,
        seed=np.full(samples, 1, np.uint64),
        input_index=numbers % conditions,
        sample_index=numbers,
        total_count=np.full(samples, DEPTH, np.int64),
        deterministic=np.zeros(samples, np.bool_),
        generation=np.full(samples, generation),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--genes", type=int, nargs="+", default=GENES, help="how many genes; several may be given"
    )
    main(parser.parse_args().genes)
