"""Resumable uploads, with a client of others and by hand: nothing is lost, doubled or mixed."""

from __future__ import annotations

import hashlib
import io
import random
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed

from shared.database.engines import transaction
from shared.database.queries.uploads import hold_upload
from shared.database.tables import Upload
from shared.sheets.body import PIECE_BYTES, body_pieces, piece_key, upload_prefix
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service
from tests.support.cutting import CuttingRelay, cutting
from tests.support.processes import wait_until

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}
MiB = 1 << 20


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def begin(api: Service, length: int, **headers: str) -> str:
    """The path of a new upload."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = api.call("POST", "/api/uploads", headers={**TUS, "Upload-Length": str(length), **named})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].removeprefix(api.url)


def send(api: Service, path: str, offset: int, content: bytes, **options: Any) -> httpx.Response:
    headers = {**TUS, **BYTES, "Upload-Offset": str(offset), **options.pop("headers", {})}
    return api.call("PATCH", path, headers=headers, content=content, **options)


def offset_of(api: Service, path: str) -> int:
    answer = api.call("HEAD", path, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def stored(api: Service, path: str, length: int) -> bytes:
    """The body, as whoever reads the query will see it; and nothing else lies beside it."""
    keys = api.storage.keys(upload_prefix(id_of(path)))
    assert sum(api.storage.size(key) for key in keys) == length
    return b"".join(body_pieces(api.storage, id_of(path), length))


def row_of(api: Service, path: str) -> Upload:
    with transaction(api.engine) as session:
        return session.get_one(Upload, id_of(path))


def uploader(server: str, key: str, content: bytes, **options: Any) -> Any:
    client = TusClient(f"{server}/api/uploads", headers={"Authorization": f"Bearer {key}"})
    return client.uploader(file_stream=io.BytesIO(content), **options)


@pytest.fixture
def relay(api: Service) -> Iterator[CuttingRelay]:
    with cutting(api.url) as made:
        yield made


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with checksums"])
@pytest.mark.parametrize("chunk", [3 * MiB, 40 * MiB])
def test_a_client_of_others_uploads_a_file(api: Service, chunk: int, checksum: bool) -> None:
    content = some_bytes(20 * MiB + 7)
    metadata = {"filename": "conditions é.csv", "filetype": "text/csv"}
    sending = uploader(
        api.url, api.key, content, chunk_size=chunk, metadata=metadata, upload_checksum=checksum
    )
    sending.upload()
    path = urlsplit(sending.url).path
    assert stored(api, path, len(content)) == content
    row = row_of(api, path)
    assert (row.length, row.received) == (len(content), len(content))
    assert (row.file_name, row.media_type) == ("conditions é.csv", "text/csv")
    assert max(map(api.storage.size, api.storage.keys(upload_prefix(row.id)))) <= PIECE_BYTES


def test_it_works_on_s3_too(serve: Serve, storage_url: str) -> None:
    content = some_bytes(9 * MiB)
    with serve(storage_url=storage_url) as api:
        sending = uploader(api.url, api.key, content, chunk_size=6 * MiB)
        sending.upload()
        assert stored(api, urlsplit(sending.url).path, len(content)) == content


def test_a_connection_that_breaks_is_carried_on_where_it_broke(api: Service) -> None:
    """What arrived before the break counts, though no piece of it was full."""
    content = some_bytes(11 * MiB)
    path = begin(api, len(content))
    with capture_logs() as logs:
        break_off(api, path, content, sent=9 * MiB + 123)
        wait_until(lambda: any(line.get("method") == "PATCH" for line in logs))  # It has ended.
    offset = offset_of(api, path)
    assert PIECE_BYTES <= offset <= 9 * MiB + 123
    sending = uploader(api.url, api.key, content, url=api.url + path, chunk_size=2 * MiB)
    assert sending.offset == offset
    sending.upload()
    assert stored(api, path, len(content)) == content


def break_off(api: Service, path: str, content: bytes, sent: int) -> None:
    """A PATCH of all of it whose connection is closed after some bytes."""
    where = urlsplit(api.url)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {BYTES['Content-Type']}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        connection.sendall(head.encode() + content[:sent])


def test_answers_that_never_come_lose_nothing(api: Service, relay: CuttingRelay) -> None:
    """The client asks where it was and goes on, as often as it takes."""
    content = some_bytes(5 * MiB)
    sending = uploader(relay.url, api.key, content, chunk_size=MiB)
    sending.set_url(relay.url + begin(api, len(content)))
    relay.most = 5
    for _ in range(3):
        with pytest.raises(TusUploadFailed):
            sending.upload_chunk()
        relay.most = None
        sending.offset = sending.get_offset()
        relay.most = 5
    assert sending.offset == 3 * MiB
    relay.most = None
    sending.upload()
    assert stored(api, urlsplit(sending.url).path, len(content)) == content


def test_of_two_writers_at_one_place_one_is_told_where_the_other_is(api: Service) -> None:
    """Each sends the same file in other cuts, at the same moment, again and again."""
    content = some_bytes(600_000)
    path = begin(api, len(content))
    together = threading.Barrier(2)

    def write(size: int) -> list[int]:
        answers = []
        while (offset := offset_of(api, path)) < len(content):
            together.wait(calls.PATIENCE)
            answers.append(send(api, path, offset, content[offset : offset + size]).status_code)
            together.wait(calls.PATIENCE)
        return answers

    with ThreadPoolExecutor(2) as pool:
        answers = [each.result() for each in [pool.submit(write, size) for size in (50_000, 70_001)]]
    assert {sorted(pair) == [204, 409] for pair in zip(*answers, strict=True)} == {True}
    assert stored(api, path, len(content)) == content


def test_bytes_that_do_not_begin_where_the_last_ones_ended_are_refused(api: Service) -> None:
    path = begin(api, 10)
    assert send(api, path, 0, b"01234").headers["upload-offset"] == "5"
    for offset in (0, 4, 6, 10):
        answer = send(api, path, offset, b"x")
        assert (answer.status_code, answer.json()["code"]) == (409, "upload_elsewhere")
        assert "5 bytes" in answer.json()["error"]
        assert answer.headers["tus-resumable"] == "1.0.0"
    assert send(api, path, 5, b"56789").status_code == 204
    assert stored(api, path, 10) == b"0123456789"


def test_a_crash_between_the_object_and_the_row_is_written_over(api: Service) -> None:
    """The row says what counts: the object that lies beyond it is another writer's, and goes."""
    path = begin(api, 10)
    send(api, path, 0, b"0123")
    api.storage.put(piece_key(id_of(path), 4), b"what a process had written when it died")
    assert offset_of(api, path) == 4
    assert send(api, path, 4, b"456").status_code == 204
    assert send(api, path, 7, b"789").status_code == 204
    assert stored(api, path, 10) == b"0123456789"


