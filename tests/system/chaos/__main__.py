"""`python -m tests.system.chaos --minutes 10 --seed 7 [--seed 8 ...] [--report docs/reliability.md]`."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.system.chaos.report import counts, page
from tests.system.chaos.storm import Outcome, Weather, storm


def main() -> int:
    """Storms, one a seed; 1 if a promise was broken."""
    asked = _arguments()
    outcomes = [
        _run(Weather(seed, 60 * asked.minutes, asked.gap))
        for seed in asked.seed or [random.randrange(1 << 20)]
    ]
    if asked.report:
        asked.report.write_text(page(outcomes))
    else:
        print(page(outcomes))
    return int(any(outcome.broken for outcome in outcomes))


def _run(weather: Weather) -> Outcome:
    with TemporaryDirectory(prefix="genequeue-storm-") as name:
        outcome = storm(weather, Path(name))
    print(f"seed {weather.seed}: {len(outcome.books.jobs)} jobs, {counts(outcome)}", file=sys.stderr)
    return outcome


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long each storm lasts")
    parser.add_argument("--seed", type=int, action="append", help="what it is drawn from; may be repeated")
    parser.add_argument("--gap", type=float, default=3, help="seconds between strikes, in the mean")
    parser.add_argument("--report", type=Path, help="where the report is written, instead of being printed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
