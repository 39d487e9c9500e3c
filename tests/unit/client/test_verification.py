"""A folder whose signature cannot be read is named like any other that was changed."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from genequeue.client.errors import VerificationFailed
from genequeue.client.folders import MANIFEST, SIGNATURE
from genequeue.client.verification import verify
from shared.webhooks.keys import PrivateKey


@pytest.mark.parametrize("written", ["", "{", "[]", "null", '{"signature": "x"}'])
def test_a_signature_that_cannot_be_read_is_named(tmp_path: Path, written: str) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    (tmp_path / SIGNATURE).write_text(written)
    with pytest.raises(VerificationFailed) as failed:
        verify(tmp_path)
    assert SIGNATURE in str(failed.value)


def test_a_folder_of_a_time_when_nobody_signed_the_genes_is_verified_without_them(tmp_path: Path) -> None:
    sign(tmp_path, {"manifest_version": 2, "genes_sha256": "0" * 64, "parts": []})
    assert verify(tmp_path).parts == 0


def test_a_manifest_of_now_wants_its_genes(tmp_path: Path) -> None:
    sign(tmp_path, {"manifest_version": 3, "genes_sha256": "0" * 64, "parts": [], "job_id": "7"})
    with pytest.raises(VerificationFailed, match=r"genes\.csv: it is missing.*genequeue status 7 -o"):
        verify(tmp_path)


def sign(folder: Path, manifest: dict[str, object]) -> None:
    """A folder without parts, as a server signs it."""
    key, content = PrivateKey.new(), json.dumps(manifest).encode()
    signed = {"public_key": str(key.public), "signature": b64encode(key.sign(content)).decode()}
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_text(json.dumps(signed))
