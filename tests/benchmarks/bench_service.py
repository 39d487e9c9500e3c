"""The service beside its parts, in one run: start, latency of one sample, what the API process costs.

Throughput is `bench_large`'s.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from shared.catalog import Catalog
from shared.settings import MODELS_OF_THIS_CHECKOUT
from tests.benchmarks.alone import open_engine
from tests.benchmarks.customer import Customer
from tests.benchmarks.report import Row
from tests.benchmarks.samples import batch_of, query_of
from tests.benchmarks.timing import milliseconds, quantile
from tests.support.machine import Machine
from worker.inference.engine import Engine

MODEL = "gem-1-bulk"


def measure() -> list[Row]:
    """Every row of this benchmark."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        engine = open_engine(Catalog.open(MODELS_OF_THIS_CHECKOUT).get(MODEL))
        machine, rows = _start(folder / "data", "fresh", goal=10)
        try:
            rows += _latency(machine, engine)
            rows += _api_process(machine)
        finally:
            machine.stop()
        machine, again = _start(folder / "data", "used", goal=5)
        machine.stop()
        return rows + again


def _start(data_dir: Path, kind: str, goal: int) -> tuple[Machine, list[Row]]:
    machine = Machine(data_dir)
    began = time.perf_counter()
    machine.start()
    seconds = time.perf_counter() - began
    return machine, [Row(f"`up` to ready, {kind} directory", f"{seconds:.1f} s", f"goal {goal} s")]


def _latency(machine: Machine, engine: Engine, times: int = 60) -> list[Row]:
    """One sample, everything warm: through the service, and straight into the engine."""
    headers = {"Authorization": f"Bearer {machine.key}"}
    with httpx.Client(base_url=machine.url, headers=headers, timeout=60) as http:
        customer = Customer(http, MODEL)
        service = milliseconds(
            lambda seed: customer.ended(customer.submit(query_of(1, "mean estimation", seed))), times
        )
    alone = milliseconds(lambda seed: engine.generate(batch_of(1, seed, False)), times)
    difference = quantile(service, 0.5) - quantile(alone, 0.5)
    return [
        Row("one sample, submit to ready, p50", f"{quantile(service, 0.5):.0f} ms"),
        Row("one sample, submit to ready, p95", f"{quantile(service, 0.95):.0f} ms"),
        Row(
            "the same into the engine, p50",
            f"{quantile(alone, 0.5):.0f} ms",
            f"difference {difference:.0f} ms, goal 100",
        ),
    ]


def _api_process(machine: Machine) -> list[Row]:
    process = psutil.Process(machine.processes["api"])
    program = (
        "import sys, time; began = time.perf_counter(); import api.main; "
        "print(time.perf_counter() - began, 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ}
    )
    seconds, torch_loaded = ran.stdout.split()
    return [
        Row("API process, resident memory", f"{process.memory_info().rss / 1e6:.0f} MB"),
        Row("API process, import", f"{float(seconds):.2f} s", f"torch imported: {torch_loaded}"),
    ]
