"""Large queries over HTTP: files of rows, uploads and designs; what is saved, refused, left out and said."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from shared.sheets.sheet import SheetRef, SheetRow, decode_sheet
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service
from tests.support.catalogs import HEART, LIVER
from tests.support.jobs import read_chunks, read_job

PREDICT = "/api/models/gem-1-bulk/predict"
STRATEGY = "sampling_strategy=mean+estimation"
NDJSON, CSV, PARQUET = "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"
TISSUES, SEXES = [LIVER, HEART], ["female", "male", None]
# What each form below says: the product of tissues and sexes, 5 samples each.
METADATA = [
    {"tissue_ontology_id": tissue, **({"sex": sex} if sex else {})} for tissue in TISSUES for sex in SEXES
]
INPUTS = [{"metadata": metadata, "num_samples": 5} for metadata in METADATA]


def ndjson(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def csv(rows: list[dict[str, str]], header: str = "tissue_ontology_id,sex") -> bytes:
    lines = (",".join(row.get(name, "") for name in header.split(",")) for row in rows)
    return "\n".join([header, *lines, ""]).encode()


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def send(api: Service, body: bytes, kind: str, *, options: str = STRATEGY, **headers: str) -> httpx.Response:
    sent = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call("POST", f"{PREDICT}?{options}", content=body, headers=sent)


def accepted(answer: httpx.Response) -> UUID:
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["modelQueryId"])


def rows_of(api: Service, job_id: UUID) -> list[SheetRow]:
    sheets = [SheetRef.from_json(entry) for entry in read_job(api.engine, job_id).sheets]
    assert sheets
    return [row for sheet in sheets for row in decode_sheet(api.storage.get(sheet.key))]


def conditions(rows: list[SheetRow]) -> list[tuple[int, int, int, dict[str, str], dict[str, Any]]]:
    """All of rows but their custom ids, which a design makes itself."""
    return [
        (row.position, row.first_sample, row.num_samples, dict(row.metadata), dict(row.placements))
        for row in rows
    ]


def test_the_same_query_in_every_form_is_the_same_conditions(api: Service) -> None:
    columns = {"tissue_ontology_id": [row["tissue_ontology_id"] for row in METADATA]}
    columns["sex"] = [row.get("sex") for row in METADATA]
    struct = [{"tissue_ontology_id": row["tissue_ontology_id"], "sex": row.get("sex")} for row in METADATA]
    in_json = api.predict({"sampling_strategy": "mean estimation", "inputs": INPUTS, "on_error": "reject"})
    design = {"tissue_ontology_id": TISSUES, "sex": SEXES}
    answers = [
        in_json,
        send(api, ndjson(INPUTS), NDJSON),
        send(api, csv(METADATA), CSV, options=f"{STRATEGY}&num_samples=5"),
        send(api, parquet(**columns, num_samples=[5.0] * 6), PARQUET),
        send(api, parquet(metadata=struct), PARQUET, options=f"{STRATEGY}&num_samples=5"),
        api.predict({"sampling_strategy": "mean estimation", "design": design, "num_samples": 5}),
    ]
    job_ids = [accepted(answer) for answer in answers]
    first, *others = [conditions(rows_of(api, job_id)) for job_id in job_ids]
    assert [row[3] for row in first] == METADATA
    assert [row[:3] for row in first] == [(index, 5 * index, 5) for index in range(6)]
    assert all(other == first for other in others)
    assert {(job.samples_total, job.lane) for job in (read_job(api.engine, each) for each in job_ids)} == {
        (30, "interactive")
    }
    digests = {read_job(api.engine, job_id).query_digest for job_id in job_ids[:5]}  # a design names its rows
    assert len(digests) == 1
    coverages = [read_job(api.engine, job_id).coverage for job_id in job_ids]
    assert all(coverage == coverages[0] for coverage in coverages)


def test_options_beside_a_file_mean_what_they_mean_in_json(api: Service) -> None:
    pairs = json.dumps({"study": "7"})
    options = f"{STRATEGY}&seed=11&total_count=5e6&deterministic_latents=true&priority=bulk&source=me"
    answer = send(api, csv(METADATA), CSV, options=f"{options}&client_metadata={pairs}&expires_in=P7D")
    job = read_job(api.engine, accepted(answer))
    assert (job.seed, job.total_count, job.deterministic_latents, job.lane, job.source) == (
        11,
        5_000_000,
        True,
        "bulk",
        "me",
    )
    assert job.client_metadata == {"study": "7"}
    assert [chunk.num_samples for chunk in read_chunks(api.engine, job.id)] == [4, 2]


@pytest.mark.parametrize(("packing", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
@pytest.mark.parametrize("said", [True, False], ids=["said", "unsaid"])
def test_a_packed_file_is_unpacked(api: Service, packing: str, pack: Any, said: bool) -> None:
    headers = {"Content_Encoding": packing} if said else {}
    job_id = accepted(send(api, pack(ndjson(INPUTS)), NDJSON, **headers))
    assert len(rows_of(api, job_id)) == 6


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["plain", "cut"])
def test_a_file_that_is_not_packed_as_it_says_is_refused(api: Service, packing: str, damage: str) -> None:
    pack = {"gzip": gzip.compress, "zstd": zstandard.compress}[packing]
    body = ndjson(INPUTS) if damage == "plain" else pack(ndjson(INPUTS * 1_000))[:-40]
    answer = send(api, body, NDJSON, Content_Encoding=packing)
    assert answer.status_code == 400
    assert f"not valid {packing}" in answer.json()["error"]
    assert api.storage.keys("uploads") == []


def test_an_unknown_packing_is_refused(api: Service) -> None:
    assert "'br' is not read here" in send(api, b"x", NDJSON, Content_Encoding="br").json()["error"]


def test_a_form_holds_options_and_a_file(api: Service) -> None:
    options = json.dumps({"sampling_strategy": "mean estimation", "seed": 3, "num_samples": 2})
    packed = gzip.compress(csv(METADATA))
    files = {"options": (None, options), "inputs": ("conditions.csv.gz", packed, "application/gzip")}
    job_id = accepted(api.call("POST", PREDICT, files=files))
    assert [row.num_samples for row in rows_of(api, job_id)] == [2] * 6
    assert read_job(api.engine, job_id).seed == 3


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"options": (None, "{}")}, "inputs"),
        ({"inputs": (None, "a,b")}, "inputs"),
        ({"inputs": ("a.csv", b"sex\nmale\n"), "other": (None, "1")}, "other"),
        ({"inputs": ("a.csv", b"sex\nmale\n"), "options": (None, "[]")}, "options"),
    ],
)
def test_a_form_with_other_parts_is_refused(api: Service, files: Any, path: str) -> None:
    answer = api.call("POST", PREDICT, files=files)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


def test_bad_rows_refuse_the_whole_query_each_with_its_place(api: Service) -> None:
    bad = {"metadata": {"sex": "femal", "a/b": 1}, "num_samples": 0}
    body = ndjson([*INPUTS, bad]).replace(b"\n", b"\r\n") + b"{"
    answer = send(api, body, NDJSON)
    assert answer.status_code == 422
    said = answer.json()
    found = [(fault["path"], fault["line"], fault["pointer"]) for fault in said["errors"]]
    assert found == [
        ("inputs[6].metadata.sex", 7, "/metadata/sex"),
        ("inputs[6].metadata.['a/b']", 7, "/metadata/a~1b"),
        ("inputs[6].num_samples", 7, "/num_samples"),
        ("inputs[7]", 8, ""),
    ]
    assert said["rejected_rows"] == 2
    report = calls.get(said["report"])
    assert report.headers["content-type"].startswith(NDJSON)
    assert [json.loads(line) for line in report.text.splitlines()] == said["errors"]
    assert api.storage.keys("inputs") == [
        key for key in api.storage.keys("inputs") if read_job(api.engine, UUID(key.split("/")[1]))
    ]


def test_bad_rows_are_left_out_where_that_is_wished(api: Service) -> None:
    rows = [INPUTS[0], {"metadata": {"sex": "femal"}, "num_samples": 1}, INPUTS[1]]
    answer = send(api, ndjson(rows), NDJSON, options=f"{STRATEGY}&on_error=skip")
    job_id = accepted(answer)
    assert answer.json()["rejected_rows"] == 1
    (fault,) = [json.loads(line) for line in calls.get(answer.json()["report"]).text.splitlines()]
    assert (fault["line"], fault["pointer"]) == (2, "/metadata/sex")
    assert [(row.position, row.first_sample) for row in rows_of(api, job_id)] == [(0, 0), (2, 5)]
    job = read_job(api.engine, job_id)
    assert (job.samples_total, job.samples_failed) == (10, 0)
    assert job.rejected is not None
    assert job.rejected["first"] == [{"input_index": 1, "line": 2, "message": fault["message"]}]
    shown = api.get(f"/api/model-queries/{job_id}").json()
    assert (shown["rejected_rows"], shown["failures"][0]["path"]) == (1, "inputs[1]")
    assert calls.get(shown["links"]["report"]).status_code == 200
    assert api.get("/api/model-queries?limit=1").json()["model_queries"][0]["rejected_rows"] == 1


def test_where_every_row_is_bad_nothing_runs(api: Service) -> None:
    answer = send(api, csv([{"sex": "x"}], "sex"), CSV, options=f"{STRATEGY}&on_error=skip")
    assert (answer.status_code, answer.json()["rejected_rows"]) == (422, 1)


def test_the_options_are_checked_before_the_rows(api: Service) -> None:
    answer = send(api, b"sex\nx\n", CSV, options="sampling_strateg=mean&seed=x&on_error=stop")
    paths = [fault["path"] for fault in answer.json()["errors"]]
    assert paths == ["seed", "sampling_strategy", "sampling_strateg", "on_error"]


def test_a_key_stands_for_one_file_with_its_options(api: Service) -> None:
    first = send(api, csv(METADATA), CSV, Idempotency_Key="large-1")
    again = send(api, csv(METADATA), CSV, Idempotency_Key="large-1")
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    for other in (
        send(api, csv(METADATA[1:]), CSV, Idempotency_Key="large-1"),
        send(api, csv(METADATA), CSV, options=f"{STRATEGY}&seed=1", Idempotency_Key="large-1"),
    ):
        assert other.json()["code"] == "idempotency_key_reused"


def test_a_key_gives_the_first_answer_again_with_what_was_left_out(api: Service) -> None:
    body, options = csv([{"sex": "male"}, {"sex": "x"}], "sex"), f"{STRATEGY}&on_error=skip"
    first, again = (send(api, body, CSV, options=options, Idempotency_Key="large-2") for _ in range(2))
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.json()["modelQueryId"], again.json()["rejected_rows"]) == (first.json()["modelQueryId"], 1)
    assert calls.get(again.json()["report"]).text == calls.get(first.json()["report"]).text


def test_nothing_of_a_body_stays_in_the_storage(api: Service) -> None:
    accepted(send(api, csv(METADATA), CSV))
    assert api.storage.keys("uploads") == []


def test_the_query_digest_is_of_all_but_the_seed(api: Service) -> None:
    def digest(options: str, body: bytes = csv(METADATA)) -> str | None:
        return read_job(api.engine, accepted(send(api, body, CSV, options=options))).query_digest

    assert digest(STRATEGY) == digest(f"{STRATEGY}&seed=1")
    assert (
        len({digest(STRATEGY), digest(f"{STRATEGY}&total_count=5"), digest(STRATEGY, csv(METADATA[1:]))}) == 3
    )


def test_a_design_leaves_out_what_it_excludes_and_names_the_rest(api: Service) -> None:
    query = {
        "sampling_strategy": "mean estimation",
        "design": [{"tissue_ontology_id": TISSUES, "sex": SEXES}, {"sex": "male"}],
        "exclude": [{"tissue_ontology_id": LIVER, "sex": "male"}, {"tissue_ontology_id": HEART, "sex": None}],
    }
    job_id = accepted(api.predict(query))
    rows = rows_of(api, job_id)
    kept = [METADATA[index] for index in (0, 2, 3, 4)]
    assert [row.metadata for row in rows] == [*kept, {"sex": "male"}]
    assert [row.position for row in rows] == list(range(5))
    assert len({row.custom_id for row in rows}) == 5
    assert all(row.custom_id.startswith("design-") and len(row.custom_id) == 23 for row in rows)
    turned = query | {"design": [{"sex": SEXES, "tissue_ontology_id": TISSUES}]}
    assert {row.custom_id for row in rows_of(api, accepted(api.predict(turned)))} < {
        row.custom_id for row in rows
    }
    assert read_job(api.engine, job_id).custom_ids


@pytest.mark.parametrize(
    ("design", "path"),
    [
        ([], "design"),
        ({}, "design"),
        ("liver", "design"),
        ({"sexx": ["male"]}, "design.sexx"),
        ({"sex": []}, "design.sex"),
        ([{"sex": ["male"]}, {"sex": [["male"]]}], "design[1].sex"),
    ],
)
def test_a_design_that_is_none_is_refused_at_its_place(api: Service, design: Any, path: str) -> None:
    answer = api.predict({"sampling_strategy": "mean estimation", "design": design})
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]


def test_a_bad_value_of_a_design_is_told_once_and_its_combinations_are_bad_rows(api: Service) -> None:
    tissues = [*TISSUES, "UBERON:1"]
    query = {
        "sampling_strategy": "mean estimation",
        "design": {"tissue_ontology_id": tissues, "sex": ["male", "femal"]},
        "exclude": [{"tissue_ontology_id": LIVER, "sex": "femal"}],
    }
    answer = api.predict(query)
    said = answer.json()
    assert answer.status_code == 422
    assert [(fault["path"], fault["pointer"], "line" in fault) for fault in said["errors"]] == [
        ("design.sex[1]", "/design/sex/1", False),
        (f"design.tissue_ontology_id[{len(TISSUES)}]", f"/design/tissue_ontology_id/{len(TISSUES)}", False),
    ]
    spoils = len(TISSUES)  # and one more tissue, without one that is excluded
    assert [fault["message"][fault["message"].find("It spoils") :] for fault in said["errors"]] == [
        f"It spoils {spoils} combinations.",
        "It spoils 2 combinations.",
    ]
    assert said["rejected_rows"] == spoils + 1
    lines = [json.loads(line) for line in calls.get(said["report"]).text.splitlines()]
    assert [line["pointer"] for line in lines] == [fault["pointer"] for fault in said["errors"]]
    kept = accepted(api.predict({**query, "on_error": "skip"}))
    assert [row.metadata for row in rows_of(api, kept)] == [
        {"tissue_ontology_id": tissue, "sex": "male"} for tissue in TISSUES
    ]
    failed = api.get(f"/api/model-queries/{kept}").json()["failures"]
    assert len(failed) == spoils + 1


def test_rows_have_one_source(api: Service) -> None:
    both = {"sampling_strategy": "mean estimation", "inputs": INPUTS, "design": {"sex": ["male"]}}
    assert "one of" in api.predict(both).json()["errors"][0]["message"]


def test_the_rows_of_an_upload_are_read(api: Service) -> None:
    body = csv(METADATA)
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    begun = api.call("POST", "/api/uploads", headers={**tus, "Upload-Length": str(len(body))})
    path = begun.headers["location"].removeprefix(api.url)
    upload_id = path.rsplit("/", 1)[1]
    query = {"sampling_strategy": "mean estimation", "upload": upload_id}
    assert api.predict(query).status_code == 409
    for first in range(0, len(body), 50):
        piece = body[first : first + 50]
        api.call("PATCH", path, content=piece, headers={**tus, "Upload-Offset": str(first)})
    assert conditions(rows_of(api, accepted(api.predict(query | {"num_samples": 5}))))[0][3] == METADATA[0]
    assert api.predict(query | {"upload": str(UUID(int=1))}).status_code == 404


def test_each_limit_is_named_with_what_was_sent_and_its_setting(serve: Serve) -> None:
    with serve(max_samples=20, max_inputs=4, max_upload_bytes=2_000) as api:
        too_many_samples = send(api, csv(METADATA[:4]), CSV, options=f"{STRATEGY}&num_samples=6")
        assert "24 samples are asked for; a query takes at most 20" in too_many_samples.json()["error"]
        assert "GENEQUEUE_MAX_SAMPLES" in too_many_samples.json()["error"]
        too_many_rows = send(api, csv(METADATA), CSV)
        assert "6 inputs are sent; a query takes at most 4" in too_many_rows.json()["error"]
        too_many_designed = {"sampling_strategy": "mean estimation", "design": {"sex": ["male"] * 5}}
        assert "5 inputs" in api.predict(too_many_designed).json()["error"]
        announced = send(api, b"x" * 2_001, CSV)
        assert (announced.status_code, "2,001 bytes" in announced.json()["error"]) == (413, True)
        swollen = send(api, gzip.compress(b"sex\n" + b"male\n" * 500), CSV, Content_Encoding="gzip")
        assert (swollen.status_code, "GENEQUEUE_MAX_UPLOAD_BYTES" in swollen.json()["error"]) == (413, True)
        limits = {limit["name"]: limit for limit in api.get("/api/limits").json()["limits"]}
        assert (limits["samples"]["value"], limits["samples"]["setting"]) == (20, "GENEQUEUE_MAX_SAMPLES")
        assert limits["file_body"]["value"] == 2_000


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(serve: Serve) -> None:
    with serve(max_upload_bytes=20_000_000) as api:
        rows = (b"male\n" * 200_000 for _ in range(40))
        answer = api.call("POST", f"{PREDICT}?{STRATEGY}", content=rows, headers={"Content-Type": CSV})
        assert (answer.status_code, "more than 20,000,000 bytes" in answer.json()["error"]) == (413, True)
        assert api.storage.keys("uploads") == []


def test_many_inputs_in_json_are_checked_like_a_file(api: Service) -> None:
    bad = {"metadata": {"sex": "femal"}, "num_samples": 1}
    query = {"sampling_strategy": "mean estimation", "inputs": [*INPUTS * 400, bad]}
    answer = api.predict(query).json()
    assert (answer["rejected_rows"], answer["errors"][0]["path"]) == (1, "inputs[2400].metadata.sex")
    accepted(api.predict(query | {"on_error": "skip"}))


def test_counts_come_as_ndjson_and_as_parquet(api: Service) -> None:
    model, rows = "gem-1-bulk_predict-metadata", [[number + 1] * 50 for number in range(300)]
    bodies = {
        NDJSON: ndjson([{"counts": counts} for counts in rows]),
        PARQUET: parquet(counts=pa.array(rows, pa.list_(pa.int32()))),
    }
    digests = []
    for kind, body in bodies.items():
        answer = api.call(
            "POST", f"/api/models/{model}/predict", content=body, headers={"Content-Type": kind}
        )
        job = read_job(api.engine, accepted(answer))
        assert (job.samples_total, len(job.input_digests)) == (300, 2)
        digests.append(job.input_digests)
    assert digests[0] == digests[1]
    refused = api.call(
        "POST", f"/api/models/{model}/predict", content=b"sex\n", headers={"Content-Type": CSV}
    )
    assert "CSV cannot hold" in refused.json()["error"]


def test_a_check_understands_the_same_bodies_and_keeps_nothing(api: Service) -> None:
    before = api.storage.keys("inputs")
    answer = api.call(
        "POST",
        f"/api/models/gem-1-bulk/validate?{STRATEGY}&num_samples=5",
        content=csv(METADATA),
        headers={"Content-Type": CSV},
    )
    assert (answer.json()["inputs"], answer.json()["samples"]) == (6, 30)
    assert api.storage.keys("inputs") == before
    refused = api.call(
        "POST",
        f"/api/models/gem-1-bulk/validate?{STRATEGY}",
        content=b"sex\nx\n",
        headers={"Content-Type": CSV},
    )
    assert refused.json()["rejected_rows"] == 1
