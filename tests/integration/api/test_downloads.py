"""Results as they are sent: links, forms, and never a short one that looks whole."""

from __future__ import annotations

import gzip
import io
import json
import time
from pathlib import Path
from uuid import UUID

import httpx
import obstore
import pyarrow as pa
import pytest

from shared.links import LinkSigner, result
from shared.storage.objects import ObjectStorage
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import SECRET, Service
from tests.support.catalogs import LIVER, unread_model
from tests.support.jobs import read_chunks


def rows_of(content: bytes) -> list[list[int]]:
    return [output["counts"] for output in json.loads(content)["outputs"]]


def expected_rows(samples: int) -> list[list[int]]:
    return [[1000 * sample + gene for gene in range(50)] for sample in range(samples)]


def part_keys(api: Service, job_id: UUID) -> list[str]:
    return [chunk.part_key or "" for chunk in read_chunks(api.engine, job_id)]


def damage(storage: ObjectStorage, key: str) -> None:
    """Change one byte in the middle of an object."""
    data = bytearray(storage.get(key))
    data[len(data) // 2] ^= 1
    storage.put(key, bytes(data))


def test_the_result_is_the_same_from_local_disk_and_from_s3(serve: Serve, storage_url: str) -> None:
    with serve(storage_url=storage_url) as api:
        link = api.download_url(api.finished(5, 6))
        answer = calls.get(link)
        assert answer.status_code == 200
        content = answer.json()
        assert list(content) == ["gene_order", "model_version", "outputs"]
        assert content["gene_order"] == [f"ENSG{number:011d}" for number in range(1, 51)]
        assert rows_of(answer.content) == expected_rows(11)


def test_every_row_says_what_it_is(api: Service) -> None:
    output = calls.get(api.download_url(api.finished(1))).json()["outputs"][0]
    assert list(output) == ["counts", "metadata", "latents"]
    assert output["metadata"]["tissue_ontology_id"] == LIVER
    assert output["metadata"]["sex"] == ""
    assert output["metadata"]["modality"] == "bulk"
    assert output["latents"].keys() == {"biological", "technical", "perturbation"}


def test_json_is_zipped_only_for_those_who_read_gzip(api: Service) -> None:
    link = api.download_url(api.finished(9))
    plain = calls.get(link, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with calls.stream("GET", link, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        zipped = b"".join(answer.iter_raw())
    assert len(zipped) < len(plain.content) / 2
    assert gzip.decompress(zipped) == plain.content


@pytest.mark.parametrize(
    ("query", "accept", "form"),
    [
        ("", "*/*", "arrow"),
        ("", "application/vnd.apache.arrow.stream", "arrow"),
        ("", "application/json", "json"),
        ("?format=json", "application/vnd.apache.arrow.stream", "json"),
        ("?format=arrow", "application/json", "arrow"),
    ],
)
def test_the_result_comes_in_the_form_that_was_asked_for(
    api: Service, query: str, accept: str, form: str
) -> None:
    job_id = api.finished(6)
    answer = api.get(f"/api/model-queries/{job_id}/result{query}", headers={"Accept": accept})
    assert answer.status_code == 200
    if form == "json":
        assert rows_of(answer.content) == expected_rows(6)
    else:
        table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
        assert table.column("counts").to_pylist() == expected_rows(6)


def test_an_unknown_form_is_refused_and_named(api: Service) -> None:
    answer = api.get(f"/api/model-queries/{api.finished(1)}/result?format=xlsx")
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["path"] == "format"
    assert "xlsx" in fault["message"]


def test_a_result_that_is_not_ready_is_409_and_says_how_far_it_is(api: Service) -> None:
    job_id = api.submit(3)
    answer = api.get(f"/api/model-queries/{job_id}/result")
    assert answer.status_code == 409
    assert "0 of 3 samples" in answer.json()["error"]
    api.completer.fail(job_id, "It broke.")
    assert "It broke." in api.get(f"/api/model-queries/{job_id}/result").json()["error"]


def test_a_link_that_was_altered_is_403(api: Service) -> None:
    ours, other = api.finished(1), api.finished(1)
    link = httpx.URL(api.download_url(ours))
    altered = [
        link.copy_with(path=f"/api/downloads/{other}"),
        link.copy_set_param("expires", str(int(link.params["expires"]) + 1)),
        link.copy_set_param("expires", "later"),
        link.copy_set_param("signature", "0" * 64),
        link.copy_set_param("signature", "é"),
        link.copy_remove_param("signature"),
        link.copy_with(query=None),
    ]
    for url in altered:
        answer = calls.get(url)
        assert answer.status_code == 403
        assert answer.json()["code"] == "link_rejected"
        assert "status again" in answer.json()["error"]


def test_an_expired_link_is_403_and_a_fresh_one_works(api: Service) -> None:
    job_id = api.finished(1)
    lifetime = api.settings.link_lifetime
    yesterday = LinkSigner(SECRET.encode(), lifetime, clock=lambda: time.time() - 86_400)
    answer = calls.get(api.url + yesterday.path(result(job_id)))
    assert answer.status_code == 403
    assert "expired" in answer.json()["error"]
    assert calls.get(api.download_url(job_id)).status_code == 200


def test_a_missing_first_part_is_an_error_answer(api: Service) -> None:
    job_id = api.finished(9)
    link = api.download_url(job_id)
    obstore.delete(api.storage.store, part_keys(api, job_id)[0])
    answer = calls.get(link)
    assert answer.status_code == 500
    assert answer.json()["code"] == "result_damaged"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_damaged_later_part_drops_the_connection(api: Service, harm: str, encoding: str) -> None:
    job_id = api.finished(12)
    link = api.download_url(job_id)
    last = part_keys(api, job_id)[-1]
    if harm == "missing":
        obstore.delete(api.storage.store, last)
    else:
        damage(api.storage, last)
    received = bytearray()
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        read_into(received, link, encoding)
    assert received


def read_into(received: bytearray, link: str, encoding: str) -> None:
    with calls.stream("GET", link, headers={"Accept-Encoding": encoding}) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            received += piece


def test_arrow_is_dropped_too(api: Service) -> None:
    job_id = api.finished(12)
    damage(api.storage, part_keys(api, job_id)[-1])
    with pytest.raises(httpx.RemoteProtocolError):
        api.get(f"/api/model-queries/{job_id}/result")


def test_a_result_of_weights_that_are_gone_is_not_labelled_with_other_genes(
    serve: Serve, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    unread_model(models)
    with serve(models_dir=models) as api:
        job_id = api.finished(1)
        assert calls.get(api.download_url(job_id)).status_code == 200
    unread_model(models, weights=b"other weights")
    with serve(models_dir=models) as api:
        answer = calls.get(api.download_url(job_id))
        assert answer.status_code == 409
        assert "version 1 of gem-1-bulk" in answer.json()["error"]
