"""Which storage a URL names, and what is said when it names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import SetupError, StorageUnavailable
from shared.storage.objects import Credentials, open_storage


def test_a_file_url_makes_its_folder(tmp_path: Path) -> None:
    storage = open_storage(f"file://{tmp_path}/new folder".replace(" ", "%20"))
    storage.put("a/b", b"c")
    assert (tmp_path / "new folder" / "a" / "b").read_bytes() == b"c"


@pytest.mark.parametrize("url", ["", "objects", "ftp://host/x", "s3://", "file://relative"])
def test_a_url_that_names_no_storage_is_refused_with_the_forms_that_do(url: str) -> None:
    with pytest.raises(SetupError, match=r"s3://bucket|absolute|cannot be used"):
        open_storage(url)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(SetupError, match="endpont"):
        open_storage("s3://bucket?endpont=http://127.0.0.1:1")


def test_a_storage_that_does_not_answer_says_its_place() -> None:
    storage = open_storage("s3://bucket?endpoint=http://127.0.0.1:1", Credentials("a", "b"))
    with pytest.raises(StorageUnavailable, match="s3://bucket"):
        storage.get("key")


def test_credentials_are_not_printed() -> None:
    assert "hush" not in repr(Credentials("id", "hush"))


@pytest.mark.parametrize("half", [Credentials("id", None), Credentials(None, "secret")])
def test_half_a_credential_is_refused(half: Credentials) -> None:
    with pytest.raises(SetupError, match="both"):
        open_storage("s3://bucket", half)


@pytest.mark.parametrize(
    "endpoint", ["s3.example.org", "ftp://s3.example.org", "https://example.org/s3", "https://"]
)
def test_a_public_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(SetupError, match=r"GENEQUEUE_STORAGE_PUBLIC_ENDPOINT .*without a path"):
        open_storage("s3://bucket", Credentials("a", "b"), endpoint)
