"""An endpoint of this machine for as long as somebody listens: registered, waited for, deleted again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from cli.console import complain, say
from cli.machine.interrupts import Interrupts, StopRequested
from cli.machine.ports import LOCALHOST, free_ports, listen
from cli.webhooks.inbox import Inbox
from cli.webhooks.receiver import receiving
from genequeue.client import Client, QueryRefused
from shared.errors import GeneQueueError, SetupError
from shared.webhooks.keys import Secret

_PING_WITHIN = 10.0  # seconds
_DELETED_WITHIN = 10.0
_LOOK_SECONDS = 0.1
_ROUTE = "/api/webhook-endpoints"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for who typed `genequeue webhooks listen`."""

    host: str = LOCALHOST
    port: int | None = None
    events: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    public_url: str | None = None


def hear(client: Client, wanted: Wanted, inbox: Inbox) -> None:
    """Receive until Ctrl-C or SIGTERM. Raises GeneQueueError."""
    port = wanted.port or free_ports(1)[0]
    address = wanted.public_url or _address(client.url, wanted.host, port)
    endpoint = {
        "url": address,
        "description": f"genequeue webhooks listen, on {socket.gethostname()}",
        "events": list(wanted.events),
        "models": list(wanted.models),
    }
    # The door is open before anybody is told of it.
    with (
        receiving(listen(wanted.host, port), inbox.answer),
        _registered(client, endpoint) as (made, interrupts),
    ):
        inbox.verifier.set_result(Secret.read(made["secret"]))
        _tell(made, wanted, inbox)
        _wait(interrupts, client, made, inbox)


def _address(api_url: str, host: str, port: int) -> str:
    """Where the API finds this receiver. Raises SetupError where it cannot."""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_unspecified:
        raise SetupError(
            f"--host {host} is every address of this machine. Name the one that the API finds, or add "
            "--public-url with what leads here."
        )
    if address is not None and address.is_loopback and not is_this_machine(urlsplit(api_url).hostname or ""):
        raise SetupError(
            f"{api_url} is another machine, and does not find this receiver at {host}. Run the command "
            "there; or name this machine's address in a network of both with --host, which "
            "GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS of the API and its workers must hold; or lead a public https "
            "address here, with a tunnel to the --port that you choose, and name it with --public-url."
        )
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_this_machine(host: str) -> bool:
    """Whether a name is an address of this machine; one that is unknown is left to the client."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return True
    return any(_can_bind(family, address) for family, _, _, _, address in found)


def _can_bind(family: int, address: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.bind(address)
    except OSError:
        return False
    return True


@contextmanager
def _registered(client: Client, endpoint: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Interrupts]]:
    """Until somebody asks for the end, which is no fault; the deletion itself is not interrupted."""
    made = _register(client, endpoint)
    with Interrupts() as interrupts:
        try:
            yield made, interrupts
        except StopRequested:
            pass
        finally:
            _delete(client, made["id"])


def _delete(client: Client, endpoint_id: str) -> None:
    """In a thread, so that an API that hangs does not hold up the end."""
    said = list[str]()

    def delete() -> None:
        try:
            client.delete(f"{_ROUTE}/{endpoint_id}")
            said.append("")
        except GeneQueueError as error:
            said.append(str(error))

    thread = threading.Thread(target=delete, daemon=True)
    thread.start()
    thread.join(_DELETED_WITHIN)
    if said == [""]:
        say(f"Stopped. The endpoint {endpoint_id} is deleted.")
        return
    why = said[0] if said else "The API does not answer."
    complain(f"{why} The endpoint is still registered: `genequeue webhooks delete {endpoint_id}` removes it.")


def _register(client: Client, endpoint: dict[str, Any]) -> dict[str, Any]:
    try:
        made: dict[str, Any] = client.post(_ROUTE, endpoint)
    except QueryRefused as refused:
        said = [fault.message for fault in refused.faults if fault.path == "url"]
        if not said:
            raise
        raise SetupError(
            f"The API does not call {endpoint['url']}. {said[0]} `genequeue up` opens 127.0.0.0/8 by itself "
            "unless that variable is set; set it where the API and the workers are started. Or lead a public "
            "https address here, and name it with --public-url."
        ) from None
    return made


def _tell(made: dict[str, Any], wanted: Wanted, inbox: Inbox) -> None:
    say(f"Listening at {made['url']} as endpoint {made['id']}.", "bold")
    say(f"  events:  {', '.join(wanted.events) or 'all'}; of {', '.join(wanted.models) or 'all models'}")
    say(f"  secret:  {made['secret']} (of this session; a receiver verifies with it)")
    if inbox.forward:
        say(f"  forward: {inbox.forward.url}")
    if inbox.folder:
        say(f"  saved:   {inbox.folder}/")
    say("Ctrl-C stops it and deletes the endpoint.")


def _wait(interrupts: Interrupts, client: Client, made: dict[str, Any], inbox: Inbox) -> None:
    """Until somebody stops it. Raises StopRequested."""
    until = time.monotonic() + _PING_WITHIN
    while not inbox.came.is_set() and time.monotonic() < until:
        interrupts.pause(_LOOK_SECONDS)
    if not inbox.came.is_set():
        inbox.warn(_why_nothing_came(client, made["ping_id"]))
    while True:
        interrupts.pause(_LOOK_SECONDS)


def _why_nothing_came(client: Client, ping_id: str) -> str:
    began = f"No ping came within {_PING_WITHIN:.0f} s."
    try:
        attempts = client.get(f"/api/webhook-deliveries/{ping_id}")["attempt_log"]
    except GeneQueueError as error:
        return f"{began} {error}"
    if not attempts:
        return f"{began} Nobody sends it: is an upkeep worker alive? `genequeue doctor` says."
    last = attempts[-1]
    return f"{began} The sender says: {last['error'] or last['status']}"
