"""What the doctor makes of what it finds, and that nothing that hangs or fails keeps it from the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from cli.doctor.examination import examine_all
from cli.doctor.finding import Finding, Verdict, ago, ok
from cli.doctor.machine import judge_clocks, judge_disk
from cli.doctor.objects import judge_objects
from cli.doctor.processes import Life, life_of
from cli.doctor.servers import judge_api, judge_migrations, judge_postgres, judge_valkey
from cli.doctor.webhooks import judge_deliveries, judge_endpoints
from cli.doctor.work import (
    KnownWorker,
    Waiting,
    judge_jobs,
    judge_leases,
    judge_queue,
    judge_upkeep,
    judge_workers,
)
from shared.database.migrate import Revisions
from shared.errors import DatabaseUnavailable
from tests.support.processes import wait_until

GIB = 1 << 30
VALKEY = {"valkey_version": "9.1.2", "aof_enabled": 1, "maxmemory_policy": "noeviction", "maxmemory": 0}
JOB = UUID(int=7)


def verdicts(findings: Iterable[Finding]) -> list[Verdict]:
    return [finding.verdict for finding in findings]


def worker(silence: float = 1, **models: list[int]) -> KnownWorker:
    return KnownWorker("w-1", "cpu", models or {"bulk": [1]}, timedelta(seconds=silence))


def waiting(age: float, state: str = "queued", version: int = 1) -> Waiting:
    return Waiting("bulk", version, "interactive", state, 2, 8, timedelta(seconds=age))


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ((180004, 100, 12, False), Verdict.OK),
        ((150000, 100, 12, False), Verdict.OK),
        ((140011, 100, 12, False), Verdict.WRONG),
        ((180004, 100, 81, False), Verdict.WARNING),
        ((180004, 100, 12, True), Verdict.WRONG),
    ],
)
def test_postgres_must_be_15_writable_and_have_room(
    facts: tuple[int, int, int, bool], verdict: Verdict
) -> None:
    assert judge_postgres(*facts).verdict is verdict


@pytest.mark.parametrize(
    ("current", "verdict", "remedy"),
    [
        ("0002", Verdict.OK, ""),
        ("0001", Verdict.WRONG, "alembic upgrade head"),
        (None, Verdict.WRONG, "alembic upgrade head"),
        ("0009", Verdict.WRONG, "Upgrade GeneQueue here"),
    ],
)
def test_the_schema_must_be_that_of_the_checkout(current: str | None, verdict: Verdict, remedy: str) -> None:
    finding = judge_migrations(Revisions(current, ("0001", "0002")))
    assert finding.verdict is verdict
    assert remedy in finding.remedy


def test_a_valkey_that_evicts_is_worth_a_warning_and_one_that_cannot_save_is_wrong() -> None:
    assert judge_valkey(VALKEY).verdict is Verdict.OK
    assert judge_valkey({**VALKEY, "maxmemory": 1 << 20, "maxmemory_policy": "allkeys-lru"}).verdict is (
        Verdict.WARNING
    )
    assert judge_valkey({**VALKEY, "aof_last_write_status": "err"}).verdict is Verdict.WRONG
    assert "Redis 7.2.0" in judge_valkey({"redis_version": "7.2.0"}).found


def test_an_api_that_is_not_ready_is_wrong_and_says_why() -> None:
    assert judge_api("http://a", True, {"database": "ok"}, []).verdict is Verdict.OK
    finding = judge_api("http://a", False, {"database": "It is away.", "storage": "ok"}, [])
    assert finding.verdict is Verdict.WRONG
    assert "database: It is away." in finding.found
    assert "storage" not in finding.found
    assert judge_api("http://a", True, {}, ["m 2 is damaged."]).verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("free", "verdict"), [(6 * GIB, Verdict.OK), (4 * GIB, Verdict.WARNING), (GIB // 2, Verdict.WRONG)]
)
def test_a_disk_with_little_room_is_a_warning_and_one_with_none_is_wrong(free: int, verdict: Verdict) -> None:
    assert judge_disk("storage", free, 100 * GIB).verdict is verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0.4, Verdict.OK), (-5, Verdict.WARNING), (90, Verdict.WRONG)]
)
def test_a_clock_that_is_off_is_told_which_way(seconds: float, verdict: Verdict) -> None:
    finding = judge_clocks({"Postgres": timedelta(seconds=seconds), "the API": timedelta()})
    assert finding.verdict is verdict
    assert ("behind" in finding.found) is (seconds < -1)


def test_without_another_clock_there_is_nothing_to_compare() -> None:
    assert judge_clocks({}).verdict is Verdict.UNKNOWN


def test_no_live_worker_is_wrong_and_a_silent_one_beside_a_live_one_a_warning() -> None:
    assert verdicts(judge_workers([], "")) == [Verdict.WRONG]
    assert verdicts(judge_workers([worker(60)], "")) == [Verdict.WARNING, Verdict.WRONG]
    assert verdicts(judge_workers([worker(60), worker(1)], "")) == [Verdict.WARNING, Verdict.OK]


def test_what_waits_for_a_version_that_nobody_alive_holds_is_wrong() -> None:
    assert verdicts(judge_queue([waiting(40)], [])) == [Verdict.WRONG]
    assert verdicts(judge_queue([waiting(40)], [worker(60)])) == [Verdict.WRONG]
    (finding,) = judge_queue([waiting(40, version=2)], [worker(bulk=[1])])
    assert finding.verdict is Verdict.WRONG
    assert "bulk version 2" in finding.found


def test_what_waits_while_nothing_is_computed_is_wrong_and_while_something_is_it_is_load() -> None:
    assert verdicts(judge_queue([waiting(40)], [worker()])) == [Verdict.WRONG]
    assert verdicts(judge_queue([waiting(40), waiting(50, "running")], [worker()])) == [Verdict.OK]
    assert verdicts(judge_queue([waiting(2)], [])) == [Verdict.OK], "it was queued just now"
    assert verdicts(judge_queue([], [])) == [Verdict.OK]


@pytest.mark.parametrize(
    ("silences", "verdict"), [([], Verdict.WRONG), ([200], Verdict.WRONG), ([1, 200], Verdict.OK)]
)
def test_an_upkeep_that_has_not_swept_of_late_is_wrong(silences: list[int], verdict: Verdict) -> None:
    finding = judge_upkeep([timedelta(seconds=silence) for silence in silences], "")
    assert finding.verdict is verdict
    assert ("worker.cpu" in finding.remedy) is (verdict is Verdict.WRONG)


def test_leases_that_nobody_takes_back_mean_that_upkeep_is_away() -> None:
    assert judge_leases(0, timedelta(), 0, "").verdict is Verdict.OK
    assert judge_leases(0, timedelta(), 2, "").verdict is Verdict.WARNING
    finding = judge_leases(3, timedelta(seconds=200), 2, "")
    assert finding.verdict is Verdict.WRONG
    assert "3 leases ran out, up to 3 min ago" in finding.found


def test_a_job_that_nothing_moves_is_wrong() -> None:
    assert judge_jobs([]).verdict is Verdict.OK
    finding = judge_jobs([(JOB, "running", 0)])
    assert finding.verdict is Verdict.WRONG
    assert str(JOB) in finding.found


def test_deliveries_that_nobody_sends_are_wrong_and_those_that_wait_for_their_time_are_not() -> None:
    assert judge_deliveries(10_000, 0, timedelta(), "").verdict is Verdict.OK
    finding = judge_deliveries(10_000, 2, timedelta(minutes=5), "")
    assert finding.verdict is Verdict.WRONG
    assert "2 endpoints" in finding.found
    assert "worker.cpu" in finding.remedy


def test_an_endpoint_that_was_given_up_is_named_with_its_reason_and_without_its_path() -> None:
    assert list(judge_endpoints([])) == []
    url = "https://lab.example.org/hooks/a-secret-of-theirs"
    gone, failing = judge_endpoints([(JOB, url, "gone"), (JOB, url, "failing")])
    assert gone.verdict is failing.verdict is Verdict.WARNING
    assert "lab.example.org answered 410" in gone.found
    assert "failed for five days" in failing.found
    assert "secret" not in gone.found + gone.remedy
    assert str(JOB) in gone.remedy


def test_a_lost_object_is_wrong_and_a_stray_one_a_warning() -> None:
    assert judge_objects(3, {}, set()).verdict is Verdict.OK
    assert judge_objects(3, {}, {"results/x"}).verdict is Verdict.WARNING
    assert judge_objects(3, {"results/y": JOB}, {"results/x"}).verdict is Verdict.WRONG


def test_an_examination_that_hangs_costs_its_patience_and_the_rest_are_told() -> None:
    over = threading.Event()

    def hang() -> Iterable[Finding]:
        over.wait(100)
        return []

    # Long enough for the other to be done, wherever this process is held up meanwhile.
    found = examine_all({"a": hang, "b": lambda: [ok("b", "fine")]}, timedelta(seconds=5))
    over.set()
    assert verdicts(found) == [Verdict.WRONG, Verdict.OK], "whoever waits to its end finds nothing wrong"


def test_an_examination_that_fails_says_so_and_the_rest_go_on() -> None:
    def unavailable() -> Iterable[Finding]:
        raise DatabaseUnavailable("away")

    def broken() -> Iterable[Finding]:
        raise ZeroDivisionError("by nothing\nwith details")

    found = examine_all({"a": unavailable, "b": broken, "c": lambda: [ok("c", "fine")]})
    assert verdicts(found) == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.OK]
    assert "ZeroDivisionError: by nothing" in found[1].found
    assert "details" not in found[1].found


def test_a_process_runs_is_stopped_or_is_gone() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert life_of(child.pid) is Life.RUNS
        if Path("/proc").exists():
            os.kill(child.pid, signal.SIGSTOP)
            wait_until(lambda: life_of(child.pid) is Life.STOPPED)
    finally:
        child.kill()
        child.wait()
    assert life_of(child.pid) is Life.GONE


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.21, "0.2 s"), (90, "90 s"), (200, "3 min"), (8000, "2 h"), (200_000, "2 days")]
)
def test_times_are_told_in_the_unit_that_a_person_would_use(seconds: float, said: str) -> None:
    assert ago(timedelta(seconds=seconds)) == said
