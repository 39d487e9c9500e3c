"""How published tables name tissues, cell types and cancers, and which ontology terms those are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

TERMS = Path(__file__).with_name("terms.toml")


@cache
def _all_terms() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(TERMS.read_text())


def published_terms(kind: str) -> Mapping[str, Any]:
    """Name in the publication to term, for one section of `terms.toml`."""
    return _all_terms()[kind]
