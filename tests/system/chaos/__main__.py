"""`python -m tests.system.chaos --minutes 10 --seed 7 [--seed 8 ...] [--report docs/reliability.md]`."""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.system.chaos.report import counts, page
from tests.system.chaos.storm import Outcome, Weather, storm


def main() -> int:
    """Storms, one a seed; 1 if a promise was broken or a storm had no end.

    The report is written after each of them: what is interrupted later does not take it along.
    """
    asked = _arguments()
    outcomes: list[Outcome] = []
    unfinished: dict[int, str] = {}
    for seed in asked.seed or [random.randrange(1 << 20)]:
        try:
            outcomes.append(_run(Weather(seed, 60 * asked.minutes, asked.gap), asked.logs))
        except Exception as error:  # noqa: BLE001 - one storm that cannot be checked does not take the others along
            traceback.print_exc()
            unfinished[seed] = repr(error)
        if asked.report:
            asked.report.write_text(page(outcomes, unfinished))
    if not asked.report:
        print(page(outcomes, unfinished))
    return int(bool(unfinished) or any(outcome.broken for outcome in outcomes))


def _run(weather: Weather, logs: Path | None) -> Outcome:
    with TemporaryDirectory(prefix="genequeue-storm-") as name:
        folder = Path(name)
        try:
            outcome = storm(weather, folder)
        finally:
            if logs:
                _keep_logs(folder, logs / str(weather.seed))
    print(f"seed {weather.seed}: {len(outcome.books.jobs)} jobs, {counts(outcome)}", file=sys.stderr)
    return outcome


def _keep_logs(folder: Path, where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        (where / log.name).write_bytes(log.read_bytes())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long each storm lasts")
    parser.add_argument("--seed", type=int, action="append", help="what it is drawn from; may be repeated")
    parser.add_argument("--gap", type=float, default=3, help="seconds between strikes, in the mean")
    parser.add_argument("--report", type=Path, help="where the report is written, instead of being printed")
    parser.add_argument("--logs", type=Path, help="a folder in which the processes' logs are kept, by seed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
