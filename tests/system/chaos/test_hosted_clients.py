"""The unmodified public client, which never asks again, polls while everything below it dies."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pandas as pd
import pysynthbio
import pytest
import requests

from tests.support.models import LIVER
from tests.system.chaos.holding import held, stopped
from tests.system.chaos.stage import APIS, POSTGRES, VALKEY, WORKERS, Stage

SAMPLES = 4_000
CLIENTS = 8
POLLERS, POLL_SECONDS = 200, 2


@pytest.fixture
def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", stage.urls[0])
    monkeypatch.setenv("SYNTHESIZE_API_KEY", stage.keys[0])
    return stage


def ask(samples: int, seed: int) -> pd.DataFrame:
    query = {
        "sampling_strategy": "mean estimation",
        "seed": seed,
        "inputs": [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": samples}],
    }
    frames: Any = pysynthbio.predict_query(query, model_id="gem-1-bulk", poll_interval_seconds=1)
    frame: pd.DataFrame = frames["expression"]
    return frame


def ask_through(stage: Stage, disturb: Callable[[Stage], None], samples: int = SAMPLES) -> None:
    """Clients poll while something happens; each gets its frame, and it is that of a peaceful run."""
    stage.wait(lambda: not open_jobs(stage))  # of the tests before
    with ThreadPoolExecutor(CLIENTS) as pool, ExitStack() as until_disturbed:
        with stopped(stage, *WORKERS):
            asking = [pool.submit(ask, samples // CLIENTS, seed) for seed in range(CLIENTS)]
            stage.wait(lambda: len(open_jobs(stage)) == CLIENTS or any(map(Future.done, asking)))
            until_disturbed.enter_context(held(stage, open_jobs(stage), last=1))
        stage.wait(lambda: is_begun(stage))
        assert not any(map(Future.done, asking)), "some ended before they could be disturbed"
        disturb(stage)
        until_disturbed.close()
        stage.wait(lambda: all(map(Future.done, asking)))
        stage.wait(stage.is_whole)
        frames = [one.result() for one in asking]
    for seed, frame in enumerate(frames[:2]):
        assert frame.equals(ask(samples // CLIENTS, seed))


def open_jobs(stage: Stage) -> list[str]:
    with stage.database() as connection:
        rows = connection.execute("SELECT id::text FROM jobs WHERE state IN ('queued', 'running')")
        return [job_id for (job_id,) in rows]


def is_begun(stage: Stage) -> bool:
    """Whether something is done of a job that is not over."""
    with stage.database() as connection:
        begun = connection.execute("SELECT FROM jobs WHERE state = 'running' AND samples_done > 0")
        return begun.rowcount > 0


def is_new(stage: Stage, name: str, old: int) -> bool:
    return stage.pid(name) != old and stage.is_whole()


def roll(stage: Stage) -> None:
    """Each API process ends in good order, and the next one waits until its successor answers."""
    for name in APIS:
        old = stage.pid(name)
        stage.child(name).send(signal.SIGTERM)
        stage.wait(partial(is_new, stage, name, old))


def kill(name: str, number: signal.Signals = signal.SIGKILL) -> Callable[[Stage], None]:
    return lambda stage: stage.child(name).send(number)


def test_kill_9_of_both_workers(client: Stage) -> None:
    def both(stage: Stage) -> None:
        for name in WORKERS:
            stage.child(name).send(signal.SIGKILL)

    ask_through(client, both)


def test_kill_9_of_valkey(client: Stage) -> None:
    ask_through(client, kill(VALKEY))


def test_a_crash_of_postgres(client: Stage) -> None:
    def crash(stage: Stage) -> None:
        for process in stage.family(POSTGRES):
            process.kill()

    ask_through(client, crash)


def test_a_rolling_restart_of_the_api(client: Stage) -> None:
    ask_through(client, roll)


def test_200_clients_poll_through_a_rolling_restart_of_the_api_without_an_error(stage: Stage) -> None:
    query = {
        "sampling_strategy": "mean estimation",
        "inputs": [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": 1}],
    }
    headers = {"Authorization": f"Bearer {stage.keys[0]}"}
    url = f"{stage.urls[0]}/api/models/gem-1-bulk/predict"
    answer = httpx.post(url, json=query, headers=headers, timeout=60)
    status = f"{stage.urls[0]}/api/model-queries/{answer.json()['modelQueryId']}/status"
    over, met = threading.Event(), list[str]()

    def poll() -> None:
        """As the public client does: a connection for each question, and no second try."""
        while not over.wait(POLL_SECONDS):
            try:
                met.append(str(requests.get(status, headers=headers, timeout=60).status_code))
            except requests.RequestException as error:
                met.append(repr(error))

    with ThreadPoolExecutor(POLLERS) as pool:
        polling = [pool.submit(poll) for _ in range(POLLERS)]
        try:
            roll(stage)
            stage.wait(lambda: len(met) >= POLLERS)
        finally:
            over.set()
        for one in polling:
            one.result()
    assert set(met) == {"200"}, Counter(met)
