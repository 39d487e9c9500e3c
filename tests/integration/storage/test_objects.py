"""One port, two adapters: the same facts on a real folder and on a real S3 server."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from shared.errors import StorageUnavailable
from shared.storage.objects import ObjectStorage, open_storage
from shared.storage.port import Written
from tests.support import calls
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


def pieces(*sizes: int) -> Iterator[bytes]:
    """Pieces of these sizes and by chance, the same at each call."""
    chance = random.Random(6)
    yield from (chance.randbytes(size) for size in sizes)


def test_an_object_is_written_piece_by_piece_and_read_piece_by_piece(storage: ObjectStorage) -> None:
    sizes = (1, 5 << 20, 0, 9 << 20, 17)
    whole = b"".join(pieces(*sizes))
    written = storage.write_stream("large", pieces(*sizes))
    assert written == Written(len(whole), hashlib.sha256(whole).hexdigest())
    assert storage.size("large") == len(whole)
    read = list(storage.stream("large"))
    assert b"".join(read) == whole
    assert len(read) > 3
    assert max(map(len, read)) <= 4 << 20
    assert b"".join(storage.stream("large", 3 << 20, 6 << 20)) == whole[3 << 20 : 9 << 20]


def test_an_object_of_no_bytes_can_be_written_and_read(storage: ObjectStorage) -> None:
    assert storage.write_stream("empty", iter(())) == Written(0, hashlib.sha256().hexdigest())
    assert storage.size("empty") == 0
    assert list(storage.stream("empty")) == []


def test_what_breaks_off_while_it_is_written_is_not_there(storage: ObjectStorage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * (20 << 20)
        raise RuntimeError("the table was not to be had")

    storage.put("key", b"before")
    with pytest.raises(RuntimeError, match="not to be had"):
        storage.write_stream("key", broken())
    assert storage.get("key") == b"before"
    assert storage.keys("") == ["key"]


def test_a_range_is_read_and_one_beyond_the_end_is_an_error(storage: ObjectStorage) -> None:
    storage.put("key", b"0123456789")
    assert storage.read("key", 0, 10) == b"0123456789"
    assert storage.read("key", 7, 3) == b"789"
    assert storage.read("key", 7, 0) == b""
    for first, length in ((7, 4), (10, 1), (99, 5)):
        with pytest.raises(EOFError, match="key ends before"):
            storage.read("key", first, length)
        with pytest.raises(EOFError):
            list(storage.stream("key", first, length))


def test_of_what_is_not_there_nothing_can_be_read(storage: ObjectStorage) -> None:
    for ask in (storage.size, lambda key: storage.read(key, 0, 4), lambda key: list(storage.stream(key))):
        with pytest.raises(KeyError, match="nowhere"):
            ask("nowhere")


def test_a_disk_signs_nothing_and_neither_does_an_s3_that_clients_do_not_reach(
    storage: ObjectStorage,
) -> None:
    assert storage.sign("key", timedelta(hours=1)) is None


@pytest.fixture
def seen_from_outside(servers: Servers) -> ObjectStorage:
    """Asked at its address, as an API does that stands beside it; clients know it by another name."""
    outside = servers.s3.endpoint.replace("127.0.0.1", "localhost")
    url = servers.s3.url("sign ed/here").replace(" ", "%20")
    return open_storage(url, servers.s3.credentials, outside)


def test_a_presigned_url_is_fetched_from_outside_without_a_key(seen_from_outside: ObjectStorage) -> None:
    seen_from_outside.put("results/a/part-000000-1.parquet", b"0123456789")
    url = seen_from_outside.sign("results/a/part-000000-1.parquet", timedelta(hours=1))
    assert url
    assert urlsplit(url).hostname == "localhost"
    assert calls.get(url).content == b"0123456789"
    some = calls.get(url, headers={"Range": "bytes=2-4"})
    assert (some.status_code, some.content) == (206, b"234")


def test_a_presigned_url_is_for_one_object_one_host_and_one_while(seen_from_outside: ObjectStorage) -> None:
    for key in ("a", "b"):
        seen_from_outside.put(key, b"counts")
    url = httpx.URL(seen_from_outside.sign("a", timedelta(hours=1)) or "")
    assert calls.get(url).status_code == 200
    assert calls.get(url.copy_with(host="127.0.0.1")).status_code == 403
    assert calls.get(url.copy_with(raw_path=url.raw_path.replace(b"/a?", b"/b?"))).status_code == 403
    assert calls.request("PUT", url, content=b"others").status_code == 403
    short = seen_from_outside.sign("a", timedelta(seconds=1)) or ""
    time.sleep(2.1)
    assert calls.get(short).status_code == 403
    week = httpx.URL(seen_from_outside.sign("a", timedelta(days=30)) or "")
    assert week.params["X-Amz-Expires"] == "604800"
    assert calls.get(week).status_code == 200
