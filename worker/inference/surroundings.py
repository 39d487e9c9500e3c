"""What decides bits besides the weights and the question: the kind of device, the libraries, our own code."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import version
from pathlib import Path

import torch

_SOURCES = Path(__file__).resolve().parents[2]
_ROOMS = ("worker/inference", "worker/generation", "shared/results")


def surroundings(device: str) -> str:
    """Equal text, equal bits: `cpu AVX512, torch 2.9.1+cpu, numpy 2.3.5, pyarrow 22.0.0, code 1a2b3c4d`."""
    kind = re.sub(r"^cuda:\d+", "cuda", device)
    libraries = f"torch {torch.__version__}, numpy {version('numpy')}, pyarrow {version('pyarrow')}"
    return f"{kind}, {libraries}, code {_code()}"


def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (_SOURCES / room).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
