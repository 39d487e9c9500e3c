"""`make bench`: measure, and print rows for docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

from tests.benchmarks import bench_engine, bench_service
from tests.benchmarks.report import as_markdown


def main() -> None:
    """Run every benchmark, one after the other."""
    print(f"## {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(as_markdown(bench_service.measure()))
    print()
    bench_engine.main()


if __name__ == "__main__":
    main()
