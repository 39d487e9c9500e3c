"""One search for a request id finds what every process said about it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from genequeue.client import Client
from tests.support.machine import Machine
from tests.support.processes import wait_until

QUERY: dict[str, Any] = {
    "sampling_strategy": "mean estimation",
    "inputs": [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 4}],
}


def about(machine: Machine, process: str, **said: object) -> list[dict[str, Any]]:
    """The lines that say these things."""
    return [line for line in machine.lines(process) if said.items() <= line.items()]


def submit(machine: Machine, request_id: str) -> str:
    headers = {"Authorization": f"Bearer {machine.key}", "X-Request-ID": request_id}
    url = f"{machine.url}/api/models/gem-1-bulk/predict"
    answer = httpx.post(url, json=QUERY, headers=headers, timeout=60)
    job = str(answer.raise_for_status().json()["modelQueryId"])
    *_, last = Client(machine.url, machine.key).query(job).watch()
    assert last["status"] == "ready", last
    return job


def test_a_request_can_be_followed_from_its_submit_to_its_last_chunk(machine: Machine) -> None:
    request_id = f"trace-{uuid4().hex}"
    job = submit(machine, request_id)
    # What is done may be seen before its line is written.
    wait_until(lambda: about(machine, "api", request_id=request_id) != [])
    (submitted,) = about(machine, "api", request_id=request_id)
    assert (submitted["event"], submitted["job"], submitted["status"]) == ("request", job, 202)
    wait_until(lambda: about(machine, "api", job=job, method="GET") != [])
    wait_until(lambda: about(machine, "generation", job=job, event="chunk.done") != [])
    worked = about(machine, "generation", job=job)
    assert {line["event"] for line in worked} == {"batch.claimed", "chunk.done"}
    assert {line["request_id"] for line in worked} == {request_id}


def test_every_line_of_a_process_of_ours_is_json_with_a_time_a_level_and_a_name(machine: Machine) -> None:
    for process, name in (("api", "api"), ("generation", "gpu"), ("upkeep", "cpu")):
        *said, _ = machine.log(process).split("\n")
        assert said, process
        for line in map(json.loads, said):
            assert line["process"] == name
            assert line.keys() >= {"event", "level", "timestamp"}, line


def test_every_line_about_a_chunk_carries_its_ids(machine: Machine) -> None:
    job = submit(machine, f"trace-{uuid4().hex}")
    wait_until(lambda: about(machine, "generation", job=job, event="chunk.done") != [])
    said = [line for line in machine.lines("generation") if line["event"].startswith(("chunk.", "lease."))]
    for line in said:
        assert line.keys() >= {"job", "request_id", "chunk", "attempt", "model", "version"}, line
