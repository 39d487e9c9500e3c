"""One port, two adapters: the same facts on a real folder and on a real S3 server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import StorageUnavailable
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.servers import Servers


@pytest.fixture
def storage(storage_url: str) -> ObjectStorage:
    return open_storage(storage_url)


def test_an_object_comes_back_as_it_went(storage: ObjectStorage) -> None:
    storage.put("results/a/part", b"\x00counts" * 1000)
    assert storage.get("results/a/part") == b"\x00counts" * 1000


def test_a_second_put_replaces_the_first(storage: ObjectStorage) -> None:
    storage.put("key", b"first")
    storage.put("key", b"second")
    assert storage.get("key") == b"second"


def test_a_key_that_was_never_put_is_a_key_error(storage: ObjectStorage) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        storage.get("nowhere")


def test_keys_are_listed_below_their_prefix_only(storage: ObjectStorage) -> None:
    for key in ("results/b/2", "results/b/1", "results/c/1"):
        storage.put(key, b"x")
    assert storage.keys("results/b") == ["results/b/1", "results/b/2"]


def test_deleting_a_prefix_leaves_its_neighbours(storage: ObjectStorage) -> None:
    for key in ("results/b/1", "results/c/1"):
        storage.put(key, b"x")
    storage.delete_all("results/b")
    storage.delete_all("results/b")
    assert storage.keys("results") == ["results/c/1"]


def test_objects_are_deleted_one_by_one_and_what_is_gone_already_is_fine(storage: ObjectStorage) -> None:
    for key in ("a/1", "a/2"):
        storage.put(key, b"x")
    storage.delete(["a/1"])
    storage.delete(["a/1"])
    storage.delete([])
    assert storage.keys("a") == ["a/2"]


def test_a_check_leaves_nothing_behind(storage: ObjectStorage) -> None:
    storage.check()
    assert storage.keys("health") == []


def test_a_wrong_secret_is_an_unavailable_storage_that_names_its_place(servers: Servers) -> None:
    wrong = replace(servers.s3, secret_access_key="wrong")
    storage = open_storage(wrong.url("wrong"), wrong.credentials)
    with pytest.raises(StorageUnavailable, match=r"s3://genequeue-tests"):
        storage.put("key", b"x")


def test_only_what_lies_there_for_a_while_is_old(storage: ObjectStorage) -> None:
    storage.put("inputs/a/counts", b"now")
    assert storage.keys_older_than("inputs", timedelta(minutes=5)) == []
    assert storage.keys_older_than("inputs", timedelta(minutes=-5)) == ["inputs/a/counts"]
