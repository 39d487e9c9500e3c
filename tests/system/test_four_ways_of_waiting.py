"""Plain polls, long polls, event streams and a submit that waits tell one story, from two API processes."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.models import LIVER
from tests.system.chaos.holding import Held, held, stopped
from tests.system.chaos.stage import QUICK, WORKERS, Plan, Stage, running_stage

SAMPLES, SEEN_BEFORE_SWITCH = 2_000, 5
# Small batches: an event for each chunk.
SETTINGS = {**QUICK, "GENEQUEUE_BATCH_SAMPLES": "40"}
QUERY = {
    "sampling_strategy": "mean estimation",
    "seed": 4,
    "inputs": [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": SAMPLES}],
}
FINAL = "query.ready"
BEFORE_THE_FIRST_CHUNK = 2  # events: it was queued, it runs


@dataclass(frozen=True)
class Known:
    """What an answer says of the query: the number of its newest event, its state, the samples done."""

    number: int
    state: str
    done: int

    @classmethod
    def of(cls, answer: httpx.Response) -> Known:
        """The state that a poll gave."""
        body = answer.json()
        number = int(answer.headers["etag"].strip('W/"'))
        return cls(number, body["status"], body["progress"]["samples_done"])


def told_by(events: list[dict[str, Any]]) -> dict[int, Known]:
    """What is known after each event, by its number, from nothing but the events."""
    known, state, done = {}, "", 0
    for event in events:
        kind = event["kind"].removeprefix("query.")
        state, done = state if kind == "progress" else kind, event.get("samples_done", done)
        known[event["number"]] = Known(event["number"], state, done)
    return known


@dataclass
class Follower:
    """Asks about one query at one of two addresses; at the other where that does not answer."""

    urls: tuple[str, ...]
    key: str
    job_id: str = ""
    at: int = 0
    cuts: int = 0
    newest: int = 0
    polled: list[int] = field(default_factory=list)

    def ask(self, path: str = "", **headers: str) -> httpx.Response:
        """A GET of the query, again at the other address where the connection is cut."""
        while True:
            try:
                return httpx.get(self._url(path), headers=self._headers(headers), timeout=90)
            except httpx.TransportError:
                self._go_to_the_other()

    def knows(self, answer: httpx.Response) -> Known:
        """The state that an answer tells."""
        known = Known.of(answer)
        self.newest = max(self.newest, known.number)
        return known

    def polls(self) -> list[Known]:
        """Every state that plain polls see."""
        seen = [self.knows(self.ask())]
        while seen[-1].state != "ready":
            time.sleep(0.05)
            seen.append(self.knows(self.ask()))
        return seen

    def short_answers(self) -> list[str]:
        """Every word that the public clients' polls see."""
        seen = [self.ask("/status").json()["status"]]
        self.newest = 1
        while seen[-1] != "ready":
            time.sleep(0.05)
            seen.append(self.ask("/status").json()["status"])
        return seen

    def long_polls(self, known: Known | None = None, most: int = 1_000_000) -> list[Known]:
        """The states that long polls see, each asked for what comes after the one before."""
        seen = [known or self.knows(self.ask())]
        while seen[-1].state != "ready" and len(seen) <= most:
            answer = self.ask("?wait=20", **{"If-None-Match": f'W/"{seen[-1].number}"'})
            if answer.status_code == httpx.codes.OK:
                seen.append(self.knows(answer))
        return seen

    def stream(self, after: int) -> Iterator[dict[str, Any]]:
        """The events behind a number, from one connection, until it ends or is cut."""
        headers = self._headers({"Last-Event-ID": str(after)} if after else {})
        try:
            with httpx.stream("GET", self._url("/events"), headers=headers, timeout=90) as answer:
                number, kind = 0, ""
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    number = int(value) if name == "id" else number
                    kind = value if name == "event" else kind
                    if name == "data":
                        assert (number, kind) == (json.loads(value)["number"], json.loads(value)["kind"])
                        self.newest = max(self.newest, number)
                        yield json.loads(value)
        except httpx.TransportError:
            self._go_to_the_other()

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """All events behind a number, from as many connections as it takes."""
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["kind"] != FINAL:
            seen += self.stream(seen[-1]["number"] if seen else after)
        return seen

    def switching(self, interrupt: threading.Event) -> list[dict[str, Any]]:
        """Events; long polls from the last of them; events from there; a process is killed; and so on."""
        seen: list[dict[str, Any]] = []
        for event in self.stream(0):
            seen.append(event)
            if len(seen) == SEEN_BEFORE_SWITCH:
                break
        self.at = 1 - self.at
        polled = self.long_polls(told_by(seen)[seen[-1]["number"]], most=3)
        self.polled = [one.number for one in polled]
        assert self.polled == sorted(set(self.polled))
        # What was polled is a sum of events; they are still to be had, from the last one that was read.
        for event in self.stream(seen[-1]["number"]):
            seen.append(event)
            if event["number"] >= polled[-1].number:
                break
        assert told_by(seen)[polled[-1].number] == polled[-1]
        interrupt.set()
        seen += self.stream(seen[-1]["number"])
        assert seen[-1]["kind"] != FINAL, "the query ended before its process was killed"
        polled = self.long_polls(told_by(seen)[seen[-1]["number"]], most=2)
        seen += self.events(after=seen[-1]["number"])
        assert told_by(seen)[polled[-1].number] == polled[-1]
        return seen

    def _url(self, path: str) -> str:
        return f"{self.urls[self.at]}/api/model-queries/{self.job_id}{path}"

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", **more}

    def _go_to_the_other(self) -> None:
        self.at, self.cuts = 1 - self.at, self.cuts + 1
        time.sleep(0.05)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("four-ways"), Plan(SETTINGS)) as made:
        yield made


