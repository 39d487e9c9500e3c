"""Results by form and selection, files that are made of them, summaries and comparisons: over real HTTP."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import anndata
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support import calls
from tests.support.api import Service
from tests.support.processes import wait_until
from tests.support.workshops import workshop

GENES = 50


@pytest.fixture(scope="module", autouse=True)
def making(api: Service) -> Iterator[None]:
    """Artifacts are made while the tests of this module run."""
    with workshop(api.settings.database_url.get_secret_value(), api.settings.storage_url):
        yield


@pytest.fixture(scope="module")
def job_id(api: Service) -> UUID:
    """Three inputs of 3, 4 and 5 samples, done; the count of gene g in sample s is 1000 s + g."""
    return api.finished(3, 4, 5)


def made(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer to what is asked again for as long as it says that the file is being made."""
    answers: list[httpx.Response] = []

    def is_there() -> bool:
        answers.append(ask())
        return answers[-1].status_code != HTTPStatus.ACCEPTED

    wait_until(is_there, calls.PATIENCE)
    return answers[-1]


def fetch(api: Service, job_id: UUID, **wanted: Any) -> httpx.Response:
    return made(lambda: api.get(f"/api/model-queries/{job_id}/result", params=wanted))


def expected(rows: range = range(12), genes: range = range(GENES)) -> np.ndarray:
    return 1000 * np.array(rows)[:, None] + np.array(genes)[None, :]


def test_json_of_some_genes_and_inputs_has_those_alone(api: Service, job_id: UUID) -> None:
    some = fetch(api, job_id, format="json").json()["gene_order"][3:5]
    content = fetch(api, job_id, format="json", genes=",".join(some), inputs="1").json()
    assert content["gene_order"] == some
    assert [row["counts"] for row in content["outputs"]] == expected(range(3, 7), range(3, 5)).tolist()
    assert "latents" not in content["outputs"][0]


def test_an_arrow_stream_of_some_columns_has_those_alone(api: Service, job_id: UUID) -> None:
    table = pa.ipc.open_stream(fetch(api, job_id, columns="tissue_ontology_id,latents").content).read_all()
    assert table.num_rows == 12
    assert table.column_names[0] == "metadata"
    assert "counts" not in table.column_names


def test_csv_has_a_line_a_sample(api: Service, job_id: UUID) -> None:
    answer = api.get(f"/api/model-queries/{job_id}/result", headers={"accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(answer.text)))
    assert len(lines) == 13
    assert [int(number) for number in lines[1][-GENES:]] == expected(range(1))[0].tolist()


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"genes": "NO_SUCH_GENE"}, "genes"),
        ({"columns": "cuonts"}, "columns"),
        ({"inputs": "7-3"}, "inputs"),
        ({"inputs": "99"}, ""),
    ],
)
def test_what_there_is_not_is_refused_by_name(
    api: Service, job_id: UUID, wanted: dict[str, str], path: str
) -> None:
    answer = fetch(api, job_id, **wanted)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == path


def test_the_parquet_file_has_all_samples_and_says_what_it_is(api: Service, job_id: UUID) -> None:
    answer = fetch(api, job_id, format="parquet")
    assert answer.status_code == 200, answer.text
    table = pq.read_table(io.BytesIO(answer.content))
    assert np.array_equal(np.stack(table["counts"].to_pylist()), expected())
    assert int(answer.headers["content-length"]) == len(answer.content)
    digest = b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"


def test_a_range_of_a_file_is_a_piece_of_it(api: Service, job_id: UUID) -> None:
    whole = fetch(api, job_id, format="parquet").content
    route = f"/api/model-queries/{job_id}/result?format=parquet"
    part = api.get(route, headers={"range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, whole[4:10])
    head = api.call("HEAD", route)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole)))
    assert head.content == b""


def test_the_h5ad_of_a_selection_opens_as_anndata(api: Service, job_id: UUID, tmp_path: Path) -> None:
    ids = fetch(api, job_id, format="json").json()["gene_order"]
    answer = fetch(api, job_id, format="h5ad", genes=",".join(ids[:4]), inputs="0,2", columns="counts,sex")
    (tmp_path / "result.h5ad").write_bytes(answer.content)
    data = anndata.read_h5ad(tmp_path / "result.h5ad")
    rows = [*range(3), *range(7, 12)]
    assert np.array_equal(data.X, expected(rows, range(4)))  # type: ignore[arg-type]
    assert data.var_names.tolist() == ids[:4]
    assert data.uns["genequeue"]["id"] == str(job_id)


def test_the_archive_holds_what_10x_tools_read(api: Service, job_id: UUID) -> None:
    answer = fetch(api, job_id, format="mtx")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert set(archive.namelist()) == {
            "matrix.mtx.gz",
            "features.tsv.gz",
            "barcodes.tsv.gz",
            "metadata.tsv.gz",
        }


def test_the_same_file_twice_is_made_once(api: Service, job_id: UUID) -> None:
    before = fetch(api, job_id, format="h5ad")
    after = fetch(api, job_id, format="h5ad")
    assert before.headers["etag"] == after.headers["etag"]
    route = f"/api/model-queries/{job_id}/artifacts"
    whole = [each for each in api.get(route).json()["artifacts"] if each["sha256"] in before.headers["etag"]]
    assert len(whole) == 1


