"""The command: which examinations there are, and how their findings are shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.doctor.examination import examine_all
from cli.doctor.finding import Finding, Verdict
from cli.doctor.installation import Installation, find_installation
from cli.doctor.machine import examine_clocks, examine_disks, examine_versions
from cli.doctor.objects import examine_objects
from cli.doctor.processes import examine_processes
from cli.doctor.servers import (
    examine_api,
    examine_migrations,
    examine_postgres,
    examine_storage,
    examine_valkey,
)
from cli.doctor.webhooks import examine_webhooks
from cli.doctor.work import (
    examine_jobs,
    examine_leases,
    examine_queue,
    examine_upkeep,
    examine_workers,
)
from cli.keys import DataDir
from cli.machine.folder import DATA_DIR

_EXAMINATIONS: Mapping[str, Callable[[Installation], Iterable[Finding]]] = {
    "versions": examine_versions,
    "processes": examine_processes,
    "postgres": examine_postgres,
    "migrations": examine_migrations,
    "valkey": examine_valkey,
    "storage": examine_storage,
    "disk": examine_disks,
    "clock": examine_clocks,
    "api": examine_api,
    "workers": examine_workers,
    "upkeep": examine_upkeep,
    "queue": examine_queue,
    "leases": examine_leases,
    "jobs": examine_jobs,
    "webhooks": examine_webhooks,
}
_DEEP_PATIENCE = timedelta(minutes=30)
_STYLES = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.WRONG: "bold red",
    Verdict.UNKNOWN: "magenta",
}


def doctor(
    data_dir: DataDir = DATA_DIR,
    url: Annotated[
        str | None, typer.Option("--url", envvar="GENEQUEUE_URL", help="Where the API is.", show_envvar=True)
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Compare the storage with the rows, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine a GeneQueue: what is wrong with it, and what to do. Exit status 1 if anything is wrong."""
    place = find_installation(data_dir, url)
    findings = examine_all({name: partial(examine, place) for name, examine in _EXAMINATIONS.items()})
    if deep:
        findings += examine_all({"objects": partial(examine_objects, place)}, _DEEP_PATIENCE)
    healthy = not any(finding.verdict in {Verdict.WRONG, Verdict.UNKNOWN} for finding in findings)
    if as_json:
        print(
            json.dumps({"healthy": healthy, "findings": [asdict(finding) for finding in findings]}, indent=2)
        )
    else:
        _show(findings)
    raise typer.Exit(0 if healthy else 1)


def _show(findings: Sequence[Finding]) -> None:
    table = Table("", "", "", box=None, show_header=False, pad_edge=False)
    for finding in findings:
        style = _STYLES[finding.verdict]
        said = escape(finding.found)
        if finding.remedy:
            said += f"\n[bold]→[/] {escape(finding.remedy)}"
        table.add_row(finding.subject, f"[{style}]{finding.verdict}[/]", said)
    console = Console(highlight=False)
    console.print(table)
    counts = {verdict: sum(item.verdict is verdict for item in findings) for verdict in Verdict}
    console.print(", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number))