def submit(stage: Stage, at: int, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {stage.keys[0]}", "Idempotency-Key": "four-ways", **headers}
    return httpx.post(
        f"{stage.urls[at]}/api/models/gem-1-bulk/predict", json=QUERY, headers=sent, timeout=150
    )


@contextmanager
def begun(stage: Stage) -> Iterator[tuple[str, Held]]:
    """A query of which, in the block, nothing is computed but what is released."""
    with ExitStack() as block:
        with stopped(stage, *WORKERS):
            job_id = submit(stage, 0).json()["modelQueryId"]
            chunks = block.enter_context(held(stage, [job_id]))
        yield job_id, chunks


def let_it_go_on(stage: Stage, chunks: Held, switcher: Follower, over: Callable[[], bool]) -> None:
    """A chunk at a time, the next one once the switcher knows of it."""
    newest = BEFORE_THE_FIRST_CHUNK
    while not over():
        chunks.release()
        newest += 1
        stage.wait(lambda newest=newest: over() or switcher.newest >= newest)  # type: ignore[misc]


def submit_until_it_ended(stage: Stage) -> httpx.Response:
    """The answer of a submit that waits, from which one learns that it is ready."""
    while (answer := submit(stage, 0, Prefer="wait=60")).status_code == httpx.codes.ACCEPTED:
        pass
    return answer


def test_four_ways_of_waiting_agree_and_switching_between_them_loses_nothing(stage: Stage) -> None:
    """The switcher reads from the second process when that is killed; others ask the first, or both."""
    interrupt, followers = threading.Event(), list[Follower]()

    def follower(at: int) -> Follower:
        followers.append(Follower(stage.urls, stage.keys[0], job_id, at))
        return followers[-1]

    with ThreadPoolExecutor(9) as pool:
        with begun(stage) as (job_id, chunks):
            switcher, cut = follower(0), follower(1)
            polls = [pool.submit(follower(at).polls) for at in (0, 1)]
            words = pool.submit(follower(1).short_answers)
            long_polls = [pool.submit(follower(at).long_polls) for at in (0, 1)]
            streams = [pool.submit(follower(0).events), pool.submit(cut.events)]
            switched = pool.submit(switcher.switching, interrupt)
            let_it_go_on(stage, chunks, switcher, lambda: interrupt.is_set() or switched.done())
            stage.wait(lambda: all(one.newest for one in followers))
            stage.child("api-2").send(signal.SIGKILL)
            stage.child("api-2").end()
            awaited = pool.submit(submit_until_it_ended, stage)
        everybody: list[Future[Any]] = [*polls, words, *long_polls, *streams, switched, awaited]
        stage.wait(lambda: all(map(Future.done, everybody)))
    events = follower(0).ask("/events", Accept="application/json").json()["events"]
    story = told_by([{**event, **event["data"]} for event in events])
    last = Known(len(events), "ready", SAMPLES)

    assert list(story) == list(range(1, len(events) + 1))
    assert story[len(events)] == last
    for stream in (*streams, switched):
        assert told_by(stream.result()) == story
        assert [event["number"] for event in stream.result()] == list(story)
    for asked in (*polls, *long_polls):
        assert all(one == story[one.number] for one in asked.result())
        numbers = [one.number for one in asked.result()]
        assert numbers == sorted(numbers)
        assert asked.result()[-1] == last
    spoken = list(dict.fromkeys(words.result()))
    assert spoken in (["queued", "running", "ready"], ["running", "ready"])
    answer = awaited.result()
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")
    assert (answer.json()["status"], answer.json()["id"]) == ("ready", job_id)
    assert answer.json()["progress"]["samples_done"] == SAMPLES

    assert switcher.cuts >= 1 <= cut.cuts, "the process was killed under those who read from it"
    assert SEEN_BEFORE_SWITCH < switcher.polled[-1] < len(events)
