"""Which keys an endpoint's messages are signed with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from shared.database.tables import WebhookEndpoint, WebhookSecret
from shared.webhooks.keys import Signer
from shared.webhooks.sealing import Seal


def signers(seal: Seal, endpoint: WebhookEndpoint, of_workspace: WebhookSecret | None) -> Iterator[Signer]:
    """The newest secret, the one before while both hold, and the service's own key if it is wanted.

    Raises SealBroken.
    """
    holder = endpoint if endpoint.registered else of_workspace
    if holder is not None and holder.secret is not None:
        yield seal.open(holder.secret)
        if holder.previous_secret and holder.previous_until and holder.previous_until > datetime.now(UTC):
            yield seal.open(holder.previous_secret)
    if endpoint.asymmetric:
        yield seal.signing_key
