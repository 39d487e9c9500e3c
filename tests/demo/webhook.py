"""A receiver of the demo: registered at the machine, told of every result, sure of who called."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from standardwebhooks import WebhookVerificationError

from genequeue.client import Client
from shared.errors import SetupError
from shared.webhooks.keys import Secret
from tests.support.receivers import Receiver, receiver

_PATIENCE_SECONDS = 30


class Told:
    """What the receiver was told so far."""

    def __init__(self, receiver: Receiver, secret: Secret) -> None:
        self._receiver, self._secret = receiver, secret

    @property
    def ready(self) -> list[dict[str, Any]]:
        """Every `query.ready`. Raises SetupError for a message whose signature does not fit."""
        try:
            came = [request.verified(self._secret) for request in self._receiver.requests]
        except WebhookVerificationError as error:
            raise SetupError(f"A webhook came whose signature does not fit: {error}.") from None
        return [event for event in came if event["type"] == "query.ready"]

    def show(self, console: Console, queries: int) -> None:
        """Wait for one message a query, and print them. Raises SetupError if they do not come."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.ready) < queries:
            if time.monotonic() > deadline:
                raise SetupError(
                    f"{len(self.ready)} of {queries} webhooks came within {_PATIENCE_SECONDS} s."
                )
            time.sleep(0.05)
        table = Table("event", "query", "model", "samples", box=None, header_style="bold")
        for event in self.ready:
            data = event["data"]
            samples = str(data["progress"]["samples_done"])
            table.add_row(f"[green]{event['type']}[/]", data["id"], data["model_id"], samples)
        console.print(
            "\n[bold]What the webhook was told[/], each signature verified with the reference library"
        )
        console.print(table)


@contextmanager
def told(client: Client) -> Iterator[Told]:
    """Register a receiver on this machine, for as long as it is entered."""
    with receiver() as made:
        endpoint = client.post("/api/webhook-endpoints", {"url": made.url, "events": ["query.ready"]})
        try:
            yield Told(made, Secret.read(endpoint["secret"]))
        finally:
            client.delete(f"/api/webhook-endpoints/{endpoint['id']}")
