"""Whose turn it is: lanes, workspaces and deadlines in the claim, and what it reads, on a real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql

from shared.database.engines import transaction
from shared.database.queries import claims
from shared.jobs.lanes import Lane, Turn
from tests.support.jobs import save_job
from worker.generation.claim import Claimant, claim

HELD = {"gem-1-bulk": [1], "gem-1-sc": [1]}
BULK = {"lane": str(Lane.BULK)}
PATIENCE = timedelta(minutes=5)


def taken(engine: Engine, batch: int = 1, turn: Turn | None = None) -> list[UUID]:
    """The jobs of the next batch's chunks."""
    claimant = Claimant("worker", lambda: HELD, timedelta(minutes=1), batch)
    return [work.job_id for work in claim(engine, claimant, turn or Turn())]


def test_whoever_waits_at_a_screen_goes_before_a_bulk_job_that_came_earlier(engine: Engine) -> None:
    bulk = save_job(engine, [4], **BULK)
    quick = save_job(engine, [1])
    assert taken(engine) == [quick]
    assert taken(engine) == [bulk]


def test_bulk_fills_the_room_that_the_interactive_lane_leaves_in_a_batch(engine: Engine) -> None:
    bulk, quick = save_job(engine, [2], **BULK), save_job(engine, [1])
    assert taken(engine, batch=8) == [bulk, quick]


def test_every_fourth_claim_of_a_worker_is_the_bulk_lanes_so_that_it_never_starves(engine: Engine) -> None:
    bulk = save_job(engine, [1], **BULK)
    quick = {save_job(engine, [1]) for _ in range(8)}
    order = [taken(engine, turn=Turn.of(number, PATIENCE))[0] for number in range(4)]
    assert order[3] == bulk
    assert set(order[:3]) < quick


def test_bulk_that_waited_long_enough_counts_as_interactive(engine: Engine) -> None:
    old = save_job(engine, [1], **BULK)
    save_job(engine, [1])
    with transaction(engine) as session:
        session.execute(text("UPDATE chunks SET queued_at = now() - interval '6 min' WHERE lane = 'bulk'"))
    assert taken(engine, turn=Turn(Lane.INTERACTIVE, PATIENCE)) == [old]


def test_one_workspace_that_floods_the_queue_does_not_delay_the_next(engine: Engine) -> None:
    """Row 16: B waits for no more than the batch in hand."""
    flood = save_job(engine, [500], per_chunk=5, workspace="a")
    assert set(taken(engine, batch=50)) == {flood}
    single = save_job(engine, [1], workspace="b")
    assert single in taken(engine, batch=50)


def test_workspaces_share_a_batch_evenly(engine: Engine) -> None:
    jobs = {name: save_job(engine, [40], per_chunk=2, workspace=name) for name in "ab"}
    both = taken(engine, batch=16)
    assert {name: both.count(job_id) for name, job_id in jobs.items()} == {"a": 4, "b": 4}


def test_short_jobs_do_not_wait_behind_a_long_one(engine: Engine) -> None:
    """Row 3: what is next is chosen when there is room, and nothing is reserved before."""
    save_job(engine, [200], per_chunk=2)
    taken(engine, batch=8)
    short = {save_job(engine, [1]) for _ in range(10)}
    assert short < {job_id for _ in range(3) for job_id in taken(engine, batch=8)}


def test_a_job_past_its_deadline_is_not_begun(engine: Engine) -> None:
    now = datetime.now(UTC)
    save_job(engine, [1], deadline=now - timedelta(seconds=1))
    due = save_job(engine, [1], deadline=now + timedelta(hours=1))
    assert taken(engine, batch=8) == [due]


def test_a_claim_reads_few_rows_however_many_are_finished_or_queued(engine: Engine) -> None:
    """Row 17: also where most of what is queued is of a model that this worker does not hold."""
    flood = save_job(engine, [1], workspace="flood")
    save_job(engine, [1], workspace="other", **BULK)
    with transaction(engine) as session:
        session.execute(text(_MANY), {"job": flood, "finished": 50_000, "queued": 20_000})
        session.execute(text("ANALYZE chunks"))
        plan = _explained(session.connection())
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in plan if "Relation Name" in node)
    assert read < 1_000
    ways = {node["Node Type"] for node in plan if node.get("Relation Name") == "chunks"}
    assert ways <= {"Index Scan", "Index Only Scan"}
    assert "chunks_to_claim" in {node.get("Index Name") for node in plan}


_MANY = """
INSERT INTO chunks (job_id, workspace_id, model_id, model_version, position, first_sample, num_samples, state,
                    token, part_key)
SELECT id, workspace_id, CASE WHEN n % 2 = 0 THEN model_id ELSE 'unheld' END, model_version, n, n, 1,
       CASE WHEN n <= :finished THEN 'done' ELSE 'queued' END, 1, 'part'
FROM jobs, generate_series(1, :finished + :queued) AS n WHERE id = :job
"""


def _explained(connection: Any) -> list[dict[str, Any]]:
    """Every node of the plan that a claim really ran."""
    statement = claims.claimable(HELD, {0}, 64, Turn()).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    ((plan,),) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}").all()
    nodes, found = [plan[0]["Plan"]], []
    while nodes:
        node = nodes.pop()
        found.append(node)
        nodes.extend(node.get("Plans", ()))
    return found
