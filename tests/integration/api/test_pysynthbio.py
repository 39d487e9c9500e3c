"""The public Python client, unmodified, in both modes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pysynthbio
import pytest
from urllib3.exceptions import ProtocolError

from tests.integration.api.conftest import Serve
from tests.support.api import Service, background, claim_soon, query_of
from tests.support.cutting import cutting
from tests.support.processes import wait_until

IDS = [
    base + suffix
    for base in ("gem-1-bulk", "gem-1-sc")
    for suffix in ("", "_reference-conditioning", "_predict-metadata")
]


@contextmanager
def worker(api: Service) -> Iterator[None]:
    """Completes whatever is queued, until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.02):
            api.completer.run_all()

    with background(run):
        try:
            yield
        finally:
            stop.set()


@pytest.fixture
def client(api: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """What a user sets, and nothing else. The base URL ends in a slash, as some people write it."""
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", f"{api.url}/")
    monkeypatch.setenv("SYNTHESIZE_API_KEY", api.key)
    return api


def expected(samples: int) -> np.ndarray[Any, Any]:
    return 1000 * np.arange(samples)[:, None] + np.arange(50)[None, :]


def test_it_lists_the_models(client: Service) -> None:
    models = pysynthbio.list_models()["models"]
    assert {model["model_id"] for model in models} == set(IDS)


@pytest.mark.parametrize("self_hosted", [False, True])
@pytest.mark.parametrize("model_id", IDS)
def test_the_example_query_comes_back_as_frames(client: Service, model_id: str, self_hosted: bool) -> None:
    query = pysynthbio.get_example_query(model_id)["example_query"]
    with worker(client):
        result = pysynthbio.predict_query(
            query, model_id=model_id, poll_interval_seconds=1, self_hosted=self_hosted
        )
    predicted = model_id.endswith("_predict-metadata")
    rows = 1 if predicted else 2
    assert np.array_equal(result["expression"].to_numpy(), expected(rows))
    assert len(result["metadata"]) == len(result["latents"]) == rows
    assert ("classifier_probs" in result) is predicted
    if predicted:
        assert result["classifier_probs"]["sex"].tolist() == [{"female": 0.25, "male": 0.75}]
        assert result["metadata"]["sex"].tolist() == ["male"]


def test_all_parameters_are_accepted(client: Service) -> None:
    query = query_of(3, 2)
    with worker(client):
        result = pysynthbio.predict_query(
            query,
            model_id="gem-1-bulk",
            poll_interval_seconds=1,
            total_count=5e6,
            deterministic_latents=True,
            seed=3,
        )
    assert np.array_equal(result["expression"].to_numpy(), expected(5))
    # The client wrote its name and arguments into the caller's query; sent again, it is still valid.
    assert query["source"] == "pysynthbio"
    with worker(client):
        link = pysynthbio.predict_query(
            query, "gem-1-bulk", poll_interval_seconds=1, return_download_url=True
        )
    assert link["download_url"].startswith(client.url)


def test_self_hosted_mode_gives_the_same_frames(client: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with worker(client):
        hosted = pysynthbio.predict_query(query_of(7, seed=1), "gem-1-bulk", poll_interval_seconds=1)
        streamed = pysynthbio.predict_query(query_of(7, seed=1), "gem-1-bulk", self_hosted=True)
    assert hosted["expression"].equals(streamed["expression"])
    assert hosted["metadata"].equals(streamed["metadata"])


def test_self_hosted_mode_needs_no_key_where_authentication_is_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNTHESIZE_API_KEY", raising=False)
    with serve(auth="off") as api, worker(api):
        monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", api.url)
        monkeypatch.setenv("SYNTHESIZE_SELF_HOSTED", "1")
        assert pysynthbio.list_models()["models"]
        assert pysynthbio.get_example_query("gem-1-bulk")["example_query"]
        result = pysynthbio.predict_query(query_of(5), "gem-1-bulk")
    assert np.array_equal(result["expression"].to_numpy(), expected(5))


def test_a_rejected_query_is_rendered_as_a_list_of_faults(client: Service) -> None:
    with pytest.raises(pysynthbio.ValidationError) as caught:
        pysynthbio.predict_query({"inputs": [{"metadata": {}, "num_samples": 0}]}, "gem-1-bulk")
    assert "- sampling_strategy: " in str(caught.value)
    assert "- inputs[0].num_samples: " in str(caught.value)


def test_a_wrong_key_and_an_unknown_model_are_the_clients_own_errors(
    client: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pysynthbio.NotFoundError):
        pysynthbio.predict_query(query_of(1), "gem-9")
    monkeypatch.setenv("SYNTHESIZE_API_KEY", "gq_wrong")
    with pytest.raises(pysynthbio.AuthenticationError, match="genequeue keys create"):
        pysynthbio.list_models()


def test_a_failed_job_raises_with_its_reason(client: Service) -> None:
    def fail() -> None:
        (chunk,) = claim_soon(client.completer, 1)
        client.completer.fail(chunk.job_id, "The model broke.")

    with background(fail), pytest.raises(pysynthbio.SynthesizeAPIError, match=r"The model broke\."):
        pysynthbio.predict_query(query_of(1), "gem-1-bulk", poll_interval_seconds=1)


def test_a_stream_that_breaks_off_raises_instead_of_giving_fewer_rows(
    client: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after_the_first_part() -> None:
        first, _ = claim_soon(client.completer, 2)
        client.completer.complete(first)
        wait_until(lambda: relay.carried > 0)  # The answer has begun.
        client.completer.fail(first.job_id, "The second part broke.")

    with cutting(client.url) as relay, background(fail_after_the_first_part):
        monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", relay.url)
        with pytest.raises(ProtocolError):
            pysynthbio.predict_query(query_of(8), "gem-1-bulk", self_hosted=True)
