"""Connections that are cut at any byte: a short download is noticed, an event stream has no gap."""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest

from api.services.results import read_part
from cli.events import follow_events
from genequeue.client import Client, RequestFailed
from shared.errors import ResultDamaged
from shared.results.stored import PartRef
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service
from tests.support.cutting import CuttingRelay, cutting
from tests.support.jobs import read_chunks, read_events, read_job

ARROW = "application/vnd.apache.arrow.stream"
FORMS = {
    "JSON": {"Accept": "application/json", "Accept-Encoding": "identity"},
    "JSON in gzip": {"Accept": "application/json", "Accept-Encoding": "gzip"},
    "Arrow": {"Accept": ARROW},
}


@pytest.fixture
def relay(api: Service) -> Iterator[CuttingRelay]:
    with cutting(api.url) as made:
        yield made


def fetch(api: Service, relay: CuttingRelay, path: str, headers: dict[str, str]) -> httpx.Response:
    """One GET over the relay, and nothing else on its connection."""
    sent = {"Authorization": f"Bearer {api.key}", "Connection": "close", **headers}
    return calls.get(relay.url + path, headers=sent)


def places(size: int, begin: int) -> list[int]:
    """Where to cut an answer of `size` bytes whose body begins before `begin`: edges, and by chance."""
    chance = random.Random(11)
    return [begin, begin + 1, size - 8, size - 6, size - 5, size - 1] + [
        chance.randrange(begin, size) for _ in range(8)
    ]


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
@pytest.mark.parametrize("form", FORMS)
def test_a_download_that_is_cut_at_any_byte_is_an_error_of_its_reader(
    api: Service, relay: CuttingRelay, form: str, reset: bool
) -> None:
    path = f"/api/model-queries/{api.finished(40)}/result"
    whole = fetch(api, relay, path, FORMS[form])
    assert (whole.status_code, len(rows_of(whole))) == (200, 40)
    assert whole.headers["transfer-encoding"] == "chunked", "its end is marked, so a missing one is seen"
    size = relay.carried
    relay.reset = reset
    for cut in places(size, begin=600):
        relay.most = cut
        with pytest.raises(httpx.TransportError):
            fetch(api, relay, path, FORMS[form])


def rows_of(answer: httpx.Response) -> list[list[int]]:
    if answer.headers["content-type"] == ARROW:
        found: list[list[int]] = (
            pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().column("counts").to_pylist()
        )
        return found
    return [output["counts"] for output in answer.json()["outputs"]]


def test_a_signed_download_that_is_cut_is_an_error_too(api: Service, relay: CuttingRelay) -> None:
    link = api.download_url(api.finished(9)).removeprefix(api.url)
    whole = fetch(api, relay, link, FORMS["JSON"])
    assert len(whole.json()["outputs"]) == 9
    for cut in places(relay.carried, begin=600):
        relay.most = cut
        with pytest.raises(httpx.TransportError):
            fetch(api, relay, link, FORMS["JSON"])


def test_the_command_says_so_and_does_not_read_a_short_result(api: Service, relay: CuttingRelay) -> None:
    path = f"/api/model-queries/{api.finished(9)}/result"
    relay.most = 2_000
    client = Client(relay.url, api.key)
    with pytest.raises(RequestFailed, match="does not answer"), client.stream(path, ARROW) as answer:
        answer.read()


def test_a_stored_part_that_is_short_by_any_number_of_bytes_is_refused(api: Service) -> None:
    job_id = api.finished(4)
    (chunk,) = read_chunks(api.engine, job_id)
    part = PartRef.of(chunk)
    data = api.storage.get(part.key)
    assert hashlib.sha256(data).hexdigest() == part.sha256
    for kept in (0, 1, len(data) // 2, len(data) - 1):
        api.storage.put(part.key, data[:kept])
        with pytest.raises(ResultDamaged, match="was changed"):
            read_part(api.storage, part)


def events_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_events_over_a_connection_that_is_cut_again_and_again_have_no_gap_and_no_double(
    api: Service, relay: CuttingRelay
) -> None:
    """The stream is cut some hundred bytes after it began, so that each connection brings an event or two."""
    api.completer.run_all()
    job_id = api.submit(*[4] * 12)
    for chunk in api.completer.claim(100):
        api.completer.complete(chunk)
    relay.most = 700
    connections, numbers = 0, list[int]()
    while not numbers or numbers[-1] < read_job(api.engine, job_id).events:
        connections += 1
        numbers += cut_stream(api, relay, job_id, numbers[-1] if numbers else 0)
    assert numbers == [event.number for event in read_events(api.engine, job_id)] == list(range(1, 16))
    assert connections > 5


def cut_stream(api: Service, relay: CuttingRelay, job_id: UUID, after: int) -> list[int]:
    """The numbers of the events that arrived whole before the connection was cut."""
    headers = {"Authorization": f"Bearer {api.key}", "Last-Event-ID": str(after)}
    text = ""
    try:
        with calls.stream("GET", f"{relay.url}/api/model-queries/{job_id}/events", headers=headers) as answer:
            for piece in answer.iter_text():
                text += piece
    except httpx.TransportError:
        pass
    whole = text[: text.rfind("\n\n") + 2]
    return [event["number"] for event in events_in(iter(whole.splitlines()))]


def test_the_command_follows_events_over_cuts_without_a_gap(api: Service, relay: CuttingRelay) -> None:
    job_id = api.submit(4, 4)
    api.completer.run_all()
    relay.most = 700
    seen = [event["number"] for event in follow_events(Client(relay.url, api.key), str(job_id))]
    assert seen == list(range(1, read_job(api.engine, job_id).events + 1))


def test_a_stream_in_which_nothing_happens_says_that_it_is_there(serve: Serve) -> None:
    with serve(event_silence="PT0.3S") as api:
        job_id = api.submit(4)
        headers = {"Authorization": f"Bearer {api.key}"}
        url = f"{api.url}/api/model-queries/{job_id}/events"
        comments, began = 0, time.monotonic()
        with calls.stream("GET", url, headers=headers) as answer:
            assert answer.headers["x-accel-buffering"] == "no"
            assert answer.headers["cache-control"] == "no-store"
            for line in answer.iter_lines():
                comments += line.startswith(":")
                if comments == 4:
                    break
        assert time.monotonic() - began < 30, "the usual silence between them would take 45"


def test_the_usual_silence_is_fifteen_seconds(api: Service) -> None:
    assert api.settings.event_silence.total_seconds() == 15
