"""Row 44: what is signed are the bytes that arrive, whatever they hold; two secrets sign in a rotation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import Engine, text
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from shared.database.engines import transaction
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from shared.webhooks.signatures import verify
from tests.integration.webhooks.conftest import Serving
from tests.support.jobs import save_job
from tests.support.processes import wait_until
from tests.support.receivers import Request, receiver
from tests.support.webhooks import save_endpoint

NAMES = {"probe": "Größe 5 µm – 肝臓 \N{MICROSCOPE}", "slash": "a/b", "quote": '"<&>"', "line": "a\nb\u2028c"}


def delivered(engine: Engine, seal: Seal, serving: Serving, **secrets: str | datetime) -> Request:
    """What a job with names in many scripts arrives as."""
    with receiver() as lab, serving():
        save_endpoint(engine, lab.url, **secrets)
        save_job(engine, client_metadata=NAMES)
        wait_until(lambda: len(lab.requests) == 1)
    return lab.requests[0]


def test_the_bytes_that_arrive_are_those_that_were_signed_whatever_they_hold(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    secret = Secret.new()
    request = delivered(engine, seal, serving, secret=seal.close(secret))
    assert request.verified(secret)["data"]["client_metadata"] == NAMES
    verify(request.body, request.headers, secret, datetime.now(UTC).timestamp())
    assert "肝臓".encode() in request.body
    assert int(request.headers["content-length"]) == len(request.body)


def test_a_body_that_a_receiver_has_serialised_again_does_not_verify(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    """The same JSON in other bytes: what the page for receivers warns of."""
    secret = Secret.new()
    request = delivered(engine, seal, serving, secret=seal.close(secret))
    again = json.dumps(orjson.loads(request.body)).encode()
    assert orjson.loads(again) == orjson.loads(request.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(str(secret)).verify(again, request.headers)


def test_both_secrets_sign_the_same_bytes_until_the_rotation_is_over(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    new, old = Secret.new(), Secret.new()
    soon = datetime.now(UTC) + timedelta(hours=1)
    secrets = {"secret": seal.close(new), "previous_secret": seal.close(old)}
    during = delivered(engine, seal, serving, **secrets, previous_until=soon)
    assert [part.partition(",")[0] for part in during.headers["webhook-signature"].split()] == ["v1", "v1"]
    assert during.verified(new) == during.verified(old)
    with transaction(engine) as session:
        session.execute(text("UPDATE webhook_endpoints SET enabled = false, disabled_because = 'owner'"))
    after = delivered(engine, seal, serving, **secrets, previous_until=datetime.now(UTC))
    assert after.verified(new)
    with pytest.raises(WebhookVerificationError):
        after.verified(old)
