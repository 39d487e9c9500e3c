"""Artifacts are made once, whatever happens to whoever makes them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from shared.database.engines import async_engine, async_transaction, transaction
from shared.database.queries import artifacts as statements
from shared.database.queries.artifacts import Made
from shared.database.tables import Artifact
from shared.jobs.artifacts import ArtifactKind
from shared.results.manifest import RESULTS
from shared.storage.objects import Credentials
from tests.integration.artifacts.conftest import Shop
from tests.support.disk import small_disk
from tests.support.processes import is_alive, wait_until
from tests.support.upkeep import environment_of, upkeep_worker
from tests.support.workshops import workshop
from worker.artifacts.bench import Bench
from worker.artifacts.child import Place, Progress
from worker.artifacts.order import Order, Outcome
from worker.artifacts.wanted import order_of
from worker.generation.retention import expire_results, sweep_results

MINUTE, GONE = timedelta(minutes=1), timedelta(seconds=-1)
PATIENCE = 120


def take(shop: Shop, lease: timedelta = MINUTE) -> Artifact | None:
    with transaction(shop.engine) as session:
        return session.scalars(statements.take("somebody", lease, 3)).one_or_none()


def is_ready(shop: Shop, artifact_id: UUID) -> bool:
    return shop.look(artifact_id).state == "ready"


async def order_for(database_url: str, artifact: Artifact) -> Order:
    engine = async_engine(database_url)
    async with async_transaction(engine) as session:
        order = await order_of(session, artifact)
    await engine.dispose()
    assert order is not None
    return order


def test_what_is_asked_for_is_made_and_named_by_its_row(shop: Shop, database_url: str) -> None:
    artifact_id = shop.ask()
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: is_ready(shop, artifact_id), PATIENCE)
    made = shop.look(artifact_id)
    content = shop.storage.get(made.key or "")
    assert (made.bytes, made.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (made.attempts, made.done, made.file_name) == (1, 4, f"{shop.job_id}.parquet")


def test_the_same_wish_twice_is_one_row(shop: Shop) -> None:
    assert shop.ask() == shop.ask()
    assert shop.ask(ArtifactKind.SUMMARY) != shop.ask()


def test_two_never_take_the_same(shop: Shop) -> None:
    shop.ask()
    assert take(shop) is not None
    assert take(shop) is None


def test_what_a_dead_maker_held_is_made_by_the_next(shop: Shop, database_url: str) -> None:
    artifact_id = shop.ask()
    dead = take(shop, GONE)
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: is_ready(shop, artifact_id), PATIENCE)
    made = shop.look(artifact_id)
    assert dead is not None
    assert made.attempts == 2
    assert f"-{dead.token}." not in (made.key or "")


def test_a_maker_that_comes_late_changes_nothing(shop: Shop) -> None:
    artifact_id = shop.ask()
    late, now = take(shop, GONE), take(shop)
    assert late is not None
    assert now is not None
    made = Made("results/x", 1, "0" * 64, "text/plain", "x")
    with transaction(shop.engine) as session:
        for statement in (
            statements.finish(artifact_id, late.token or 0, made),
            statements.fail(artifact_id, late.token or 0, "why"),
            statements.try_again(artifact_id, late.token or 0, "why"),
            statements.renew(artifact_id, late.token or 0, MINUTE, 1),
        ):
            assert session.scalars(statement).one_or_none() is None
        assert session.scalars(statements.finish(artifact_id, now.token or 0, made)).one() == artifact_id


def test_what_ended_three_makers_is_given_up_with_a_reason(shop: Shop, database_url: str) -> None:
    artifact_id = shop.ask()
    for _ in range(3):
        take(shop, GONE)
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: shop.look(artifact_id).state == "failed", PATIENCE)
    assert "memory" in (shop.look(artifact_id).error or "")


def test_a_damaged_part_fails_it_at_once_and_asking_later_makes_it_anew(
    shop: Shop, database_url: str
) -> None:
    artifact_id = shop.ask()
    (key, *_) = [key for key in shop.storage.keys(RESULTS) if "part-" in key]
    whole = shop.storage.get(key)
    shop.storage.put(key, whole[:-1] + b"?")
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: shop.look(artifact_id).state == "failed", PATIENCE)
        assert "was changed" in (shop.look(artifact_id).error or "")
        assert shop.look(artifact_id).attempts == 1
        shop.storage.put(key, whole)
        assert shop.ask() == artifact_id
        assert shop.look(artifact_id).state == "failed"  # not at once: whoever polls gets the reason
        with transaction(shop.engine) as session:
            session.execute(text("UPDATE artifacts SET finished_at = now() - interval '1 min'"))
        shop.ask()
        wait_until(lambda: is_ready(shop, artifact_id), PATIENCE)


@pytest.mark.parametrize("form", ["h5ad", "mtx", "parquet"])
def test_a_disk_that_is_full_is_said_in_a_sentence(
    shop: Shop, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    with small_disk(tmp_path / "disk", "4k") as disk:
        if not disk.bounded:
            pytest.skip("It takes the right to mount.")
        monkeypatch.setenv("TMPDIR", str(disk.folder))
        artifact_id = shop.ask(form=form)
        with capture_logs() as logged, workshop(database_url, shop.storage_url):
            wait_until(lambda: shop.look(artifact_id).state == "failed", PATIENCE)
        assert list(disk.folder.iterdir()) == []
    failed = shop.look(artifact_id)
    assert "disk on which this server makes files is full" in (failed.error or "")
    assert "TMPDIR" in (failed.error or "")
    assert failed.attempts == 1
    assert not [line for line in logged if line["log_level"] == "error"]


class Endless(Bench):
    """A bench at which nothing is ever finished."""

    def order(self, order: Order) -> None:
        """Takes it."""

    def hear(self, patience: timedelta) -> None:
        """Nothing."""
        time.sleep(patience.total_seconds())


def test_small_ones_are_made_beside_a_large_one_and_nothing_else_is(shop: Shop, database_url: str) -> None:
    large = shop.ask(form="h5ad", samples=2_001)
    small, other_large = shop.ask(samples=2_000), shop.ask(ArtifactKind.SUMMARY, samples=2_001)
    with workshop(database_url, shop.storage_url, Endless(Place(shop.storage_url, Credentials()))):
        wait_until(lambda: is_ready(shop, small), PATIENCE)
        assert (shop.look(large).state, shop.look(other_large).state) == ("running", "queued")
    assert (shop.look(large).state, shop.look(large).attempts) == ("queued", 0)


def test_small_ones_are_made_in_one_process_after_the_other(shop: Shop, database_url: str) -> None:
    """While nothing large is made, a second process would take memory and time to start for nothing."""
    first = shop.ask(samples=2_000)
    with workshop(database_url, shop.storage_url, Endless(Place(shop.storage_url, Credentials()))):
        wait_until(lambda: shop.look(first).state == "running", PATIENCE)
        second = shop.ask(ArtifactKind.SUMMARY)
        time.sleep(1.5)  # longer than anybody waits before looking again
        assert shop.look(second).state == "queued"


def test_a_workshop_that_ends_gives_back_what_it_holds(shop: Shop, database_url: str) -> None:
    artifact_id = shop.ask()
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: shop.look(artifact_id).state != "queued", PATIENCE)
    left = shop.look(artifact_id)
    assert (left.state, left.attempts, left.owner) in {("queued", 0, None), ("ready", 1, None)}


def test_a_process_that_is_killed_is_an_attempt_that_failed(
    shop: Shop, database_url: str, tmp_path: Path
) -> None:
    shop.ask()
    artifact = take(shop)
    assert artifact is not None
    order = asyncio.run(order_for(database_url, artifact))
    bench = Bench(Place(shop.storage_url, Credentials()))
    part = tmp_path / "objects" / order.parts[0].key
    whole = part.read_bytes()
    part.unlink()
    os.mkfifo(part)  # whoever reads it waits for somebody who writes: it is killed before it is done
    try:
        bench.order(order)
        (child,) = [each for each in psutil.Process().children() if "worker.artifacts" in each.cmdline()]
        child.kill()
        said = hear(bench)
        assert said.again
        assert "memory" in (said.error or "")
        part.unlink()
        part.write_bytes(whole)
        bench.order(order)  # the next one has a process of its own
        assert hear(bench).error is None
    finally:
        bench.end()


def hear(bench: Bench) -> Outcome:
    said: Outcome | Progress | None = None
    while not isinstance(said, Outcome):
        said = bench.hear(MINUTE)
    return said


def test_one_whose_result_is_deleted_once_it_is_taken_is_let_go_of(shop: Shop, database_url: str) -> None:
    """The row is gone with the commit that takes it; whoever took it goes on with the next."""
    gone, next_one = shop.ask(ArtifactKind.SUMMARY), shop.ask()
    with transaction(shop.engine) as session:
        session.execute(text(_DELETED_ONCE_TAKEN.format(gone)))
    with capture_logs() as logged, workshop(database_url, shop.storage_url):
        wait_until(lambda: is_ready(shop, next_one), PATIENCE)
    events = [line["event"] for line in logged]
    assert "artifact.gone" in events
    assert "artifacts.interrupted" not in events


_DELETED_ONCE_TAKEN = """
CREATE FUNCTION delete_taken() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN DELETE FROM artifacts WHERE id = NEW.id; RETURN NULL; END';
CREATE TRIGGER deleted_once_taken AFTER UPDATE ON artifacts FOR EACH ROW WHEN (NEW.id = '{}')
    EXECUTE FUNCTION delete_taken()
