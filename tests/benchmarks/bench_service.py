"""The service beside its parts, in one run: start, latency, throughput, what the API process costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from cli.client import Client
from shared.catalog import Catalog
from shared.results.part import LATENT_GROUPS, Samples, encode_part, part_table
from shared.settings import MODELS_OF_THIS_CHECKOUT
from tests.benchmarks.report import Row
from tests.benchmarks.samples import LIVER, batch_of, query_of
from tests.benchmarks.timing import milliseconds, quantile
from tests.support.machine import Machine
from worker.inference.batch import Generated
from worker.inference.devices import choose_device
from worker.inference.engine import Engine

MODEL = "gem-1-bulk"
SAMPLES = 5_000
CHUNK = 500


def measure() -> list[Row]:
    """Every row of this benchmark."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        engine = Engine.open(Catalog.open(MODELS_OF_THIS_CHECKOUT).get(MODEL), choose_device(None))
        machine, rows = _start(folder / "data", "fresh", goal=10)
        try:
            rows += _latency(machine, engine)
            rows += _throughput(machine, engine)
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
    client = Client(machine.url, machine.key)

    def through_the_service(seed: int) -> None:
        job_id = client.post(f"/api/models/{MODEL}/predict", query_of(1, "mean estimation", seed))[
            "modelQueryId"
        ]
        for _ in client.watch(job_id, every=0.005):
            pass

    service = milliseconds(through_the_service, times)
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


def _throughput(machine: Machine, engine: Engine) -> list[Row]:
    """One query of 5,000 samples, beside the engine alone and the Parquet writer alone."""
    rows = []
    client = Client(machine.url, machine.key)
    for strategy in ("mean estimation", "sample generation"):
        job_id = client.post(f"/api/models/{MODEL}/predict", query_of(SAMPLES, strategy, 1))["modelQueryId"]
        *_, last = client.watch(job_id, every=0.5)
        if last["status"] != "ready":
            raise RuntimeError(f"the query ended as {last}")
        service = SAMPLES / _seconds_in_service(last)
        engine_rate, generated = _engine_rate(engine, strategy == "sample generation")
        writer_rate = _writer_rate(generated)
        share = service / min(engine_rate, writer_rate)
        rows += [
            Row(f"{strategy}: service", f"{service:,.0f} samples/s"),
            Row(f"{strategy}: engine alone", f"{engine_rate:,.0f} samples/s"),
            Row(
                f"{strategy}: Parquet writer alone",
                f"{writer_rate:,.0f} samples/s",
                f"service is {share:.2f} of the slower, goal 0.8",
            ),
        ]
    return rows


def _seconds_in_service(state: dict[str, Any]) -> float:
    """From saved to ready, by the server's own clock: finer than any polling."""
    saved, ready = (datetime.fromisoformat(state[name]) for name in ("created_at", "finished_at"))
    return (ready - saved).total_seconds()


def _engine_rate(engine: Engine, generation: bool) -> tuple[float, Generated]:
    engine.generate(batch_of(CHUNK, 1, generation))
    began = time.perf_counter()
    for seed in range(4):
        generated = engine.generate(batch_of(CHUNK, seed, generation))
    return 4 * CHUNK / (time.perf_counter() - began), generated


def _writer_rate(generated: Generated) -> float:
    samples = Samples(
        input_index=np.zeros(CHUNK, np.int64),
        sample_index=np.arange(CHUNK),
        condition_of=np.zeros(CHUNK, np.int64),
        metadata=[{"tissue_ontology_id": LIVER}],
        counts=generated.counts,
        latents={group: generated.latents[group] for group in LATENT_GROUPS},
    )
    began = time.perf_counter()
    for _ in range(4):
        encode_part(part_table(samples))
    return 4 * CHUNK / (time.perf_counter() - began)


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
