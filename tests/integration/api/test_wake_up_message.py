"""What lies in the broker after a submission: the same few bytes, however large that was."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

from shared.messages import WAKE_GENERATION
from tests.integration.api.conftest import Serve
from tests.support.catalogs import unread_model
from tests.support.processes import wait_until

GENES, INPUTS = 20_000, 500
WHAT = "gem-1-bulk_predict-metadata"


@pytest.fixture
def broker(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def bytes_in(broker: Redis) -> int:
    """What all keys of the broker take together."""
    return sum(int(broker.memory_usage(key) or 0) for key in broker.scan_iter())


def message_of(broker: Redis) -> dict[str, Any]:
    """The one message that lies in the queue; it is taken out."""
    queue = str(WAKE_GENERATION.queue)
    wait_until(lambda: broker.llen(queue) == 1)
    (sent,) = broker.lrange(queue, 0, -1)
    broker.delete(queue)
    message: dict[str, Any] = json.loads(sent)
    return message


def test_a_large_submission_sends_no_more_than_a_small_one(
    serve: Serve, broker: Redis, tmp_path: Path
) -> None:
    """Reference counts of ten million numbers, as JSON of some fifty megabytes."""
    unread_model(tmp_path / "wide", genes=GENES)
    counts = np.random.default_rng(0).integers(0, 100_000, GENES).tolist()
    query = {"inputs": [{"counts": counts}]}
    with serve(models_dir=tmp_path / "wide") as api:
        assert api.predict(query, WHAT).status_code == 202
        small = message_of(broker)
        body = json.dumps({"inputs": query["inputs"] * INPUTS})
        assert len(body) > 50_000_000
        headers = {"Authorization": f"Bearer {api.key}"}
        answer = api.call("POST", f"/api/models/{WHAT}/predict", content=body, headers=headers)
        assert answer.status_code == 202
        large = message_of(broker)
    assert json.loads(base64.b64decode(large["body"]))[:2] == [[], {}], "no arguments at all"
    assert large["body"] == small["body"]
    assert large.keys() == small.keys()
    assert answer.json()["modelQueryId"] not in json.dumps(large)
    assert len(json.dumps(large)) < 2_000
    assert bytes_in(broker) < 20_000
