"""Far more queries than can be generated: submits are refused for a while, and nothing else ever is."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
from sqlalchemy import text

from shared.database.engines import transaction
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, query_of

LABS, OFFERED, ASKED = 5, 120, 4
TIMES = 10  # so many queries come for each one that is generated
BOUND_OF_ONE, BOUND_OF_ALL = 6, 20
# Figures of the gate are half a second old at most; what is taken meanwhile comes on top.
SLACK = 10


def number_of(api: Service, statement: str) -> int:
    with transaction(api.engine) as session:
        return int(session.execute(text(statement)).scalar_one())


def open_samples(api: Service) -> int:
    return number_of(
        api, "SELECT coalesce(sum(num_samples), 0) FROM chunks WHERE state IN ('queued', 'running')"
    )


def until(over: threading.Event, ask: Callable[[], httpx.Response], answers: list[httpx.Response]) -> None:
    """Ask a question again and again, and note the answers."""
    answers.append(ask())
    while not over.wait(0.1):
        answers.append(ask())


def test_ten_times_the_capacity_is_refused_on_submit_only_and_what_was_taken_is_done(serve: Serve) -> None:
    """One laboratory sends three times as much as any other: it meets its own bound, others that of all."""
    with (
        serve(workspace_samples=BOUND_OF_ONE, service_samples=BOUND_OF_ALL) as api,
        ThreadPoolExecutor(LABS + 6) as pool,
    ):
        done, over, left, most = api.finished(1), threading.Event(), itertools.count(), 0
        keys = [api.new_key(f"lab-{number}") for number in range(LABS)]
        own = api.new_key("patient")
        cancelled = UUID(api.predict(query_of(1), key=own).json()["modelQueryId"])
        route, link = f"/api/model-queries/{done}", api.download_url(done)
        end = f"/api/model-queries/{cancelled}/cancel"
        assert api.call("POST", end, key=own).status_code == 200, "before anybody works on it"
        offered: list[httpx.Response] = []

        questions: list[Callable[[], httpx.Response]] = [
            lambda: api.get(f"{route}/status"),
            lambda: api.get(route),
            lambda: calls.get(link),
            lambda: api.call("POST", end, key=own),
        ]
        answered: list[list[httpx.Response]] = [[] for _ in questions]
        asked = [pool.submit(until, over, *each) for each in zip(questions, answered, strict=True)]

        def submit(key: str) -> None:
            # Until each question has been asked some times.
            while not over.is_set() and (next(left) < OFFERED or min(map(len, answered)) < ASKED):
                offered.append(api.predict(query_of(1), key=key))

        submits = [pool.submit(submit, key) for key in (keys[0], keys[0], *keys)]
        generated = 0
        try:
            while not all(one.done() for one in submits) and not any(one.done() for one in asked):
                time.sleep(0.02)
                for chunk in api.completer.claim(1) if len(offered) >= TIMES * (generated + 1) else ():
                    api.completer.complete(chunk)
                    generated += 1
                most = max(most, open_samples(api))
        finally:
            over.set()
        met = Counter(answer.status_code for answer in offered)
        for one in (*submits, *asked):
            one.result()
        assert {answer.status_code for answers in answered for answer in answers} == {200}
        assert set(met) == {202, 429, 503}, met
        assert {
            answer.json()["code"]: int(answer.headers["retry-after"]) > 0
            for answer in offered
            if answer.status_code != 202
        } == {"workspace_full": True, "service_full": True}
        assert met[202] <= BOUND_OF_ALL + SLACK + generated
        assert most <= BOUND_OF_ALL + SLACK
        api.completer.run_all()
        accepted = {answer.json()["modelQueryId"] for answer in offered if answer.status_code == 202}
        assert len(accepted) == met[202]
        assert number_of(api, "SELECT count(*) FROM jobs WHERE state = 'ready'") == met[202] + 1
        assert number_of(api, "SELECT count(*) FROM jobs") == met[202] + 2
