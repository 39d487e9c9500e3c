"""What the API process is made of: neither networks nor the worker's code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "import json, sys; import api.main; print(json.dumps(sorted(sys.modules)))"


def test_the_api_loads_no_network_library_and_no_worker_code() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {module.partition(".")[0] for module in json.loads(ended.stdout)}
    assert "fastapi" in loaded
    assert loaded.isdisjoint({"torch", "safetensors", "pandas", "anndata", "worker", "cli"})