def test_a_writer_waits_for_the_row_before_it_writes(api: Service) -> None:
    """Somebody holds the row and moves it on: what comes meanwhile must not touch the storage."""
    path = begin(api, 10)
    upload = row_of(api, path)
    with ThreadPoolExecutor(1) as pool:
        with transaction(api.engine) as session:
            session.execute(hold_upload(upload.id, upload.workspace_id)).one()
            late = pool.submit(send, api, path, 0, b"late")
            time.sleep(0.5)
            assert api.storage.keys(upload_prefix(upload.id)) == []
            api.storage.put(piece_key(upload.id, 0), b"0123456")
            session.get_one(Upload, upload.id).received = 7
        assert late.result().status_code == 409
    assert send(api, path, 7, b"789").status_code == 204
    assert stored(api, path, 10) == b"0123456789"


def test_a_write_rides_out_a_database_that_hangs_up(api: Service) -> None:
    """The bytes were read already and could not be asked for again, so the write itself is tried again."""
    path = begin(api, 4)
    upload = row_of(api, path)
    with ThreadPoolExecutor(1) as pool:
        with transaction(api.engine) as session:
            session.execute(hold_upload(upload.id, upload.workspace_id)).one()
            writing = pool.submit(send, api, path, 0, b"0123")
            wait_until(lambda: hung_up(session))
        assert writing.result().status_code == 204
    assert stored(api, path, 4) == b"0123"


def hung_up(session: Session) -> bool:
    """Whether Postgres ended a connection that waits for a lock; a transaction would see its first look."""
    session.execute(text("SELECT pg_stat_clear_snapshot()"))
    hang_up = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return session.execute(hang_up).all() == [(True,)]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_more_than_the_announced_length_is_refused(api: Service, announced: bool) -> None:
    path = begin(api, 6)
    content = b"01234567"
    sent: Any = content if announced else iter([content[:5], content[5:]])
    answer = send(api, path, 0, sent)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "6 bytes" in answer.json()["error"]
    assert offset_of(api, path) == 0
    assert send(api, path, 0, content[:6]).headers["upload-offset"] == "6"


