"""`genequeue verify`: whether a downloaded result is, byte for byte, what the server signed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from cli.amounts import counted, size
from cli.console import say


def verify(
    folder: Annotated[Path, typer.Argument(help="Where `genequeue submit -o FOLDER/` wrote a result.")],
    public_key: Annotated[
        str | None,
        typer.Option(
            "--public-key", help="The server's, as you know it; else the one that came with the download."
        ),
    ] = None,
) -> None:
    """Check the manifest's signature, the genes, and each part: its digest, and the number of its rows."""
    # Arrow alone takes a third of a second.
    found = import_module("genequeue.client.verification").verify(folder, public_key)
    manifest = found.manifest
    say(
        f"{folder} is what was signed: {counted(found.samples, 'sample')} in {counted(found.parts, 'part')}, "
        f"{size(found.bytes)}."
    )
    say(f"  query  {manifest['job_id']}")
    say(f"  model  {manifest['model_id']} version {manifest['model_version']}, seed {manifest['seed']}")
    whose = (
        "as given" if public_key else "as it came with the download; --public-key compares with one you know"
    )
    say(f"  signed by {found.public_key} ({whose})")
