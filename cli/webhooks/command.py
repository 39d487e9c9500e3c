"""`genequeue webhooks`: listen on this machine, check a saved request, look at the log, send again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.console import say
from cli.machine.ports import LOCALHOST
from cli.options import DEFAULT_URL, Key, Url
from cli.webhooks.inbox import Forward, Inbox
from cli.webhooks.listening import Wanted, hear
from cli.webhooks.log import delivery_table, endpoint_table, print_table
from cli.webhooks.request import Request
from cli.webhooks.verifying import judge
from genequeue.client import Client
from shared.errors import SetupError
from shared.webhooks.keys import read_verifier

app = typer.Typer(help="Webhooks: listen, verify, list, deliveries, redeliver, delete.", no_args_is_help=True)

Events = Annotated[
    list[str] | None, typer.Option("--event", help="Only those, as query.ready; may be repeated.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="So many at most.")]


@app.command()
def listen(
    host: Annotated[
        str, typer.Option(help="The address of this machine that receives, and that the API calls.")
    ] = LOCALHOST,
    port: Annotated[
        int | None, typer.Option(help="The receiver's port. [default: a free one]", min=1024, max=65535)
    ] = None,
    forward: Annotated[
        str | None, typer.Option(help="Pass each request on to this URL, and answer what it answers.")
    ] = None,
    event: Events = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Only of this model; may be repeated.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write each request to a file in this folder.")] = None,
    public_url: Annotated[
        str | None, typer.Option(help="The address that leads here from the API, if it is elsewhere.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Receive webhooks on this machine, verify and print them, until Ctrl-C."""
    inbox = Inbox(Console(highlight=False), Forward.read(forward) if forward else None, _folder(save))
    hear(Client(url, key), Wanted(host, port, tuple(event or ()), tuple(model or ()), public_url), inbox)


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="Headers, an empty line and the body, as `listen --save` writes it.")
    ],
    secret: Annotated[
        str,
        typer.Option(
            help="The endpoint's secret (whsec_...) or the server's public key (whpk_...).",
            envvar="GENEQUEUE_WEBHOOK_SECRET",
        ),
    ],
    headers: Annotated[
        Path | None, typer.Option(help="A file with the headers; FILE is the body alone then.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Refuse one older than five minutes, as receivers do.")
    ] = False,
) -> None:
    """Say whether a saved request is genuine; exit status 1 if it is not."""
    verdict = judge(Request.read(file, headers), read_verifier(secret), fresh=fresh)
    say(f"{'valid' if verdict.valid else 'invalid'}: {verdict.said}", "green" if verdict.valid else "red")
    raise typer.Exit(0 if verdict.valid else 1)


@app.command("list")
def list_endpoints(limit: Limit = 50, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List your endpoints, the newest first."""
    print_table(endpoint_table(Client(url, key), limit))


@app.command()
def deliveries(
    endpoint: Annotated[str | None, typer.Option(help="Only to this endpoint.")] = None,
    job: Annotated[str | None, typer.Option(help="Only about this query.")] = None,
    event: Events = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only those, as failed; may be repeated.")
    ] = None,
    limit: Limit = 20,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List what was sent, the newest first."""
    named: dict[str, Any] = {"endpoint": endpoint, "job": job, "event": event, "state": state}
    wanted = {name: value for name, value in named.items() if value}
    print_table(delivery_table(Client(url, key), limit, wanted))


@app.command()
def redeliver(
    delivery_id: Annotated[str, typer.Argument(help="Its id in `deliveries`, or a webhook-id.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a delivery again, at once, under the same webhook-id."""
    sent = Client(url, key).post(f"/api/webhook-deliveries/{delivery_id}/redeliver", None)
    say(f"{sent['kind']} is on its way again, as {sent['webhook_id']}.")


@app.command()
def delete(
    endpoint_id: Annotated[str, typer.Argument(help="Its id in `list`.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete an endpoint: it is told nothing more."""
    Client(url, key).delete(f"/api/webhook-endpoints/{endpoint_id}")
    say(f"The endpoint {endpoint_id} is deleted.")


def _folder(save: Path | None) -> Path | None:
    try:
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"--save {save} cannot be made: {error.strerror}.") from error
    return save
