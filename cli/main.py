"""The composition root of the `genequeue` command: registers its parts, prints errors as one sentence."""

from __future__ import annotations

import typer

from cli import canaries, jobs, keys, models, train
from cli.console import complain
from cli.doctor.command import doctor
from cli.evaluate import evaluate
from cli.submit import status, submit
from cli.up import restart, up
from cli.webhooks import command as webhooks
from shared.errors import GeneQueueError, InvalidInput

app = typer.Typer(
    help="Serve generative gene-expression models from a job queue of your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(restart)
app.command()(submit)
app.command()(status)
app.command()(doctor)
app.command()(evaluate)
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(canaries.app, name="canaries")
app.add_typer(train.app, name="train")
app.add_typer(webhooks.app, name="webhooks")


def main() -> None:
    """Run the command; an error of ours is a sentence on standard error and exit status 1."""
    try:
        app()
    except GeneQueueError as error:
        complain(str(error))
        for fault in error.faults[1:] if isinstance(error, InvalidInput) else ():
            complain(f"{fault.path}: {fault.message}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
