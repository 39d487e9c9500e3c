"""One search for a request id finds what every process said about it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from genequeue.client import Client
from tests.support.machine import Machine

QUERY: dict[str, Any] = {
    "sampling_strategy": "mean estimation",
    "inputs": [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 4}],
}


def lines(machine: Machine, process: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in machine.log(process).splitlines() if line.startswith("{")]


def submit(machine: Machine, request_id: str) -> str:
    headers = {"Authorization": f"Bearer {machine.key}", "X-Request-ID": request_id}
    answer = httpx.post(f"{machine.url}/api/models/gem-1-bulk/predict", json=QUERY, headers=headers)
    job = str(answer.raise_for_status().json()["modelQueryId"])
    *_, last = Client(machine.url, machine.key).query(job).watch()
    assert last["status"] == "ready", last
    return job


def test_a_request_can_be_followed_from_its_submit_to_its_last_chunk(machine: Machine) -> None:
    request_id = f"trace-{uuid4().hex}"
    job = submit(machine, request_id)
    (submitted,) = [line for line in lines(machine, "api") if line.get("request_id") == request_id]
    assert (submitted["event"], submitted["job"], submitted["status"]) == ("request", job, 202)
    polls = [line for line in lines(machine, "api") if line.get("job") == job and line["method"] == "GET"]
    assert polls, "a poll carries the id of its job"
    worked = [line for line in lines(machine, "generation") if line.get("job") == job]
    assert {line["event"] for line in worked} == {"batch.claimed", "chunk.done"}
    assert {line["request_id"] for line in worked} == {request_id}


def test_every_line_of_a_process_of_ours_is_json_with_a_time_a_level_and_a_name(machine: Machine) -> None:
    for process, name in (("api", "api"), ("generation", "gpu"), ("upkeep", "cpu")):
        said = machine.log(process).splitlines()
        assert said, process
        for line in map(json.loads, said):
            assert line["process"] == name
            assert line.keys() >= {"event", "level", "timestamp"}, line


def test_every_line_about_a_chunk_carries_its_ids(machine: Machine) -> None:
    submit(machine, f"trace-{uuid4().hex}")
    about = [line for line in lines(machine, "generation") if line["event"].startswith(("chunk.", "lease."))]
    assert about
    for line in about:
        assert line.keys() >= {"job", "request_id", "chunk", "attempt", "model", "version"}, line
