"""The client against a real API whose jobs are finished by hand: submit, wait, results, parts, errors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import text

from genequeue.client import (
    AccessRefused,
    AsyncClient,
    Client,
    NotThere,
    QueryEnded,
    QueryRefused,
    ServerAway,
    VerificationFailed,
)
from genequeue.client.calls import Call
from genequeue.client.downloads import Download, sha256_of
from genequeue.client.results import part_list
from genequeue.client.tables import counts_of, genes_of
from genequeue.client.verification import verify
from shared.database.engines import transaction
from tests.support.api import Service, background, query_of
from tests.support.catalogs import LIVER
from tests.support.cutting import CuttingRelay

MODEL = "gem-1-bulk"


def test_a_query_is_submitted_waited_for_and_read_as_a_table(client: Client, api: Service) -> None:
    query = client.submit(query_of(3, 2), MODEL, seed=5)
    with background(api.completer.run_all):
        assert query.wait(progress=True).status()["status"] == "ready"
    table = query.result().to_arrow()
    assert query.status()["seed"] == 5
    assert table.num_rows == 5
    assert set(table.column("tissue_ontology_id").to_pylist()) == {LIVER}
    assert counts_of(table).shape == (5, len(genes_of(table)))


def test_both_clients_read_the_same(client: Client, api: Service) -> None:
    query_id = str(api.finished(3))

    async def awaited() -> tuple[pa.Table, list[pa.Table], int]:
        async with AsyncClient(api.url, api.key) as other:
            query = other.query(query_id)
            result = await (await query.wait()).result()
            states = [state async for state in query.watch()]
            return await result.to_arrow(), [part async for part in result.parts()], len(states)

    table, parts, states = asyncio.run(awaited())
    result = client.query(query_id).result()
    assert states == 1
    assert table.equals(result.to_arrow())
    assert [part.equals(other) for part, other in zip(parts, result.parts(), strict=True)] == [True]


def test_parts_come_one_by_one_and_hold_what_the_whole_holds(client: Client, api: Service) -> None:
    result = client.query(str(api.finished(60, 60))).result()
    parts = list(result.parts())
    assert len(parts) > 1
    counts = np.concatenate([counts_of(part) for part in parts])
    assert np.array_equal(counts, counts_of(result.to_arrow()))


def test_a_data_frame_has_a_column_for_each_gene(client: Client, api: Service) -> None:
    result = client.query(str(api.finished(2))).result()
    genes = genes_of(result.to_arrow())
    frame, other = result.to_pandas(), result.to_polars()
    assert frame.columns[-len(genes) :].tolist() == other.columns[-len(genes) :] == genes
    assert np.array_equal(frame[genes].to_numpy(), other.select(genes).to_numpy())
    assert frame["tissue_ontology_id"].tolist() == [LIVER, LIVER]


def test_a_result_in_a_folder_is_verified_and_fetched_once(
    client: Client, api: Service, folder: Path
) -> None:
    query = client.query(str(api.finished(60, 60)))
    query.result().download(folder)
    parts = sorted(folder.glob("part-*.parquet"))
    assert verify(folder).samples == 120
    assert verify(folder).parts == len(parts) > 1
    before = {path: path.stat().st_mtime_ns for path in parts}
    parts[0].unlink()
    query.result().download(folder)
    after = {path: path.stat().st_mtime_ns for path in parts}
    assert [path for path in parts if before[path] != after[path]] == parts[:1]
    assert (folder / "genes.csv").read_text().startswith("ensembl_id,symbol,biotype,length\nENSG")


@pytest.mark.parametrize("victim", ["part-000000.parquet", "manifest.json", "genes.csv"])
def test_a_changed_byte_is_named(client: Client, api: Service, folder: Path, victim: str) -> None:
    client.query(str(api.finished(4))).result().download(folder)
    content = bytearray((folder / victim).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / victim).write_bytes(content)
    with pytest.raises(VerificationFailed, match=victim) as failed:
        verify(folder)
    assert [fault.path for fault in failed.value.faults] == [victim]


def test_genes_that_are_missing_are_named_and_come_with_what_is_missing(
    client: Client, api: Service, folder: Path
) -> None:
    query = client.query(str(api.finished(4)))
    query.result().download(folder)
    (folder / "genes.csv").unlink()
    with pytest.raises(VerificationFailed, match=rf"genes\.csv: it is missing.*status {query.id} -o"):
        verify(folder)
    query.result().download(folder)
    assert verify(folder).samples == 4


def test_a_missing_part_a_strange_one_and_another_servers_key_are_named(
    client: Client, api: Service, folder: Path
) -> None:
    client.query(str(api.finished(60, 60))).result().download(folder)
    (folder / "part-000000.parquet").rename(folder / "part-000099.parquet")
    with pytest.raises(VerificationFailed) as failed:
        verify(folder)
    assert [(fault.path, fault.message.split()[0]) for fault in failed.value.faults] == [
        ("part-000000.parquet", "it"),
        ("part-000099.parquet", "the"),
    ]
    with pytest.raises(VerificationFailed, match=r"manifest\.json: it is not what was signed by whpk_AAAA"):
        verify(folder, public_key=f"whpk_{'A' * 43}=")


def test_what_is_wrong_is_said_in_the_servers_words_with_every_fault(client: Client) -> None:
    with pytest.raises(QueryRefused) as refused:
        client.submit({**query_of(0), "total": 3}, MODEL)
    assert {fault.path for fault in refused.value.faults} == {"inputs[0].num_samples", "total"}
    assert refused.value.refusal is not None
    assert refused.value.refusal.status == 422
    with pytest.raises(NotThere, match="gem-9"):
        client.submit(query_of(1), "gem-9")


def test_a_wrong_key_is_an_error_of_its_own(api: Service) -> None:
    with Client(api.url, "gq_wrong") as stranger, pytest.raises(AccessRefused, match="GENEQUEUE_API_KEY"):
        stranger.models()


def test_nobody_at_the_url_is_said_soon() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServerAway, match="genequeue up"):
        client.models()


def test_a_cancelled_query_has_no_result(client: Client) -> None:
    query = client.submit(query_of(3), MODEL)
    assert query.cancel()["status"] == "cancelled"
    with pytest.raises(QueryEnded, match="ended as cancelled") as ended:
        query.result()
    assert ended.value.state["id"] == query.id


def test_a_submit_whose_answer_is_lost_is_one_query(api: Service, relay: CuttingRelay) -> None:
    """The first answers are cut within their status line, after the server has done what was asked."""
    before = number_of_jobs(api)
    relay.most, relay.times = 5, 2
    with Client(relay.url, api.key) as client:
        query = client.submit(query_of(2), MODEL)
        assert query.status()["id"] == query.id
    assert relay.times < 0, "none of them was cut"
    assert number_of_jobs(api) == before + 1


def number_of_jobs(api: Service) -> int:
    with transaction(api.engine) as session:
        return int(session.execute(text("SELECT count(*) FROM jobs")).scalar_one())


def test_a_part_whose_download_breaks_off_is_carried_on(
    client: Client, api: Service, relay: CuttingRelay, folder: Path
) -> None:
    """Every connection breaks before a third of it has come, headers and all."""
    query_id = str(api.finished(60))
    part = client.play(part_list(query_id))[0]
    relay.most = 900 + part["bytes"] // 4
    with Client(relay.url, api.key) as cut:
        url = relay.url + urlsplit(part["url"])._replace(scheme="", netloc="").geturl()
        cut.play(Download(Call("GET", url), folder / "part", part["sha256"]).steps())
    assert sha256_of(folder / "part") == part["sha256"]


def test_the_environment_says_where_and_with_which_key(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", api.url + "/")
    monkeypatch.setenv("SYNTHESIZE_API_KEY", api.key)
    with Client() as client:
        assert {model["model_id"] for model in client.models()} >= {MODEL}
        assert client.example(MODEL)["inputs"]
    monkeypatch.setenv("GENEQUEUE_KEY", "gq_wrong")
    with Client() as client, pytest.raises(AccessRefused):
        client.models()
