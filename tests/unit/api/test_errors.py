"""From what went wrong to an HTTP answer: one body for everything, and no traceback in it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Query

from api.errors import STATUS_OF, install_error_handlers
from api.middleware import RequestContext
from shared import errors
from shared.errors import (
    BodyTooLarge,
    CheckpointCorrupt,
    DatabaseUnavailable,
    Fault,
    GeneQueueError,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    IllegalTransition,
    InvalidInput,
    JobFailed,
    JobNotFound,
    KeyRejected,
    LinkRejected,
    ModelNotFound,
    OutcomeUnknown,
    QueryRejected,
    ResultGone,
    ResultLate,
    ResultNotReady,
    ServiceFull,
    StorageUnavailable,
    UploadsFull,
    WorkspaceFull,
)
from tests.support.asgi import ask

FAULTS = (Fault("inputs[0].num_samples", "0 is too few."), Fault("seed", "-1 is negative."))
EXPECTED = [
    (InvalidInput("bad"), 400, "invalid_input"),
    (QueryRejected(FAULTS), 422, "query_rejected"),
    (BodyTooLarge("big"), 413, "body_too_large"),
    (KeyRejected("who?"), 401, "key_rejected"),
    (LinkRejected("altered"), 403, "link_rejected"),
    (ModelNotFound("no model"), 404, "model_not_found"),
    (JobNotFound("no job"), 404, "job_not_found"),
    (ResultNotReady("wait"), 409, "result_not_ready"),
    (IdempotencyKeyReused("other"), 422, "idempotency_key_reused"),
    (IdempotencyKeyInUse("wait"), 409, "idempotency_key_in_use"),
    (WorkspaceFull("full"), 429, "workspace_full"),
    (UploadsFull("full"), 429, "uploads_full"),
    (ServiceFull("full"), 503, "service_full"),
    (ResultGone("deleted"), 410, "result_gone"),
    (IllegalTransition("no"), 409, "illegal_transition"),
    (JobFailed("broke"), 500, "job_failed"),
    (ResultLate("late"), 504, "result_late"),
    (CheckpointCorrupt("changed"), 500, "checkpoint_corrupt"),
    (DatabaseUnavailable("away"), 503, "database_unavailable"),
    (OutcomeUnknown("saved or not"), 503, "outcome_unknown"),
]


def app_that_raises(error: Exception) -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestContext)

    @app.get("/broken")
    async def broken() -> None:
        raise error

    @app.get("/wants")
    async def wants(limit: int = Query(ge=1)) -> int:
        return limit

    return app


def answer_to(error: Exception, path: str = "/broken", method: str = "GET") -> httpx.Response:
    return ask(app_that_raises(error), method, path)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.mark.parametrize(("error", "status", "code"), EXPECTED, ids=[case[2] for case in EXPECTED])
def test_each_error_has_its_status_and_a_word_for_programs(
    error: GeneQueueError, status: int, code: str
) -> None:
    answer = answer_to(error)
    assert answer.status_code == status
    body = answer.json()
    assert list(body) == ["error", "errors", "code", "request_id"]
    assert body["code"] == code
    assert body["error"] == str(error)
    assert body["request_id"] == answer.headers["x-request-id"]


def test_where_the_storage_is_stays_in_the_log(logs: list[Any]) -> None:
    answer = answer_to(StorageUnavailable("The storage s3://inner does not answer: http://10.0.0.7"))
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert "storage" in answer.json()["error"]
    assert "inner" not in answer.text
    assert "10.0.0.7" not in answer.text
    assert "s3://inner" in next(line for line in logs if line["event"] == "request.failed")["error"]


def test_every_class_of_the_tree_has_a_status() -> None:
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    tree = [kind for kind in classes if issubclass(kind, GeneQueueError)]
    assert len(tree) > 20
    assert all(any(parent in STATUS_OF for parent in kind.__mro__) for kind in tree)


def test_all_faults_of_a_query_are_listed_with_their_paths() -> None:
    assert answer_to(QueryRejected(FAULTS)).json()["errors"] == [
        {"path": "inputs[0].num_samples", "message": "0 is too few."},
        {"path": "seed", "message": "-1 is negative."},
    ]


def test_a_message_is_never_blank_and_an_error_is_one_line() -> None:
    body = answer_to(InvalidInput("first\nsecond", (Fault("seed", "  "),))).json()
    assert body["error"] == "first second"
    assert body["errors"][0]["message"].strip()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/broken", 405),
        ("GET", "/wants", 422),
        ("GET", "/wants?limit=x", 422),
    ],
)
def test_the_frameworks_own_errors_have_the_same_shape(method: str, path: str, status: int) -> None:
    answer = answer_to(ValueError(), path, method)
    assert answer.status_code == status
    body = answer.json()
    assert list(body) == ["error", "errors", "code", "request_id"]
    assert all(fault["message"].strip() for fault in body["errors"])
    assert "detail" not in body


def test_a_wrong_parameter_is_named_with_its_value() -> None:
    (fault,) = answer_to(ValueError(), "/wants?limit=x").json()["errors"]
    assert fault["path"] == "limit"
    assert "'x'" in fault["message"]


def test_what_nobody_expected_is_logged_with_its_traceback_and_told_without(logs: list[Any]) -> None:
    answer = answer_to(ValueError("the password is swordfish"))
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    (line,) = [line for line in logs if line["event"] == "request.crashed"]
    assert isinstance(line["exc_info"], ValueError)


def test_what_may_be_tried_again_says_when() -> None:
    assert int(answer_to(DatabaseUnavailable("away")).headers["retry-after"]) > 0


def test_a_missing_key_is_told_how_to_send_one() -> None:
    assert answer_to(KeyRejected("who?")).headers["www-authenticate"].startswith("Bearer")
