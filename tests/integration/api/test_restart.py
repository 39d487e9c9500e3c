"""Postgres dies, or freezes, under clients that never ask again: slow answers, no query lost or doubled."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from shared.database.engines import transaction
from shared.settings import ApiSettings
from tests.support import calls
from tests.support.api import Service, query_of, service, settings_for
from tests.support.crashable import CrashablePostgres, crashable_postgres
from tests.support.deaf import DeafRelay, deaf_to_commits
from tests.support.processes import wait_until
from tests.support.stalls import time_that_was_lost

CLIENTS, SECONDS_DOWN = 20, 3
SUBMITTERS = 8
# How long a Postgres is away that comes back is no matter of these tests: a slow disk may take its time.
PATIENT = timedelta(seconds=80)
CLIENT_GIVES_UP = 30  # seconds, as the public Python client does


@pytest.fixture
def postgres() -> Iterator[CrashablePostgres]:
    with crashable_postgres() as running:
        yield running


@pytest.fixture
def api(postgres: CrashablePostgres, redis_url: str, models_dir: Path, tmp_path: Path) -> Iterator[Service]:
    settings = settings_for(
        database_url=postgres.url,
        redis_url=redis_url,
        storage_url=f"file://{tmp_path}/objects",
        models_dir=models_dir,
    )
    with service(settings) as running:
        yield running


@pytest.fixture
def patient(api: Service) -> Iterator[Service]:
    """An API that waits for its Postgres for longer than usual."""
    with service(api.settings.model_copy(update={"database_patience": PATIENT})) as running:
        yield running


def poll(api: Service, paths: list[str], until: threading.Event, codes: list[int]) -> None:
    """Ask without a pause, on connections of one's own, and note the status codes."""
    headers = {"Authorization": f"Bearer {api.key}"}
    with httpx.Client(base_url=api.url, headers=headers, timeout=calls.PATIENCE) as client:
        while not until.is_set():
            codes += [client.get(path).status_code for path in paths]


def submit(api: Service, client: int, until: threading.Event, answers: dict[str, httpx.Response]) -> None:
    """Send queries one after the other and note the answers, by a name for each; every second has a key."""
    for number in itertools.count():
        if until.is_set():
            return
        name = f"{client}-{number}"
        headers = {"Idempotency-Key": name} if number % 2 else {}
        answers[name] = api.predict(query_of(1, client_metadata={"name": name}), headers=headers)


@contextmanager
def ending(over: threading.Event, clients: Sequence[Future[None]]) -> Iterator[None]:
    """Clients that go on until the end of the block; what they raise is raised there."""
    try:
        yield
    finally:
        over.set()
    for one in clients:
        one.result()


def saved(api: Service) -> dict[str, list[UUID]]:
    """The ids of all saved jobs, by the names that their clients gave."""
    found: dict[str, list[UUID]] = {}
    with transaction(api.engine) as session:
        for name, job_id in session.execute(text("SELECT client_metadata ->> 'name', id FROM jobs")):
            found.setdefault(name, []).append(job_id)
    return found


