"""Pinned artefacts: found offline, checked always, and named with a remedy when they do not fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.errors import SetupError
from worker.training.fetch import Artefacts, pinned_sources


def test_every_source_says_version_licence_citation_and_digests() -> None:
    for name, source in pinned_sources().items():
        assert {"title", "version", "licence", "citation", "files"} <= source.keys(), name
        for file in source["files"]:
            assert re.fullmatch(r"[0-9a-f]{64}", file["sha256"]), file["path"]
            assert ("url" in file) != ("package" in file), file["path"]


def test_a_changed_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "Li_sum.txt").write_text("genes\tlane1\n")
    with pytest.raises(SetupError, match=r"Li_sum\.txt is not the pinned file"):
        Artefacts(tmp_path).path("lncap")