def test_whoever_does_not_wait_is_told_where_to_ask(api: Service) -> None:
    job_id = api.finished(2)
    answer = api.get(f"/api/model-queries/{job_id}/result?format=h5ad", headers={"prefer": "respond-async"})
    assert answer.status_code == 202
    where = answer.headers["location"].removeprefix(api.url)
    assert answer.json()["artifact"]["links"]["self"].endswith(where)
    wait_until(lambda: api.get(where, params={"wait": 20}).json()["state"] == "ready", calls.PATIENCE)
    file = api.get(where).json()
    assert (file["state"], file["progress"]["percent"]) == ("ready", 100.0)
    # The link needs no key.
    content = calls.get(file["links"]["download"]).content
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert fetch(api, job_id, format="h5ad").content == content


def test_a_summary_looks_at_all_samples(api: Service, job_id: UUID) -> None:
    answer = made(lambda: api.get(f"/api/model-queries/{job_id}/summary"))
    assert answer.status_code == 200, answer.text
    summary = answer.json()
    assert summary["samples"] == 12
    assert summary["library_size"]["max"] == expected().sum(1).max()
    assert len(summary["projection"]["points"]) == 12


def test_a_comparison_names_every_gene(api: Service, job_id: UUID) -> None:
    route = f"/api/model-queries/{job_id}/compare"
    body = {"a": {"inputs": "0"}, "b": {"inputs": [1, 2]}}
    answer = made(lambda: api.call("POST", route, json=body))
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert [content["groups"][name]["samples"] for name in "ab"] == [3, 9]
    assert len(content["genes"]) == GENES
    table = pq.read_table(
        io.BytesIO(made(lambda: api.call("POST", route, json=body, params={"format": "parquet"})).content)
    )
    assert table.to_pylist() == content["genes"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"a": {"inputs": "0"}, "b": {"inputs": "0-1"}}, 409, "in both groups"),
        ({"a": {"inputs": "0"}, "b": {"inputs": "77"}}, 409, "Group b (inputs 77) has no samples"),
        ({"a": {"metadata": {"sexx": "male"}}, "b": {"inputs": "0"}}, 422, "Did you mean sex?"),
        ({"a": {}, "b": {"inputs": "0"}}, 422, "Name inputs, custom_ids or metadata"),
        ({"a": {"inputs": "0"}}, 422, "b"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(
    api: Service, job_id: UUID, body: dict[str, Any], status: int, says: str
) -> None:
    answer = made(lambda: api.call("POST", f"/api/model-queries/{job_id}/compare", json=body))
    assert answer.status_code == status
    assert says in answer.json()["error"]


def test_what_was_made_of_a_result_is_deleted_with_it(api: Service) -> None:
    job_id = api.finished(2)
    assert fetch(api, job_id, format="parquet").status_code == 200
    files = api.get(f"/api/model-queries/{job_id}/artifacts").json()["artifacts"]
    assert api.call("DELETE", f"/api/model-queries/{job_id}").status_code == 204
    assert api.storage.keys(f"results/{job_id}") == []
    assert fetch(api, job_id, format="parquet").status_code == 410
    assert calls.get(files[0]["links"]["download"]).status_code == 404


def test_files_of_another_workspace_are_not_there(api: Service, job_id: UUID) -> None:
    fetch(api, job_id, format="parquet")
    (first, *_) = api.get(f"/api/model-queries/{job_id}/artifacts").json()["artifacts"]
    stranger = api.new_key("another")
    route = f"/api/model-queries/{job_id}/artifacts/{first['id']}"
    assert api.get(route).status_code == 200
    assert api.get(route, key=stranger).status_code == 404
    assert api.get(f"/api/model-queries/{job_id}/result?format=parquet", key=stranger).status_code == 404


def test_a_file_of_what_is_done_is_not_the_file_of_the_whole(api: Service) -> None:
    job_id = api.submit(6)
    first, *rest = api.completer.claim(10)
    api.completer.complete(first)
    assert fetch(api, job_id, format="parquet").status_code == 409
    part = fetch(api, job_id, format="parquet", partial=True)
    assert pq.read_table(io.BytesIO(part.content)).num_rows == first.num_samples
    for chunk in rest:
        api.completer.complete(chunk)
    assert pq.read_table(io.BytesIO(fetch(api, job_id, format="parquet").content)).num_rows == 6


def test_genes_of_many_samples_are_read_from_a_file_of_their_own(api: Service) -> None:
    """The first request has it made, and is answered from the parts; the second needs no part any more."""
    job_id = api.finished(2_100)
    some = fetch(api, job_id, format="json", columns="counts", inputs="0").json()["gene_order"][7:9]
    wanted = {"format": "csv", "genes": ",".join(some)}
    first = fetch(api, job_id, **wanted)
    (kept,) = api.get(f"/api/model-queries/{job_id}/artifacts").json()["artifacts"]
    assert kept["kind"] == "gene-major"
    route = f"/api/model-queries/{job_id}/artifacts/{kept['id']}"
    wait_until(lambda: api.get(route, params={"wait": 20}).json()["state"] == "ready", calls.PATIENCE)
    api.storage.delete([key for key in api.storage.keys(f"results/{job_id}") if "/part-" in key])
    second = fetch(api, job_id, **wanted)
    assert second.status_code == 200
    assert second.content == first.content
    assert len(second.text.splitlines()) == 2_101