def test_an_upload_over_the_limit_is_refused_before_any_byte(serve: Serve) -> None:
    with serve(max_upload_bytes=1000) as api:
        answer = api.call("POST", "/api/uploads", headers={**TUS, "Upload-Length": "1001"})
        assert answer.status_code == 413
        for said in ("1,001", "1,000", "GENEQUEUE_MAX_UPLOAD_BYTES"):
            assert said in answer.json()["error"]
        assert calls.options(f"{api.url}/api/uploads").headers["tus-max-size"] == "1000"
        assert begin(api, 1000)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_bytes_with_another_checksum_are_not_kept(api: Service, algorithm: str) -> None:
    content = some_bytes(9 * MiB)
    path = begin(api, len(content))

    def checksum(of: bytes) -> dict[str, str]:
        return {"Upload-Checksum": f"{algorithm} {b64encode(hashlib.new(algorithm, of).digest()).decode()}"}

    wrong = send(api, path, 0, content, headers=checksum(content[1:]))
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
    assert api.storage.keys(upload_prefix(id_of(path))) == []
    assert offset_of(api, path) == 0
    assert send(api, path, 0, content, headers=checksum(content)).status_code == 204
    assert stored(api, path, len(content)) == content


@pytest.mark.parametrize(
    ("header", "said"),
    [("crc32 AAAA", "crc32"), ("sha1 AAAA", "3 bytes"), ("sha1 ??", "base64"), ("sha256", "0 bytes")],
)
def test_a_checksum_that_cannot_be_read_is_refused(api: Service, header: str, said: str) -> None:
    answer = send(api, begin(api, 1), 0, b"x", headers={"Upload-Checksum": header})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_an_upload_whose_time_is_over_is_gone(api: Service) -> None:
    path, day = begin(api, 4), 24 * 3600

    def waits() -> float:
        answer = api.call("HEAD", path, headers=TUS)
        return parsedate_to_datetime(answer.headers["upload-expires"]).timestamp() - time.time()

    assert waits() == pytest.approx(day, abs=60)
    let_it_wait(api, path, "1 h")
    assert waits() == pytest.approx(3600, abs=60)
    assert send(api, path, 0, b"01").status_code == 204
    assert waits() == pytest.approx(day, abs=60), "each piece gives it its whole time again"
    let_it_wait(api, path, "-1 s")
    assert api.call("HEAD", path, headers=TUS).status_code == 410
    late = send(api, path, 2, b"23")
    assert (late.status_code, late.json()["code"]) == (410, "upload_gone")
    assert api.call("DELETE", path, headers=TUS).status_code == 410


def let_it_wait(api: Service, path: str, time_left: str) -> None:
    with api.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE uploads SET expires_at = now() + %s::interval WHERE id = %s", (time_left, id_of(path))
        )


def test_uploads_of_other_workspaces_are_not_there(api: Service) -> None:
    path, theirs = begin(api, 4), api.new_key("uploads of others")
    assert api.call("HEAD", path, headers=TUS, key=theirs).status_code == 404
    assert send(api, path, 0, b"0123", key=theirs).json()["code"] == "upload_not_found"
    assert api.call("DELETE", path, headers=TUS, key=theirs).status_code == 404
    assert offset_of(api, path) == 0
    for none in (uuid4(), "nothing", "%00"):
        assert api.call("HEAD", f"/api/uploads/{none}", headers=TUS).status_code == 404
    assert calls.head(api.url + path, headers=TUS).status_code == 401


def test_what_was_given_up_is_removed(api: Service) -> None:
    path = begin(api, 4)
    send(api, path, 0, b"01")
    answer = api.call("DELETE", path, headers=TUS)
    assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
    assert api.storage.keys(upload_prefix(id_of(path))) == []
    assert send(api, path, 2, b"23").status_code == 404


def test_a_workspace_keeps_so_many_uploads_and_so_many_bytes_of_them(serve: Serve) -> None:
    """Whole ones too; what was ended or is over takes no room, nor does what other workspaces keep."""
    with serve(workspace_uploads=3, workspace_upload_bytes=100) as api:
        first, whole, _ = begin(api, 60), begin(api, 4), begin(api, 0)
        assert send(api, whole, 0, b"0123").status_code == 204
        let_it_wait(api, first, "1 h")
        full = refused(api, 1)
        assert "keeps 3 uploads already; the most is 3 (GENEQUEUE_WORKSPACE_UPLOADS)" in full
        ends = row_of(api, first).expires_at.astimezone(UTC)
        assert (
            f"DELETE /api/uploads/<id>, or wait until the next is deleted, at {ends:%Y-%m-%d %H:%M} UTC"
            in full
        )
        assert begin_as(api, api.new_key("with room of their own"), 100).status_code == 201
        api.call("DELETE", whole, headers=TUS)
        assert "2 uploads of 60 bytes; with the 41 of this one they would be more than 100" in refused(
            api, 41
        )
        let_it_wait(api, first, "-1 s")
        begin(api, 100)
        alone = begin_as(api, api.key, 101)
        assert (alone.status_code, alone.json()["code"]) == (400, "invalid_input")
        assert "101 bytes; a workspace keeps 100 at most" in alone.json()["error"]
        limits = {limit["name"]: limit["value"] for limit in api.get("/api/limits").json()["limits"]}
        assert (limits["workspace_uploads"], limits["workspace_upload_bytes"]) == (3, 100)


