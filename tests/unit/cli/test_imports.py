"""What the command costs before it does anything."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"torch", "pandas", "pyarrow", "anndata", "fastapi", "celery"}


def test_the_command_starts_without_heavy_packages() -> None:
    script = "import sys, cli.main; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(loaded.split()) == set()