def test_reads_ride_out_a_kill_and_a_restart_of_postgres(
    postgres: CrashablePostgres, patient: Service
) -> None:
    """Every client is served before the crash, and again behind it."""
    job_id, over = patient.finished(3), threading.Event()
    route = f"/api/model-queries/{job_id}"
    paths = [f"{route}/status", route, patient.download_url(job_id).removeprefix(patient.url)]
    codes: list[list[int]] = [[] for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        polls = [clients.submit(poll, patient, paths, over, noted) for noted in codes]
        with ending(over, polls):
            wait_until(lambda: all(codes), calls.PATIENCE)
            postgres.crash()
            before = [len(noted) for noted in codes]
            time.sleep(SECONDS_DOWN)
            postgres.restart()
            twice = 2 * len(paths)  # Some may have been on their way in the first round.
            wait_until(
                lambda: all(len(noted) >= n + twice for noted, n in zip(codes, before, strict=True)),
                calls.PATIENCE,
            )
    assert {code for noted in codes for code in noted} == {200}


@pytest.mark.timeout(1200)
def test_submits_ride_out_crashes_of_postgres_and_each_is_one_job(
    postgres: CrashablePostgres, patient: Service
) -> None:
    def crash() -> None:
        postgres.crash()
        time.sleep(1)
        postgres.restart()

    over, answers = threading.Event(), dict[str, httpx.Response]()
    with ThreadPoolExecutor(SUBMITTERS) as clients:
        submits = [clients.submit(submit, patient, number, over, answers) for number in range(SUBMITTERS)]
        with ending(over, submits):
            for strike in (crash, crash, *[postgres.kill_a_backend] * 4):
                before = len(answers)
                wait_until(lambda: len(answers) >= before + SUBMITTERS, calls.PATIENCE)  # noqa: B023
                strike()
    patient.engine.dispose()
    assert Counter(answer.status_code for answer in answers.values()) == {202: len(answers)}
    promised = {name: [UUID(answer.json()["modelQueryId"])] for name, answer in answers.items()}
    assert saved(patient) == promised


def behind(
    api: Service, postgres: CrashablePostgres, relay: DeafRelay, patience: timedelta = PATIENT
) -> ApiSettings:
    """The settings of an API that reaches the same Postgres over a relay."""
    url = postgres.url.replace(f":{postgres.port}/", f":{relay.port}/")
    given = {"database_url": SecretStr(url), "database_patience": patience}
    return api.settings.model_copy(update=given)


@pytest.mark.parametrize("made", [False, True])
def test_a_commit_whose_answer_is_lost_is_made_once_whether_or_not_it_was(
    postgres: CrashablePostgres, api: Service, made: bool
) -> None:
    with deaf_to_commits(postgres.port, lets_through=made) as relay:
        with service(behind(api, postgres, relay)) as other:
            for name, headers in (("plain", {}), ("keyed", {"Idempotency-Key": "k"})):
                relay.armed = True
                answer = other.predict(query_of(1, client_metadata={"name": name}), headers=headers)
                assert (answer.status_code, relay.armed) == (202, False)
                assert "idempotent-replayed" not in answer.headers
                assert saved(api)[name] == [UUID(answer.json()["modelQueryId"])]


@pytest.mark.parametrize("made", [False, True])
def test_a_submit_whose_end_nobody_learns_in_time_says_that_it_may_be_saved(
    postgres: CrashablePostgres, api: Service, made: bool
) -> None:
    with deaf_to_commits(postgres.port, lets_through=made) as relay:
        relay.dies = True
        with service(behind(api, postgres, relay, timedelta(seconds=1))) as other:
            relay.armed, began = True, time.monotonic()
            answer = other.predict(query_of(1, client_metadata={"name": "unknown"}))
            assert 0.5 < time.monotonic() - began < 15, "it asked for longer than it may"
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        assert answer.headers["retry-after"]
        assert "Idempotency-Key" in answer.json()["error"]
        assert len(saved(api).get("unknown", [])) == made


def test_a_long_poll_through_a_restart_takes_no_longer_than_it_asked_for(
    postgres: CrashablePostgres, patient: Service
) -> None:
    job_id, wait = patient.submit(1), 20
    with ThreadPoolExecutor(1) as pool:
        path, began = f"/api/model-queries/{job_id}?wait={wait}", time.monotonic()
        waiting = pool.submit(patient.get, path)
        time.sleep(wait - 2)
        postgres.crash()
        time.sleep(max(0, began + wait + 1 - time.monotonic()))
        postgres.restart()
        restarted = time.monotonic()
        answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert time.monotonic() - restarted < wait - 2, "it waited once more"


def test_a_postgres_that_stays_away_is_503_when_patience_ends(
    postgres: CrashablePostgres, api: Service
) -> None:
    with service(api.settings.model_copy(update={"database_patience": timedelta(seconds=1)})) as other:
        postgres.crash()
        for answer in (other.predict(query_of(1)), other.call("POST", "/api/model-queries/x/cancel")):
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["retry-after"]
            assert answer.elapsed.total_seconds() > 0.5
        postgres.restart()
        wait_until(lambda: other.predict(query_of(1)).status_code == 202)


def test_a_frozen_postgres_is_a_clear_503_before_the_client_gives_up(
    postgres: CrashablePostgres, api: Service
) -> None:
    """More callers than connections, some of which are in the middle of saving."""
    job_id, over, under_way = api.submit(1), threading.Event(), dict[str, httpx.Response]()

    def ask(number: int) -> tuple[httpx.Response, float]:
        began = time.monotonic()
        path = f"/api/model-queries/{job_id}/status"
        answer = api.predict(query_of(1)) if number % 2 else api.get(path)
        return answer, time.monotonic() - began

    with ThreadPoolExecutor(50) as clients, time_that_was_lost() as lost:
        busy = [clients.submit(submit, api, number, over, under_way) for number in range(SUBMITTERS)]
        with ending(over, busy):
            wait_until(lambda: len(under_way) > SUBMITTERS)
            over.set()
            postgres.freeze()
            asked = list(clients.map(ask, range(40)))
            postgres.thaw()
    api.engine.dispose()
    assert {answer.status_code for answer, _ in asked} == {503}
    assert all(answer.headers["retry-after"] and answer.json()["code"] for answer, _ in asked)
    assert max(seconds for _, seconds in asked) - sum(lost) < CLIENT_GIVES_UP - 2
    accepted = {answer.json()["modelQueryId"] for answer in under_way.values() if answer.status_code == 202}
    assert accepted <= {str(one) for ids in saved(api).values() for one in ids}
    assert api.predict(query_of(1)).status_code == 202
