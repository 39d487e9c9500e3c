"""A folder whose signature cannot be read is named like any other that was changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from genequeue.client.errors import VerificationFailed
from genequeue.client.folders import MANIFEST, SIGNATURE
from genequeue.client.verification import verify


@pytest.mark.parametrize("written", ["", "{", "[]", "null", '{"signature": "x"}'])
def test_a_signature_that_cannot_be_read_is_named(tmp_path: Path, written: str) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    (tmp_path / SIGNATURE).write_text(written)
    with pytest.raises(VerificationFailed) as failed:
        verify(tmp_path)
    assert SIGNATURE in str(failed.value)
