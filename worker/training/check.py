"""`python -m worker.training.check REQUEST`: reads a user's files through, without torch."""

from __future__ import annotations

import json
import sys

from rich.console import Console

from shared.errors import GeneQueueError
from shared.ontology.terms import Ontologies
from worker.training.lab.check import check
from worker.training.lab.report import complain, print_report
from worker.training.lab.request import LabRequest


def main(request: str) -> int:
    """Print what is in the files, or all that is wrong with them; the exit status."""
    console, ontologies = Console(), Ontologies.open()
    try:
        print_report(check(LabRequest.from_json(json.loads(request)), ontologies), ontologies, console)
    except GeneQueueError as error:
        complain(error)
        return 1
    console.print("[green]Nothing stands in the way of training on these data.[/]")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