"""


def test_a_result_that_expires_takes_its_artifacts_with_it(shop: Shop, database_url: str) -> None:
    artifact_id = shop.ask()
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: is_ready(shop, artifact_id), PATIENCE)
    with transaction(shop.engine) as session:
        session.execute(text("UPDATE jobs SET expires_at = now() - interval '1 s'"))
    assert expire_results(shop.engine, shop.storage) == 1
    assert shop.storage.keys(RESULTS) == []
    with transaction(shop.engine) as session:
        assert session.scalars(statements.all_of_job(shop.job_id)).all() == []


def test_the_sweep_leaves_what_rows_name_and_removes_what_a_late_maker_left(
    shop: Shop, database_url: str
) -> None:
    artifact_id = shop.ask()
    with workshop(database_url, shop.storage_url):
        wait_until(lambda: is_ready(shop, artifact_id), PATIENCE)
    made = shop.look(artifact_id)
    stray = f"{RESULTS}/{shop.job_id}/artifact-{uuid4()}-1.h5ad"
    shop.storage.put(stray, b"left behind")
    sweep_results(shop.engine, shop.storage, GONE)
    left = shop.storage.keys(RESULTS)
    assert stray not in left
    assert {made.key, made.request["genes"]} <= set(left)


def test_the_upkeep_worker_makes_artifacts_and_leaves_no_process_behind_when_killed(
    shop: Shop, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    artifact_id = shop.ask(ArtifactKind.SUMMARY)
    environment = environment_of(database_url, redis_url, tmp_path)
    with upkeep_worker(environment, tmp_path / "upkeep.log") as process:
        wait_until(lambda: is_ready(shop, artifact_id), PATIENCE)
        children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in children), PATIENCE)
