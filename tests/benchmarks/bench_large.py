"""One large query end to end, beside the engine alone and the Parquet writer alone; what each process holds.

`python -m tests.benchmarks.bench_large`: about five minutes. 20,000 samples by each strategy, of `gem-1-bulk`
and of a model of 44,592 genes with random weights; memory also at 2,000 samples, which come first. Engine and
writer alone have all the cores, together they share them: so what they cost a processor is said too, which
also holds beside other work.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from shared.catalog import Catalog
from shared.settings import MODELS_OF_THIS_CHECKOUT
from tests.benchmarks.alone import Alone, Rate, large_model, open_engine, rates_alone
from tests.benchmarks.customer import Customer, seconds_in_service, served
from tests.benchmarks.memory import Peaks, peaks_of
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.support.machine import Machine
from tests.support.models import BULK

SAMPLES, FEW = 20_000, 2_000
STRATEGIES = ("mean estimation", "sample generation")
MANY_GENES = 44_592
GOAL = 0.85  # of the slower of engine and writer
GOAL_MEMORY = 1.1  # of what a tenth of the samples takes
WATCHED = ("api", "generation", "upkeep")


def main(samples: int = SAMPLES, few: int = FEW, *, both: bool = True) -> None:
    """Print the table."""
    print(as_markdown(measure(samples, few, both=both)))


def measure(samples: int = SAMPLES, few: int = FEW, *, both: bool = True) -> list[Row]:
    """Every row of this benchmark; of `gem-1-bulk` only, unless `both`."""
    rows = list(_rows_of(MODELS_OF_THIS_CHECKOUT, samples, few))
    if both:
        with TemporaryDirectory(prefix="genequeue-bench-") as name:
            large_model(Path(name), MANY_GENES)
            rows += _rows_of(Path(name), samples, few)
    return rows


def _rows_of(models_dir: Path, samples: int, few: int) -> Iterator[Row]:
    """Of the model in a folder: through the service first, then its two parts, which want the cores too."""
    model = Catalog.open(models_dir).get(BULK)
    genes = f"{len(model.genes):,} genes"
    with served(models_dir) as (machine, customer):
        small = _through(machine, customer, STRATEGIES[-1], few)
        large = {strategy: _through(machine, customer, strategy, samples) for strategy in STRATEGIES}
    engine = open_engine(model)
    for strategy in STRATEGIES:
        alone = rates_alone(engine, generation=strategy == STRATEGIES[-1])
        yield from _rates(f"{strategy}, {genes}", large[strategy].rate, alone)
    sizes = f"{few:,} and {samples:,} samples of {genes}"
    yield from _memory(small.peaks, large[STRATEGIES[-1]].peaks, sizes)


@dataclass(frozen=True, slots=True)
class _Through:
    """A query that went through the service: at what rate, in the generation worker's processor time too."""

    rate: Rate
    peaks: Peaks


def _through(machine: Machine, customer: Customer, strategy: str, samples: int) -> _Through:
    """Make them, then read them as a stream; the peaks are of both, the rate is of the first."""
    worker = psutil.Process(machine.processes["generation"])
    with peaks_of({name: machine.processes[name] for name in WATCHED}) as peaks:
        before = worker.cpu_times()
        job_id = customer.submit(query_of(samples, strategy, 1))
        state = customer.ended(job_id)
        after = worker.cpu_times()
        customer.fetch(job_id, format="arrow")
    processor = after.user + after.system - before.user - before.system
    return _Through(Rate(samples / seconds_in_service(state), 1e3 * processor / samples), peaks)


def _rates(what: str, service: Rate, alone: Alone) -> Iterator[Row]:
    share = service.a_second / alone.slower
    goal = judged(f"{share:.2f} of the slower, goal {GOAL}", share >= GOAL)
    yield Row(f"{what}: service", f"{service.a_second:,.0f} samples/s", goal)
    yield Row(f"{what}: engine alone", f"{alone.engine.a_second:,.0f} samples/s")
    yield Row(f"{what}: Parquet writer alone, one thread", f"{alone.writer.a_second:,.0f} samples/s")
    cores = len(os.sched_getaffinity(0))
    most = alone.together(cores)
    beside = f"the service is at {service.a_second / most:.2f} of it"
    yield Row(f"{what}: no more than, {cores} cores for engine and writer", f"{most:,.0f} samples/s", beside)
    yield Row(
        f"{what}: processor time of 1,000: generation worker; engine, writer alone",
        f"{service.processor:.2f}; {alone.engine.processor:.2f}, {alone.writer.processor:.2f} s",
        f"{service.processor / alone.processor:.2f} of both alone",
    )


def _memory(small: Peaks, large: Peaks, what: str) -> Iterator[Row]:
    for name in WATCHED:
        growth = large[name] / small[name]
        goal = judged(f"{growth:.2f} times, goal {GOAL_MEMORY}", growth <= GOAL_MEMORY)
        yield Row(f"peak memory of {name}, {what}", f"{small[name]:,.0f} MB, {large[name]:,.0f} MB", goal)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="samples of the large query")
    parser.add_argument("--few", type=int, default=FEW, help="samples of the small query")
    parser.add_argument("--one-model", action="store_true", help="gem-1-bulk only")
    asked = parser.parse_args()
    main(asked.samples, asked.few, both=not asked.one_model)
