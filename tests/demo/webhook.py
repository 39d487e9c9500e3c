"""A receiver of the demo: registered at the machine, told of every result, sure of who called."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from standardwebhooks import WebhookVerificationError

from genequeue.client import Client
from shared.errors import SetupError
from shared.webhooks.keys import Secret
from tests.support.receivers import Reply, Request, receiver

_PATIENCE_SECONDS = 120


class Told:
    """What the receiver was told so far."""

    def __init__(self) -> None:
        self.secret: Future[Secret] = Future()  # the first message may come before it is known
        self._came: list[dict[str, Any]] = []
        self._faults: list[str] = []

    def take(self, request: Request) -> Reply:
        """Look at a message as it comes: its signature is good for some minutes only."""
        try:
            self._came.append(request.verified(self.secret.result(_PATIENCE_SECONDS)))
        except WebhookVerificationError as error:
            self._faults.append(str(error))
            return Reply(401)
        return Reply()

    @property
    def ready(self) -> list[dict[str, Any]]:
        """Every `query.ready`. Raises SetupError for a message whose signature did not fit."""
        if self._faults:
            raise SetupError(f"A webhook came whose signature does not fit: {self._faults[0]}.")
        return [event for event in self._came if event["type"] == "query.ready"]

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
    inbox = Told()
    with receiver(inbox.take) as made:
        endpoint = client.post("/api/webhook-endpoints", {"url": made.url, "events": ["query.ready"]})
        inbox.secret.set_result(Secret.read(endpoint["secret"]))
        try:
            yield inbox
        finally:
            client.delete(f"/api/webhook-endpoints/{endpoint['id']}")
