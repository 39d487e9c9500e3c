"""Parts as files: listed while the job runs, fetched whole or in ranges, and never short without notice."""

from __future__ import annotations

import hashlib
import io
import random
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import obstore
import pyarrow.parquet as pq
import pytest

from shared.database.engines import transaction
from shared.database.tables import Artifact
from shared.links import LinkSigner, artifact, part, report
from shared.storage.reports import report_key
from shared.webhooks.keys import PublicKey
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import SECRET, Service
from tests.support.cutting import CuttingRelay, cutting
from tests.support.jobs import read_chunks, read_job
from tests.support.servers import Servers


def listed(api: Service, job_id: UUID, **options: Any) -> dict[str, Any]:
    answer = api.get(f"/api/model-queries/{job_id}/parts", **options)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def digest_header(content: bytes) -> str:
    return f"sha-256=:{b64encode(hashlib.sha256(content).digest()).decode()}:"


def read_into(received: bytearray, url: str, headers: Mapping[str, str]) -> None:
    """What arrives, however the connection ends."""
    with calls.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            received += piece


@pytest.fixture
def relay(api: Service) -> Iterator[CuttingRelay]:
    with cutting(api.url) as made:
        yield made


@pytest.fixture
def url(api: Service) -> str:
    """Of the only part of a job of three samples."""
    (only,) = listed(api, api.finished(3))["parts"]
    return str(only["url"])


def test_parts_are_listed_as_soon_as_they_are_done(serve: Serve) -> None:
    with serve(samples_per_chunk=2) as api:
        job_id = api.submit(5)
        assert listed(api, job_id) == {"status": "queued", "complete": False, "manifest": None, "parts": []}
        chunks = api.completer.claim(10)
        api.completer.complete(chunks[1])
        body = listed(api, job_id)
        assert (body["status"], body["complete"], body["manifest"]) == ("running", False, None)
        assert [(one["position"], one["first_sample"], one["num_samples"]) for one in body["parts"]] == [
            (1, 2, 2)
        ]
        assert pq.read_table(io.BytesIO(calls.get(body["parts"][0]["url"]).content)).num_rows == 2
        api.completer.complete(chunks[0])
        api.completer.complete(chunks[2])
        body = listed(api, job_id)
        assert (body["status"], body["complete"]) == ("ready", True)
        assert [one["first_sample"] for one in body["parts"]] == [0, 2, 4]
        assert body["manifest"] == f"{api.url}/api/model-queries/{job_id}/manifest"


def test_a_part_is_what_was_stored_and_says_so(api: Service) -> None:
    job_id = api.finished(3)
    (only,) = listed(api, job_id)["parts"]
    (chunk,) = read_chunks(api.engine, job_id)
    stored = api.storage.get(chunk.part_key or "")
    answer = calls.get(only["url"], headers={"Accept-Encoding": "gzip, br, zstd"})
    assert (answer.status_code, answer.content) == (200, stored)
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-length"] == str(len(stored)) == str(only["bytes"])
    assert answer.headers["repr-digest"] == digest_header(stored)
    assert answer.headers["etag"] == f'"{hashlib.sha256(stored).hexdigest()}"' == f'"{only["sha256"]}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-encoding" not in answer.headers
    assert "no-transform" in answer.headers["cache-control"]


