"""What files are made with is loaded by the process that makes them, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"anndata", "h5py", "pandas", "scipy", "torch"}


def loaded_by(module: str) -> set[str]:
    """The heavy packages that a process has in memory once it imported a module."""
    program = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return HEAVY & set(run.stdout.split())


def test_the_upkeep_worker_itself_holds_none_of_it() -> None:
    assert loaded_by("worker.cpu") == set()


def test_the_process_that_makes_files_loads_no_more_than_it_needs() -> None:
    assert loaded_by("worker.artifacts.making") == {"h5py"}
