"""Signatures, held against the specification's own library and its published vector."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.errors import InvalidInput, SignatureRejected
from shared.webhooks.keys import PrivateKey, PublicKey, Secret, read_verifier
from shared.webhooks.signatures import ID, SIGNATURE, TIMESTAMP, Message, verify

NOW = 1_614_265_330
# The vector of the reference libraries, in all their languages.
VECTOR = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')
VECTOR_SECRET = Secret.read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

BODY = Message("msg_1", '{"type": "query.ready", "data": {"tissue": "Leberläppchen"}}'.encode())


def test_the_vector_of_the_specification_has_its_signature() -> None:
    assert VECTOR.headers([VECTOR_SECRET], NOW) == {
        ID: VECTOR.id,
        TIMESTAMP: str(NOW),
        SIGNATURE: VECTOR_SIGNATURE,
    }


def test_the_reference_library_accepts_what_we_sign() -> None:
    secret = Secret.new()
    headers = BODY.headers([secret], time.time())
    assert Webhook(str(secret)).verify(BODY.body.decode(), headers) == json.loads(BODY.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(str(Secret.new())).verify(BODY.body.decode(), headers)


def test_we_accept_what_the_reference_library_signs() -> None:
    secret = Secret.new()
    signed = Webhook(str(secret)).sign(BODY.id, datetime.fromtimestamp(NOW, UTC), BODY.body.decode())
    headers = {ID: BODY.id, TIMESTAMP: str(NOW), SIGNATURE: signed}
    assert verify(BODY.body, headers, secret, now=NOW) == BODY


def test_while_a_secret_is_rotated_both_verify() -> None:
    new, old = Secret.new(), Secret.new()
    headers = BODY.headers([new, old], time.time())
    for secret in (new, old):
        assert verify(BODY.body, headers, secret) == BODY
        Webhook(str(secret)).verify(BODY.body.decode(), headers)


def test_the_public_half_verifies_what_the_private_key_signed_and_no_other_does() -> None:
    key = PrivateKey.new()
    headers = BODY.headers([Secret.new(), key], NOW)
    assert verify(BODY.body, headers, PublicKey.read(str(key.public)), now=NOW) == BODY
    with pytest.raises(SignatureRejected, match="v1a"):
        verify(BODY.body, headers, PrivateKey.new().public, now=NOW)


@pytest.mark.parametrize("change", [ID, TIMESTAMP, "body"])
def test_whatever_is_changed_is_noticed(change: str) -> None:
    secret = Secret.new()
    headers, body = BODY.headers([secret], NOW), BODY.body
    if change == "body":
        body = body.replace(b"ready", b"Ready")
    else:
        headers[change] = {ID: "msg_2", TIMESTAMP: str(NOW + 1)}[change]
    with pytest.raises(SignatureRejected, match="fits"):
        verify(body, headers, secret, now=NOW)


def test_header_names_may_be_in_any_case() -> None:
    secret = Secret.new()
    headers = {name.title(): value for name, value in BODY.headers([secret], NOW).items()}
    assert verify(BODY.body, headers, secret, now=NOW) == BODY


@pytest.mark.parametrize(("seconds", "says"), [(301, "old"), (-301, "in the future")])
def test_what_is_too_old_or_too_new_is_refused(seconds: int, says: str) -> None:
    secret = Secret.new()
    with pytest.raises(SignatureRejected, match=says):
        verify(BODY.body, BODY.headers([secret], NOW), secret, now=NOW + seconds)


@pytest.mark.parametrize("missing", [ID, TIMESTAMP, SIGNATURE])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = BODY.headers([VECTOR_SECRET], NOW)
    del headers[missing]
    with pytest.raises(SignatureRejected, match=missing):
        verify(BODY.body, headers, VECTOR_SECRET, now=NOW)


@pytest.mark.parametrize("signature", ["v1", "v1,", "v1,!!", "v2,AAAA", "nonsense", "v1,QUJD v1a,"])
def test_a_signature_that_cannot_be_read_is_none(signature: str) -> None:
    headers = {**BODY.headers([VECTOR_SECRET], NOW), SIGNATURE: signature}
    with pytest.raises(SignatureRejected):
        verify(BODY.body, headers, VECTOR_SECRET, now=NOW)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_of_another_size_is_refused_without_being_repeated(size: int) -> None:
    text = b64encode(b"s" * size).decode()
    with pytest.raises(InvalidInput, match="24 to 64 bytes") as caught:
        Secret.read(f"whsec_{text}")
    assert size == 0 or text not in str(caught.value)


def test_keys_are_read_as_they_are_written_and_hide_themselves() -> None:
    for key in (Secret.new(), PrivateKey.new(), PrivateKey.new().public):
        assert type(key).read(str(key)) == key
        assert str(key) not in repr(key)
    assert read_verifier(str(VECTOR_SECRET)) == VECTOR_SECRET
    assert isinstance(read_verifier(str(PrivateKey.new().public)), PublicKey)
