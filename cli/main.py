"""The composition root of the `genequeue` command: registers its parts, prints errors as one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from cli import canaries, jobs, keys, models, train
from cli.amounts import counted
from cli.console import complain
from cli.doctor.command import doctor
from cli.evaluate import evaluate
from cli.submit import status, submit
from cli.up import restart, up
from cli.verify import verify
from cli.webhooks import command as webhooks
from genequeue.client.errors import RequestFailed, VerificationFailed
from shared.errors import Fault, GeneQueueError, InvalidInput

_MOST_FAULTS = 20
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
app.command()(verify)
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
        for fault in _further_faults(error):
            complain(f"{fault.place}: {fault.message}")
        raise SystemExit(1) from None


def _further_faults(error: GeneQueueError) -> Iterator[Fault]:
    """Those that the error's own text does not tell; of very many the first, and where all of them are."""
    if not isinstance(error, InvalidInput | RequestFailed | VerificationFailed):
        return
    yield from error.faults[1:_MOST_FAULTS]
    left_out = len(error.faults) - _MOST_FAULTS
    refusal = getattr(error, "refusal", None)
    if refusal and refusal.report:
        yield Fault(counted(refusal.rejected_rows, "bad row"), f"all of them are listed at {refusal.report}")
    elif left_out > 0:
        yield Fault("And", f"{left_out:,} more.")


if __name__ == "__main__":
    main()