def test_head_says_the_same_without_the_bytes(url: str) -> None:
    whole, head = calls.get(url), calls.head(url, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-length", "etag", "repr-digest", "accept-ranges", "content-type")
    assert [head.headers[name] for name in same] == [whole.headers[name] for name in same]


def test_a_range_is_sent_with_the_digest_of_the_whole(url: str) -> None:
    whole = calls.get(url)
    size = len(whole.content)
    for asked, first, end in (
        ("0-0", 0, 1),
        ("10-99", 10, 100),
        (f"{size - 5}-", size - 5, size),
        ("-7", size - 7, size),
    ):
        answer = calls.get(url, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, whole.content[first:end])
        assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
        assert answer.headers["content-length"] == str(end - first)
        assert answer.headers["repr-digest"] == whole.headers["repr-digest"]


def test_a_range_beyond_the_end_is_416_and_says_the_size(url: str) -> None:
    size = len(calls.get(url).content)
    answer = calls.get(url, headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    assert answer.json()["code"] == "range_unsatisfiable"


def test_several_ranges_are_answered_with_the_whole(url: str) -> None:
    assert calls.get(url, headers={"Range": "bytes=0-1,4-5"}).content == calls.get(url).content


def test_what_a_caller_has_already_is_not_sent_again(url: str) -> None:
    tag = calls.get(url).headers["etag"]
    for method in ("GET", "HEAD"):
        answer = calls.request(
            method, url, headers={"If-None-Match": f'"other", {tag}', "Range": "bytes=0-1"}
        )
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert calls.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_download_of_another_file_is_not_carried_on(url: str) -> None:
    tag = calls.get(url).headers["etag"]
    carried_on = calls.get(url, headers={"Range": "bytes=5-", "If-Range": tag})
    begun_anew = calls.get(url, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (carried_on.status_code, begun_anew.status_code) == (206, 200)


def test_a_part_that_is_cut_at_any_byte_is_noticed_and_carried_on(api: Service, relay: CuttingRelay) -> None:
    """Beside what lies in the storage: as often as the connection breaks, the bytes in the end are those."""
    only = listed(api, api.finished(4))["parts"][0]
    path = only["url"].removeprefix(api.url)
    close = {"Connection": "close"}
    whole = calls.get(relay.url + path, headers=close)
    size, chance = relay.carried, random.Random(29)
    for _ in range(12):
        received = bytearray()
        relay.most, relay.reset = chance.randrange(1, size), chance.random() < 0.5
        with pytest.raises(httpx.TransportError):
            read_into(received, relay.url + path, close)
        relay.most = None
        on = {"Range": f"bytes={len(received)}-", "If-Range": whole.headers["etag"], **close}
        received += calls.get(relay.url + path, headers=on).content
        assert digest_header(bytes(received)) == whole.headers["repr-digest"]


@pytest.mark.parametrize("harm", ["missing", "short", "changed"])
def test_a_damaged_part_is_an_error_answer(api: Service, harm: str) -> None:
    job_id = api.finished(3)
    (only,) = listed(api, job_id)["parts"]
    (chunk,) = read_chunks(api.engine, job_id)
    data = api.storage.get(chunk.part_key or "")
    if harm == "missing":
        obstore.delete(api.storage.store, chunk.part_key or "")
    else:
        api.storage.put(chunk.part_key or "", data[:-1] if harm == "short" else b"PAR2" + data[4:])
    answer = calls.get(only["url"])
    assert (answer.status_code, answer.json()["code"]) == (500, "result_damaged")
    assert calls.head(only["url"]).status_code == (200 if harm == "changed" else 500)


def test_a_large_file_that_was_changed_breaks_the_connection_off(api: Service) -> None:
    """Its digest is known at its end only; the last piece is kept back, and the length was announced."""
    job_id = api.finished(3)
    (only,) = listed(api, job_id)["parts"]
    (chunk,) = read_chunks(api.engine, job_id)
    large = random.Random(1).randbytes(9 << 20)
    api.storage.put(chunk.part_key or "", large)
    with api.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE chunks SET part_bytes = %s, part_sha256 = %s WHERE id = %s",
            (len(large), hashlib.sha256(large).hexdigest(), chunk.id),
        )
    assert calls.get(only["url"]).content == large
    api.storage.put(chunk.part_key or "", large[:-1] + bytes([large[-1] ^ 1]))
    received = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        read_into(received, only["url"], {})
    assert 0 < len(received) < len(large)


def test_a_link_is_for_one_part_only(serve: Serve) -> None:
    with serve(samples_per_chunk=2) as api:
        job_id = api.finished(4)
        first, second = (httpx.URL(one["url"]) for one in listed(api, job_id)["parts"])
        crossed = first.copy_with(path=second.path, query=first.query)
        for refused in (crossed, first.copy_with(query=None), first.copy_set_param("expires", "9999999999")):
            answer = calls.get(refused)
            assert (answer.status_code, answer.json()["code"]) == (403, "link_rejected")
            assert f"/api/model-queries/{job_id}/parts" in answer.json()["error"]


def test_of_a_part_that_is_not_there_nothing_is_sent(api: Service) -> None:
    signer = LinkSigner(SECRET.encode(), api.settings.link_lifetime)
    job_id = api.submit(3)
    for position in (0, 7, -1, 10**12):
        answer = calls.get(api.url + signer.path(part(job_id, position)))
        assert (answer.status_code, answer.json()["code"]) == (404, "stored_file_not_found")


def test_parts_of_other_workspaces_and_of_what_failed_are_not_listed(api: Service) -> None:
    job_id = api.finished(2)
    theirs = api.new_key("parts of others")
    for path in ("parts", "manifest", "genes"):
        assert api.get(f"/api/model-queries/{job_id}/{path}", key=theirs).status_code == 404
    failed = api.submit(2)
    assert api.get(f"/api/model-queries/{failed}/manifest").status_code == 409
    api.completer.fail(failed, "It broke.")
    for path in ("parts", "manifest"):
        answer = api.get(f"/api/model-queries/{failed}/{path}")
        assert (answer.status_code, "It broke." in answer.json()["error"]) == (409, True)


def test_parts_of_a_result_that_was_deleted_are_gone(api: Service) -> None:
    job_id = api.finished(2)
    (only,) = listed(api, job_id)["parts"]
    assert api.call("DELETE", f"/api/model-queries/{job_id}").status_code == 204
    assert api.get(f"/api/model-queries/{job_id}/parts").status_code == 410
    assert api.get(f"/api/model-queries/{job_id}/manifest").status_code == 410
    assert calls.get(only["url"]).status_code == 410


def test_where_clients_reach_the_storage_they_fetch_from_there(serve: Serve, servers: Servers) -> None:
    """The addresses are signed for the name by which clients know the storage, and hold without any key."""
    place = servers.s3
    given = {
        "storage_url": place.url(uuid4().hex),
        "AWS_ACCESS_KEY_ID": place.access_key_id,
        "AWS_SECRET_ACCESS_KEY": place.secret_access_key,
    }
    outside = place.endpoint.replace("127.0.0.1", "localhost")
    with serve(**given, storage_public_endpoint=outside) as api:
        (only,) = listed(api, api.finished(3))["parts"]
        assert only["url"].startswith(f"{outside}/")
        fetched = calls.get(only["url"])
        assert (fetched.status_code, hashlib.sha256(fetched.content).hexdigest()) == (200, only["sha256"])
        assert calls.get(only["url"], headers={"Range": "bytes=0-3"}).content == b"PAR1"
        assert link_to_a_made_file(api, b"made").startswith(f"{outside}/")
    with serve(**given) as api:
        assert link_to_a_made_file(api, b"made").startswith(f"{api.url}/api/downloads/")
        (only,) = listed(api, api.finished(3))["parts"]
        assert only["url"].startswith(f"{api.url}/api/downloads/")
        assert hashlib.sha256(calls.get(only["url"]).content).hexdigest() == only["sha256"]


def link_to_a_made_file(api: Service, content: bytes) -> str:
    """The link that the API gives to a file of a result; it leads to these bytes."""
    job_id = api.finished(1)
    key = f"results/{job_id}/made.parquet"
    api.storage.put(key, content)
    with transaction(api.engine) as session:
        session.add(
            Artifact(job_id=job_id, kind="export", request={}, digest="d", state="ready", key=key, bytes=4)
        )
    (made,) = api.get(f"/api/model-queries/{job_id}/artifacts").json()["artifacts"]
    link: str = made["links"]["download"]
    assert calls.get(link).content == content
    return link


def test_a_manifest_is_the_stored_bytes_under_a_signature(api: Service) -> None:
    job_id = api.finished(4)
    answer = api.get(f"/api/model-queries/{job_id}/manifest")
    job = read_job(api.engine, job_id)
    assert answer.status_code == 200
    assert answer.content == api.storage.get(job.manifest_key or "")
    assert hashlib.sha256(answer.content).hexdigest() == job.manifest_sha256
    assert answer.headers["repr-digest"] == digest_header(answer.content)
    (key,) = calls.get(f"{api.url}/.well-known/genequeue-webhooks.json").json()["keys"]
    signature, key_id = read_signature(answer.headers["genequeue-signature"])
    assert key_id == key["key"]
    assert PublicKey.read(key_id).accepts(signature, answer.content)
    assert not PublicKey.read(key_id).accepts(signature, answer.content + b" ")
    (entry,) = answer.json()["parts"]
    (only,) = listed(api, job_id)["parts"]
    assert (entry["sha256"], entry["bytes"]) == (only["sha256"], only["bytes"])
    again = api.get(
        f"/api/model-queries/{job_id}/manifest", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_genes_are_sent_as_the_manifest_signs_them(api: Service) -> None:
    job_id = api.finished(2)
    answer = api.get(f"/api/model-queries/{job_id}/genes")
    signed = api.get(f"/api/model-queries/{job_id}/manifest").json()["genes_sha256"]
    assert hashlib.sha256(answer.content).hexdigest() == signed
    assert (answer.headers["repr-digest"], answer.headers["etag"]) == (
        digest_header(answer.content),
        f'"{signed}"',
    )
    head, first, *_ = answer.text.splitlines()
    assert (head, first) == ("ensembl_id,symbol,biotype,length", "ENSG00000000001,GENE1,protein_coding,1000")
    again = {"If-None-Match": answer.headers["etag"]}
    assert api.get(f"/api/model-queries/{job_id}/genes", headers=again).status_code == 304


def read_signature(header: str) -> tuple[bytes, str]:
    """The bytes of the signature, and the public key that it names."""
    found = re.fullmatch(r'ed25519=:([A-Za-z0-9+/=]+):;keyid="(whpk_[^"]+)"', header)
    assert found
    return b64decode(found[1]), found[2]


def test_a_manifest_that_was_changed_is_not_signed_and_not_sent(api: Service) -> None:
    job_id = api.finished(2)
    key = read_job(api.engine, job_id).manifest_key or ""
    api.storage.put(key, api.storage.get(key).replace(b'"num_samples": 2', b'"num_samples": 3', 1))
    answer = api.get(f"/api/model-queries/{job_id}/manifest")
    assert (answer.status_code, answer.json()["code"]) == (500, "result_damaged")
    assert "genequeue-signature" not in answer.headers


def test_a_manifest_whose_digest_was_not_kept_is_sent_without_a_signature(api: Service) -> None:
    job_id = api.finished(2)
    with api.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET manifest_sha256 = NULL WHERE id = %s", (job_id,))
    answer = api.get(f"/api/model-queries/{job_id}/manifest")
    assert answer.status_code == 200
    assert "genequeue-signature" not in answer.headers


def test_a_file_made_of_a_result_is_fetched_over_its_link_once_it_is_ready(api: Service) -> None:
    job_id, content = api.finished(2), b"PAR1 and more"
    api.storage.put(f"results/{job_id}/made.parquet", content)
    with transaction(api.engine) as session:
        made = Artifact(job_id=job_id, kind="export", request={}, digest="d")
        session.add(made)
        session.flush()
        link = api.url + LinkSigner(SECRET.encode(), api.settings.link_lifetime).path(artifact(made.id))
    assert calls.get(link).status_code == 404
    with transaction(api.engine) as session:
        row = session.get_one(Artifact, made.id)
        row.state, row.key, row.bytes = "ready", f"results/{job_id}/made.parquet", len(content)
        row.sha256, row.media_type, row.file_name = hashlib.sha256(content).hexdigest(), "a/b", "made.parquet"
    answer = calls.get(link)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, "a/b")
    assert answer.headers["repr-digest"] == digest_header(content)
    assert answer.headers["content-disposition"] == 'attachment; filename="made.parquet"'
    assert calls.get(link, headers={"Range": "bytes=0-3"}).content == b"PAR1"


def test_a_report_is_fetched_over_its_link_until_it_is_deleted(api: Service) -> None:
    report_id, lines = uuid4(), b'{"line": 3}\n' * 9
    api.storage.put(report_key(report_id), lines)
    link = api.url + LinkSigner(SECRET.encode(), api.settings.report_lifetime).path(report(report_id))
    answer = calls.get(link)
    assert (answer.status_code, answer.content) == (200, lines)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert calls.get(link, headers={"Range": "bytes=0-11"}).content == lines[:12]
    assert calls.get(link.replace(str(report_id), str(uuid4()))).status_code == 403
    api.storage.delete([report_key(report_id)])
    gone = calls.get(link)
    assert (gone.status_code, gone.json()["code"]) == (404, "stored_file_not_found")
