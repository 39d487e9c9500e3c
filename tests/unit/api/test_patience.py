"""A request that meets a database that is away is made again until it is answered or patience ends."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from fastapi import FastAPI, Request

from api.errors import install_error_handlers
from api.middleware import Patience, RequestContext
from api.services.respite import Respite
from shared.database.engines import SLOWEST_REFUSAL
from shared.errors import DatabaseUnavailable, OutcomeUnknown, StorageUnavailable
from tests.support.asgi import ask


class Flaky:
    """Fails a number of times, then answers; a POST to /body reads its body first."""

    def __init__(self, failures: int, error: type[Exception] = DatabaseUnavailable) -> None:
        self.left, self.error, self.asked = failures, error, 0

    def app(self, patience: float = 60) -> FastAPI:
        app = FastAPI()
        install_error_handlers(app)
        app.add_middleware(Patience, timedelta(seconds=patience))
        app.add_middleware(RequestContext)
        app.add_api_route("/thing", self.answer, methods=["GET", "POST", "DELETE"])
        app.add_api_route("/body", self.read, methods=["POST"])
        return app

    async def read(self, request: Request) -> str:
        await request.body()
        return await self.answer()

    async def answer(self) -> str:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise self.error("away")
        return "here"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_read_no_body_rides_out_a_database_that_comes_back(method: str) -> None:
    flaky = Flaky(3)
    answer = ask(flaky.app(), method, "/thing")
    assert (answer.status_code, answer.json(), flaky.asked) == (200, "here", 4)


def test_patience_ends_with_the_one_error_body() -> None:
    began, flaky = time.monotonic(), Flaky(10_000)
    answer = ask(flaky.app(patience=0.3), "GET", "/thing")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"]
    assert time.monotonic() - began > 0.1
    assert flaky.asked <= 3, "after pauses of 0.05 and 0.1 s the next one, of 0.2 s, would end too late"


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("POST", "/body", DatabaseUnavailable),
        ("POST", "/thing", OutcomeUnknown),
        ("GET", "/thing", StorageUnavailable),
    ],
    ids=["its body is read", "it may be done", "storage"],
)
def test_what_cannot_be_made_again_and_any_other_trouble_are_answered_at_once(
    method: str, path: str, error: type[Exception]
) -> None:
    flaky = Flaky(1, error)
    answer = ask(flaky.app(), method, path, content=b"{}" if path == "/body" else None)
    assert (answer.status_code, flaky.asked) == (503, 1)
    assert answer.headers["retry-after"]


def test_a_slow_failure_counts_from_its_beginning_and_a_long_poll_only_from_near_its_end() -> None:
    async def granted(seconds_ago: float) -> bool:
        longest = SLOWEST_REFUSAL + timedelta(seconds=1)
        return await Respite(longest).granted(time.monotonic() - seconds_ago)

    assert asyncio.run(granted(SLOWEST_REFUSAL.total_seconds()))
    assert asyncio.run(granted(60))
    assert not asyncio.run(Respite(timedelta(seconds=5)).granted(time.monotonic() - 6))


def test_a_call_is_told_when_it_is_made_again() -> None:
    told: list[bool] = []

    async def ask_twice(again: bool) -> str:
        told.append(again)
        if not again:
            raise DatabaseUnavailable("away")
        return "here"

    async def ride_out() -> str:
        return await Respite(timedelta(seconds=60)).ride_out(ask_twice)

    assert asyncio.run(ride_out()) == "here"
    assert told == [False, True]
