"""Large requests on their way in: rows checked a second, what the API process holds, how others are answered.

`python -m tests.benchmarks.bench_intake`: two or three minutes. One API process and no worker; 200,000
conditions of `gem-1-bulk` in each form, after a tenth of them. Then one query of a million samples.
"""

from __future__ import annotations

import argparse
import csv
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import orjson
import pyarrow.parquet as pq

from shared.catalog import Catalog
from shared.queries.vocabulary import Vocabulary
from shared.settings import MODELS_OF_THIS_CHECKOUT
from tests.benchmarks.conditions import Form, design_of, write_forms
from tests.benchmarks.front import Front, running_front
from tests.benchmarks.memory import peaks_of
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.benchmarks.timing import milliseconds, quantile

MODEL = "gem-1-bulk"
CONDITIONS = 200_000
SAMPLES = 1_000_000
GOAL_MEMORY = 1.1  # of what a tenth of the conditions takes
_PATH = f"/api/models/{MODEL}/predict"
_POLL_EVERY = 0.02
_STRATEGY = "mean estimation"


def main(conditions: int = CONDITIONS) -> None:
    """Print the table."""
    print(as_markdown(measure(conditions)))


def measure(conditions: int = CONDITIONS) -> list[Row]:
    """Every row of this benchmark."""
    vocabulary = Catalog.open(MODELS_OF_THIS_CHECKOUT).get(MODEL).vocabulary
    # Every condition is a sample that is open until the end: nobody computes any.
    room = {"GENEQUEUE_WORKSPACE_SAMPLES": "100000000", "GENEQUEUE_SERVICE_SAMPLES": "100000000"}
    with TemporaryDirectory(prefix="genequeue-bench-") as name, running_front(room) as front:
        headers = {"Authorization": f"Bearer {front.key}"}
        with httpx.Client(base_url=front.url, headers=headers, timeout=600) as http:
            small = _requests(vocabulary, conditions // 10, Path(name), http)
            large = _requests(vocabulary, conditions, Path(name), http)
            waiting = _submitted(http.post(_PATH, json=query_of(1, _STRATEGY, 1)))
            few = {form: _taken_in(front, send, waiting) for form, send in small.items()}
            many = {form: _taken_in(front, send, waiting) for form, send in large.items()}
            rows = [
                row
                for form in many
                for row in _rows(form, conditions, few[form], many[form], _bare(form, Path(name), conditions))
            ]
            return [*rows, *_chunks(http)]


Send = Callable[[], httpx.Response]
Taken = tuple[float, float, list[float]]  # seconds, peak memory in MB, milliseconds of the polls meanwhile


def _requests(vocabulary: Vocabulary, conditions: int, folder: Path, http: httpx.Client) -> dict[str, Send]:
    """How to send these conditions, by form."""
    options = {"sampling_strategy": _STRATEGY}
    forms = write_forms(vocabulary, conditions, folder)
    design = {**options, "design": design_of(vocabulary, conditions), "num_samples": 1}
    sends: dict[str, Send] = {form.name: _sending(http, form, options) for form in forms}
    return {**sends, "design": lambda: http.post(_PATH, json=design)}


def _sending(http: httpx.Client, form: Form, options: dict[str, Any]) -> Send:
    def send() -> httpx.Response:
        with form.file.open("rb") as body:
            return http.post(_PATH, params=options, content=body, headers={"Content-Type": form.media_type})

    return send


def _taken_in(front: Front, send: Send, waiting: str) -> Taken:
    """Send, while somebody else polls a job that waits."""
    with peaks_of({"api": front.api.pid}) as peaks, _polled(front, waiting) as polls:
        began = time.perf_counter()
        _submitted(send())
        seconds = time.perf_counter() - began
    return seconds, peaks["api"], polls


@contextmanager
def _polled(front: Front, job_id: str) -> Iterator[list[float]]:
    """Status polls of another client, as often as it may; their milliseconds."""
    over, times = threading.Event(), list[float]()

    def poll() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {front.key}"}, timeout=60) as http:
            while not over.wait(_POLL_EVERY):
                began = time.perf_counter()
                answer = http.get(f"{front.url}/api/model-queries/{job_id}/status")
                assert answer.is_success, answer.text
                times.append(1e3 * (time.perf_counter() - began))

    thread = threading.Thread(target=poll, name="poll", daemon=True)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def _submitted(answer: httpx.Response) -> str:
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text[:2_000]
    return str(answer.json()["modelQueryId"])


def _bare(form: str, folder: Path, conditions: int) -> float | None:
    """Seconds to read the same file and check nothing; None of a design, which is no file."""
    reads: dict[str, Callable[[], object]] = {
        "NDJSON": lambda: [orjson.loads(line) for line in (folder / f"{conditions}.ndjson").open("rb")],
        "CSV": lambda: list(csv.DictReader((folder / f"{conditions}.csv").open(newline=""))),
        "Parquet": lambda: pq.read_table(folder / f"{conditions}.parquet").to_pylist(),
    }
    if form not in reads:
        return None
    began = time.perf_counter()
    reads[form]()
    return time.perf_counter() - began


def _rows(form: str, conditions: int, few: Taken, many: Taken, bare: float | None) -> Iterator[Row]:
    seconds, held, polls = many
    beside = f"reading the file alone: {conditions / bare:,.0f} rows/s" if bare else ""
    figures = f"{seconds:.1f} s, {conditions / seconds:,.0f} rows/s"
    yield Row(f"{form}, {conditions:,} conditions: checked and saved", figures, beside)
    growth = held / few[1]
    goal = judged(f"{growth:.2f} times that of a tenth, goal {GOAL_MEMORY}", growth <= GOAL_MEMORY)
    yield Row(f"{form}: peak memory of the API process", f"{few[1]:,.0f} MB, {held:,.0f} MB", goal)
    waits = f"p50 {quantile(polls, 0.5):.0f} ms, p95 {quantile(polls, 0.95):.0f} ms"
    yield Row(f"{form}: status poll of another client meanwhile", waits, f"{len(polls)} polls")


def _chunks(http: httpx.Client) -> list[Row]:
    """What the chunks of a million samples cost a submit, beside one sample."""
    one, many = (
        milliseconds(lambda seed, n=n: _submitted(http.post(_PATH, json=query_of(n, _STRATEGY, seed))), 3)
        for n in (1, SAMPLES)
    )
    beside = f"{quantile(one, 0.5):.0f} ms for one sample"
    return [Row(f"submit of one query of {SAMPLES:,} samples, p50", f"{quantile(many, 0.5):.0f} ms", beside)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conditions", type=int, default=CONDITIONS, help="conditions of the large request")
    main(parser.parse_args().conditions)
