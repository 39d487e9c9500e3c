"""Secrets at rest."""

from __future__ import annotations

import pytest

from shared.errors import SealBroken
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal


def test_a_sealed_secret_is_opened_by_the_same_service_only() -> None:
    secret, seal = Secret.new(), Seal(b"of this service")
    stored = seal.close(secret)
    assert Seal(b"of this service").open(stored) == secret
    assert str(secret) not in stored
    assert "of this service" not in repr(seal)
    with pytest.raises(SealBroken, match="rotate"):
        Seal(b"of another service").open(stored)


def test_the_signing_key_is_that_of_the_service() -> None:
    assert Seal(b"one").signing_key == Seal(b"one").signing_key
    assert Seal(b"one").signing_key != Seal(b"two").signing_key