def begin_as(api: Service, key: str, length: int) -> httpx.Response:
    return api.call("POST", "/api/uploads", key=key, headers={**TUS, "Upload-Length": str(length)})


def refused(api: Service, length: int) -> str:
    """Why no upload of that length is begun; nothing of it is kept."""
    answer = begin_as(api, api.key, length)
    assert (answer.status_code, answer.json()["code"]) == (429, "uploads_full")
    assert answer.headers["retry-after"] == "30"
    return str(answer.json()["error"])


def test_the_first_bytes_may_come_along(api: Service) -> None:
    headers = {**TUS, **BYTES, "Upload-Length": "10"}
    answer = api.call("POST", "/api/uploads", headers=headers, content=b"0123456")
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "7")
    path = answer.headers["location"].removeprefix(api.url)
    assert send(api, path, 7, b"789").headers["upload-offset"] == "10"
    assert stored(api, path, 10) == b"0123456789"


def test_an_empty_upload_is_whole_at_once(api: Service) -> None:
    path = begin(api, 0)
    assert offset_of(api, path) == 0
    assert send(api, path, 0, b"").status_code == 204
    assert stored(api, path, 0) == b""


def test_what_was_announced_is_told_again(api: Service) -> None:
    metadata = (
        f"filename {b64encode(b'a.csv').decode()},is_confidential,filetype {b64encode(b'text/csv').decode()}"
    )
    answer = api.call("HEAD", begin(api, 4, Upload_Metadata=metadata), headers=TUS)
    assert set(answer.headers["upload-metadata"].split(",")) == set(metadata.split(","))
    assert answer.headers["upload-length"] == "4"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("length", "metadata", "said"),
    [
        (None, "", "Upload-Length"),
        ("-1", "", "Upload-Length"),
        ("1e3", "", "Upload-Length"),
        ("9" * 30, "", "Upload-Length"),
        ("4", "filename ???", "base64"),
        ("4", "filename /w==", "UTF-8"),
        ("4", f"filename {b64encode(b'a' * 256).decode()}", "255"),
        ("4", f"filename {b64encode(b'a' + bytes([0])).decode()}", "printable"),
        ("4", "a YQ==,a YQ==", "twice"),
        ("4", "x" * 5000, "4,096"),
    ],
)
def test_a_creation_with_faults_is_refused(
    api: Service, length: str | None, metadata: str, said: str
) -> None:
    headers = {**TUS, "Upload-Metadata": metadata} | ({"Upload-Length": length} if length else {})
    answer = api.call("POST", "/api/uploads", headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_another_version_of_the_protocol_is_refused_with_ours(api: Service) -> None:
    path = begin(api, 4)
    for method, where in (("POST", "/api/uploads"), ("HEAD", path), ("PATCH", path), ("DELETE", path)):
        for headers in ({}, {"Tus-Resumable": "0.2.2"}):
            answer = api.call(method, where, headers={"Upload-Length": "4", **headers})
            assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")


def test_bytes_of_another_media_type_are_refused(api: Service) -> None:
    answer = send(api, begin(api, 4), 0, b"0123", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (415, "media_type_refused")


def test_who_can_send_no_patch_says_so_in_a_header(api: Service) -> None:
    path = begin(api, 4)
    headers = {**TUS, **BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert api.call("POST", path, headers=headers, content=b"0123").status_code == 204
    assert stored(api, path, 4) == b"0123"


def test_options_says_what_uploads_can_do_to_anybody(api: Service) -> None:
    answer = calls.options(f"{api.url}/api/uploads")
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    extensions = set(answer.headers["tus-extension"].split(","))
    assert extensions == {"creation", "creation-with-upload", "expiration", "termination", "checksum"}
    assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")
    assert answer.headers["tus-max-size"] == str(api.settings.max_upload_bytes)
