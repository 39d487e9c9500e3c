"""What is killed in the middle of a job changes nothing: it ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from genequeue.client import Client
from tests.support.machine import Machine, running_machine

SAMPLES = 5_000
QUERY: dict[str, Any] = {
    "sampling_strategy": "sample generation",
    "seed": 5,
    "inputs": [
        {"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": SAMPLES - 1},
        {"metadata": {"tissue_ontology_id": "UBERON:0000948"}, "num_samples": 1},
    ],
}
# Small chunks, so that there is a middle to be killed in; and short leases, since somebody is.
CHUNKS = {
    "GENEQUEUE_SAMPLES_PER_CHUNK": "250",
    "GENEQUEUE_BATCH_SAMPLES": "250",
    "GENEQUEUE_LEASE": "PT3S",
    "GENEQUEUE_HEARTBEAT": "PT0.6S",
    "GENEQUEUE_SWEEP_INTERVAL": "PT0.5S",
}


def submit(client: Client, query: dict[str, Any] = QUERY) -> str:
    return str(client.post("/api/models/gem-1-bulk/predict", query)["modelQueryId"])


def wait_until_begun(client: Client, job_id: str) -> None:
    for state in client.query(job_id).watch(every=0.05):
        if state["progress"]["samples_done"] > 0:
            assert state["status"] == "running", "the job ended before it could be disturbed"
            return


def stop_in_the_middle(machine: Machine) -> None:
    """Stop it with SIGTERM; the generation worker is frozen until it was told, or it might be done before."""
    upkeep = psutil.Process(machine.processes["upkeep"])
    worker = machine.kill("generation", signal.SIGSTOP)
    machine.child.ask_to_stop()
    while not has_ended(upkeep):  # both workers are told together
        time.sleep(0.05)
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


@pytest.mark.timeout(180)
def test_kill_9_of_the_generation_worker_changes_no_byte(tmp_path: Path) -> None:
    with running_machine(tmp_path, **CHUNKS) as machine:
        client = Client(machine.url, machine.key)
        undisturbed = submit(client)
        finish(client, undisturbed)
        disturbed = submit(client)
        wait_until_begun(client, disturbed)
        killed = machine.kill("generation")
        finish(client, disturbed)
        assert machine.wait_for_new("generation", killed) != killed
        wanted, got = parts(machine, undisturbed), parts(machine, disturbed)
        assert len(wanted) == SAMPLES // 250
        assert got == wanted


@pytest.mark.timeout(180)
def test_a_machine_that_is_stopped_and_started_finishes_what_was_half_done(tmp_path: Path) -> None:
    with running_machine(tmp_path, **CHUNKS) as machine:
        client = Client(machine.url, machine.key)
        job_id = submit(client)
        wait_until_begun(client, job_id)
        key = machine.key
        stop_in_the_middle(machine)
    drained = re.findall(r'"samples": (\d+), "event": "generation.drained"', machine.log("generation"))
    assert sum(map(int, drained)) < SAMPLES, "the worker was asked to stop, and went on to the end"
    with running_machine(tmp_path, **CHUNKS) as machine:
        client = Client(machine.url, key)
        began = time.monotonic()
        finish(client, job_id)
        assert time.monotonic() - began < 120
        again = submit(client)
        finish(client, again)
        assert parts(machine, job_id) == parts(machine, again)


@pytest.mark.timeout(180)
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
