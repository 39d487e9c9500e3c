"""What every request passes first: a tidy path, an id, one line in the log."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from fastapi import FastAPI, Request

from api.middleware import CollapseSlashes, RequestContext
from tests.support.asgi import ask


def echoing_app() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    app.add_middleware(CollapseSlashes)
    app.add_middleware(RequestContext)

    @app.api_route("/api/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        structlog.get_logger().info("inside")
        raw_path = request.scope["raw_path"].decode()
        return {"method": request.method, "query": request.url.query, "raw_path": raw_path}

    return app


@pytest.mark.parametrize("path", ["/api/echo", "//api/echo", "///api////echo"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_duplicate_slashes_mean_one_and_the_method_stays(path: str, method: str) -> None:
    answer = ask(echoing_app(), method, f"http://testserver{path}?next=//there")
    assert answer.json() == {"method": method, "query": "next=//there", "raw_path": "/api/echo"}


@pytest.mark.parametrize("sent", ["abc", "3f2e.trace_7:1-x", "a" * 128])
def test_a_sane_request_id_is_kept(sent: str) -> None:
    answer = ask(echoing_app(), "GET", "/api/echo", headers={"X-Request-ID": sent})
    assert answer.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "a" * 129, "two words", "<script>", 'a"b'])
def test_any_other_is_replaced_by_one_of_ours(sent: str) -> None:
    given = ask(echoing_app(), "GET", "/api/echo", headers={"X-Request-ID": sent}).headers["x-request-id"]
    assert given != sent
    assert len(given) == 32


def test_the_id_is_on_every_line_and_the_query_string_on_none() -> None:
    collect = structlog.testing.LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, collect])
    try:
        ask(echoing_app(), "GET", "/api/echo?signature=secret", headers={"X-Request-ID": "trace-7"})
    finally:
        structlog.reset_defaults()
    assert [line["event"] for line in collect.entries] == ["inside", "request"]
    assert {line["request_id"] for line in collect.entries} == {"trace-7"}
    assert (collect.entries[1]["path"], collect.entries[1]["status"]) == ("/api/echo", 200)
    assert "secret" not in str(collect.entries)
