"""A GET that meets a database that is away is asked again until it answers or patience ends."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from fastapi import FastAPI

from api.errors import install_error_handlers
from api.middleware import Patience, RequestContext
from shared.errors import DatabaseUnavailable, StorageUnavailable
from tests.support.asgi import ask


class Flaky:
    """Fails a number of times, then answers."""

    def __init__(self, failures: int, error: type[Exception] = DatabaseUnavailable) -> None:
        self.left, self.error, self.asked = failures, error, 0

    def app(self, patience: float = 5) -> FastAPI:
        app = FastAPI()
        install_error_handlers(app)
        app.add_middleware(Patience, timedelta(seconds=patience))
        app.add_middleware(RequestContext)
        app.add_api_route("/thing", self.answer, methods=["GET", "POST"])
        return app

    async def answer(self) -> str:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise self.error("away")
        return "here"


def test_a_read_rides_out_a_database_that_comes_back() -> None:
    flaky = Flaky(3)
    answer = ask(flaky.app(), "GET", "/thing")
    assert (answer.status_code, answer.json(), flaky.asked) == (200, "here", 4)


def test_patience_ends_with_the_one_error_body() -> None:
    began = time.monotonic()
    answer = ask(Flaky(10_000).app(patience=0.3), "GET", "/thing")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"]
    assert 0.1 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("method", "error"), [("POST", DatabaseUnavailable), ("GET", StorageUnavailable)], ids=["POST", "storage"]
)
def test_a_write_and_any_other_trouble_are_answered_at_once(method: str, error: type[Exception]) -> None:
    flaky = Flaky(1, error)
    assert ask(flaky.app(), method, "/thing").status_code == 503
    assert flaky.asked == 1
