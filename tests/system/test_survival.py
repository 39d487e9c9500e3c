"""What is killed in the middle of a job changes nothing: it ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import psycopg

from cli.machine.folder import DataFolder
from genequeue.client import Client
from shared.jobs.states import ChunkState
from tests.support.machine import Machine, running_machine
from tests.support.processes import wait_until

SAMPLES = 5_000
QUERY: dict[str, Any] = {
    "sampling_strategy": "sample generation",
    "seed": 5,
    "inputs": [
        {"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": SAMPLES - 1},
        {"metadata": {"tissue_ontology_id": "UBERON:0000948"}, "num_samples": 1},
    ],
}
# Small chunks, so that there is a middle to be killed in.
CHUNKS = {
    "GENEQUEUE_SAMPLES_PER_CHUNK": "250",
    "GENEQUEUE_BATCH_SAMPLES": "250",
    "GENEQUEUE_SWEEP_INTERVAL": "PT0.5S",
}
MOST_TRIES = 5


def submit(client: Client, query: dict[str, Any] = QUERY) -> str:
    return str(client.post("/api/models/gem-1-bulk/predict", query)["modelQueryId"])


def freeze_in_the_middle(machine: Machine, client: Client) -> str:
    """A job of which something is done and something in hand; its worker stands still.

    A job that was in its last batch by then, or over, is followed by another.
    """
    for _ in range(MOST_TRIES):
        job_id = submit(client)
        for state in client.query(job_id).watch(every=0.05):
            if state["progress"]["samples_done"] > 0:
                break
        worker = machine.kill("generation", signal.SIGSTOP)
        if is_in_the_middle(machine, job_id):
            return job_id
        os.kill(worker, signal.SIGCONT)
        finish(client, job_id)
    raise AssertionError("each of the jobs ended before it could be disturbed")


def is_in_the_middle(machine: Machine, job_id: str) -> bool:
    statement = "SELECT state FROM chunks WHERE job_id = %s"
    with psycopg.connect(DataFolder(machine.data_dir).read_state().database_url) as database:
        states = {state for (state,) in database.execute(statement, [job_id])}
    return states >= {ChunkState.RUNNING, ChunkState.QUEUED}


def stop(machine: Machine, worker: int) -> None:
    """Stop it with SIGTERM; the generation worker stands still until it was told."""
    upkeep = psutil.Process(machine.processes["upkeep"])
    machine.child.ask_to_stop()
    wait_until(lambda: has_ended(upkeep))  # both workers are told together
    os.kill(worker, signal.SIGCONT)
    machine.stop()


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def finish(client: Client, job_id: str) -> dict[str, Any]:
    *_, last = client.query(job_id).watch()
    assert last["status"] == "ready", last
    return last


def parts(machine: Machine, job_id: str) -> dict[int, set[bytes]]:
    """The stored parts by position; a dead worker's attempt may have left a second one."""
    found: dict[int, set[bytes]] = {}
    for path in (machine.data_dir / "objects" / "results" / job_id).glob("part-*.parquet"):
        found.setdefault(int(path.name.split("-")[1]), set()).add(path.read_bytes())
    return found


def test_kill_9_of_the_generation_worker_changes_no_byte(tmp_path: Path) -> None:
    with running_machine(tmp_path, **CHUNKS) as machine:
        client = Client(machine.url, machine.key)
        undisturbed = submit(client)
        finish(client, undisturbed)
        disturbed = freeze_in_the_middle(machine, client)
        killed = machine.kill("generation")
        finish(client, disturbed)
        assert machine.wait_for_new("generation", killed) != killed
        wanted, got = parts(machine, undisturbed), parts(machine, disturbed)
        assert len(wanted) == SAMPLES // 250
        assert got == wanted


def test_a_machine_that_is_stopped_and_started_finishes_what_was_half_done(tmp_path: Path) -> None:
    with running_machine(tmp_path, **CHUNKS) as machine:
        client = Client(machine.url, machine.key)
        job_id, key = freeze_in_the_middle(machine, client), machine.key
        stop(machine, machine.processes["generation"])
    *_, drained = re.findall(r'"samples": (\d+), "event": "generation.drained"', machine.log("generation"))
    assert int(drained) < SAMPLES, "the worker was asked to stop, and went on to the end"
    with running_machine(tmp_path, **CHUNKS) as machine:
        client = Client(machine.url, key)
        finish(client, job_id)
        again = submit(client)
        finish(client, again)
        assert parts(machine, job_id) == parts(machine, again)


def test_other_chunk_and_batch_sizes_give_equal_frames(machine: Machine, tmp_path: Path) -> None:
    query = {**QUERY, "inputs": [{**QUERY["inputs"][0], "num_samples": 23}, QUERY["inputs"][1]]}

    def outputs(at: Machine) -> Any:
        client = Client(at.url, at.key)
        job_id = submit(client, query)
        finish(client, job_id)
        return client.get(f"/api/model-queries/{job_id}/result", format="json")["outputs"]

    small = {"GENEQUEUE_SAMPLES_PER_CHUNK": "7", "GENEQUEUE_BATCH_SAMPLES": "10"}
    with running_machine(tmp_path, **small) as other:
        assert outputs(machine) == outputs(other)
