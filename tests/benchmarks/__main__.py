"""`make bench`: measure, and print rows for docs/benchmarks.md.

Recovery, restart and soak take minutes each and are commands of their own; docs/benchmarks.md lists them.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

from tests.benchmarks import (
    bench_cancel,
    bench_claims,
    bench_engine,
    bench_forms,
    bench_intake,
    bench_large,
    bench_one_sample,
    bench_peers,
    bench_service,
    bench_submits,
    bench_webhooks,
)
from tests.benchmarks.report import as_markdown


def main() -> None:
    """Run every benchmark, one after the other."""
    print(f"## {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    for benchmark in (
        bench_service,
        bench_one_sample,
        bench_submits,
        bench_claims,
        bench_cancel,
        bench_webhooks,
        bench_peers,
        bench_intake,
        bench_forms,
        bench_large,
    ):
        print(as_markdown(benchmark.measure()), flush=True)
        print()
    bench_engine.main()


if __name__ == "__main__":
    main()
