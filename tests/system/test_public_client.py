"""The unmodified public client against a running machine: both modes, both models, every parameter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pysynthbio
import pytest
from pysynthbio.http_client import AuthenticationError, NotFoundError, SynthesizeAPIError

from tests.support.machine import Machine

DEXAMETHASONE = "CHEBI:41879"
LIVER, HEART, B_CELL = "UBERON:0002107", "UBERON:0000948", "CL:0000236"
MODELS = ("gem-1-bulk", "gem-1-sc")
REFERENCE, PREDICT = "_reference-conditioning", "_predict-metadata"
Frames = dict[str, pd.DataFrame]
Ask = Callable[..., Frames]


@pytest.fixture
def client(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", machine.url)
    monkeypatch.setenv("SYNTHESIZE_API_KEY", machine.key)
    return machine


@pytest.fixture(params=[False, True], ids=["hosted", "self-hosted"])
def ask(client: Machine, request: pytest.FixtureRequest) -> Ask:
    def predict(query: dict[str, Any], model_id: str = "gem-1-bulk", **options: Any) -> Frames:
        answer: Frames = pysynthbio.predict_query(
            dict(query), model_id=model_id, self_hosted=request.param, poll_interval_seconds=1, **options
        )
        return answer

    return predict


def query(num_samples: int = 2, strategy: str = "mean estimation", **options: Any) -> dict[str, Any]:
    inputs = [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": num_samples}]
    return {"sampling_strategy": strategy, "inputs": inputs, "seed": 11, **options}


def assert_equal(one: Frames, other: Frames) -> None:
    assert one["expression"].equals(other["expression"])
    assert one["metadata"].equals(other["metadata"])
    for group in ("biological", "technical", "perturbation"):
        assert np.array_equal(np.stack(one["latents"][group]), np.stack(other["latents"][group]))


def test_the_client_lists_our_models(client: Machine) -> None:
    listed = pysynthbio.list_models()
    models = listed["models"] if isinstance(listed, dict) else listed
    assert {model["model_id"] for model in models} >= {
        model + way for model in MODELS for way in ("", REFERENCE, PREDICT)
    }


@pytest.mark.parametrize("model_id", [model + way for model in MODELS for way in ("", REFERENCE)])
def test_the_example_query_is_accepted_as_it_is(ask: Ask, model_id: str) -> None:
    example = pysynthbio.get_example_query(model_id=model_id)["example_query"]
    assert list(example["inputs"][0])[:2] == ["metadata", "num_samples"]
    frames = ask(example, model_id)
    rows = sum(item["num_samples"] for item in example["inputs"])
    assert len(frames["expression"]) == len(frames["metadata"]) == len(frames["latents"]) == rows
    assert frames["expression"].columns.is_monotonic_increasing
    assert frames["expression"].columns.is_unique
    assert (frames["expression"].to_numpy() >= 0).all()


@pytest.mark.parametrize("model_id", MODELS)
def test_the_same_query_and_seed_give_equal_frames(ask: Ask, model_id: str) -> None:
    asked = query(3)
    asked["inputs"].append({"metadata": {"cell_type_ontology_id": B_CELL}, "num_samples": 2})
    assert_equal(ask(asked, model_id), ask(asked, model_id))


def test_both_modes_give_equal_frames(client: Machine) -> None:
    hosted, self_hosted = (
        pysynthbio.predict_query(query(3), model_id="gem-1-bulk", self_hosted=mode) for mode in (False, True)
    )
    assert_equal(hosted, self_hosted)


def test_another_seed_gives_other_draws(ask: Ask) -> None:
    assert not ask(query())["expression"].equals(ask(query(seed=12))["expression"])


def test_ten_samples_are_the_first_ten_of_twenty(ask: Ask) -> None:
    ten, twenty = (ask(query(n, "sample generation"))["expression"] for n in (10, 20))
    assert ten.equals(twenty.iloc[:10])


def test_a_deterministic_mean_needs_no_seed_and_all_its_rows_are_equal(ask: Ask) -> None:
    asked = query(3, deterministic_latents=True)
    del asked["seed"]
    first, second = ask(asked)["expression"], ask(asked)["expression"]
    assert first.equals(second)
    assert (first.nunique() == 1).all()


def test_mean_estimation_varies_between_samples_because_latents_are_drawn(ask: Ask) -> None:
    counts = ask(query(4))["expression"]
    assert (counts.nunique() > 1).any()


def test_doubling_the_total_count_doubles_every_count_to_rounding(ask: Ask) -> None:
    one, two = (
        ask(query(1, deterministic_latents=True, total_count=total))["expression"].to_numpy()
        for total in (5_000_000, 10_000_000)
    )
    assert np.abs(two - 2 * one).max() <= 2
    assert one.sum() == pytest.approx(5_000_000, rel=0.01)


@pytest.mark.parametrize(("model_id", "total"), [("gem-1-bulk", 10_000_000), ("gem-1-sc", 10_000)])
def test_the_default_total_count_is_the_models_own(ask: Ask, model_id: str, total: int) -> None:
    sums = ask(query(2, deterministic_latents=True), model_id)["expression"].sum(axis=1)
    assert sums.to_numpy() == pytest.approx(total, rel=0.6 if model_id == "gem-1-sc" else 0.01)


def test_sample_generation_varies_more_than_mean_estimation(ask: Ask) -> None:
    def spread(strategy: str) -> float:
        counts = ask(query(12, strategy))["expression"]
        expressed = counts.loc[:, counts.mean() > 100]
        return float((expressed.std() / expressed.mean()).median())

    assert spread("sample generation") > spread("mean estimation")


def test_a_single_cell_model_refuses_sample_generation_by_name(ask: Ask) -> None:
    with pytest.raises(SynthesizeAPIError, match=r"(?s)sample generation.*"):
        ask(query(1, "sample generation"), "gem-1-sc")


def test_rows_follow_the_inputs_and_every_row_has_all_metadata(ask: Ask) -> None:
    asked = query(2)
    asked["inputs"].append({"metadata": {"tissue_ontology_id": HEART, "sex": "male"}, "num_samples": 1})
    metadata = ask(asked)["metadata"]
    assert metadata["tissue_ontology_id"].tolist() == [LIVER, LIVER, HEART]
    assert metadata["sex"].tolist() == ["", "", "male"]
    assert set(metadata["modality"]) == {"bulk"}
    assert len(metadata.columns) >= 20


def test_an_unseen_term_stands_on_its_parent_and_the_metadata_say_so(ask: Ask) -> None:
    def mean(tissue: str) -> Frames:
        asked = query(1, deterministic_latents=True)
        asked["inputs"][0]["metadata"] = {"tissue_ontology_id": tissue}
        return ask(asked)

    child, parent = mean("UBERON:0001115"), mean(LIVER)
    assert child["expression"].equals(parent["expression"])
    assert child["metadata"]["tissue_ontology_id"].tolist() == ["UBERON:0001115"]
    assert LIVER in child["metadata"]["coverage"][0]
    assert parent["metadata"]["coverage"].tolist() == [""]


def test_all_faults_of_a_query_are_rendered_at_once(ask: Ask) -> None:
    asked = query(0, total_count=-1)
    asked["inputs"][0]["metadata"] = {"sex": "mail", "tissue_ontology_id": "UBERON:9999999", "num_samples": 3}
    with pytest.raises(SynthesizeAPIError) as refused:
        ask(asked)
    said = str(refused.value)
    for path in ("total_count", "num_samples", "metadata.sex", "metadata.tissue_ontology_id"):
        assert path in said
    assert "UBERON:9999999" in said
    assert "Traceback" not in said


def test_an_unknown_model_and_a_wrong_key_are_the_clients_own_errors(
    client: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError):
        pysynthbio.predict_query(query(), model_id="gem-9")
    monkeypatch.setenv("SYNTHESIZE_API_KEY", "gq_wrong")
    with pytest.raises(AuthenticationError):
        pysynthbio.predict_query(query(), model_id="gem-1-bulk")


def test_a_base_url_that_ends_in_a_slash_works(client: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", client.url + "/")
    assert len(pysynthbio.predict_query(query(), model_id="gem-1-bulk")["expression"]) == 2


def test_a_download_needs_no_key_and_is_refused_when_altered(client: Machine) -> None:
    link = pysynthbio.predict_query(query(), model_id="gem-1-bulk", return_download_url=True)["download_url"]
    whole = httpx.get(link, timeout=60)
    assert whole.status_code == 200
    assert len(json.loads(whole.content)["outputs"]) == 2
    altered = httpx.get(link[:-2] + ("aa" if link[-2:] != "aa" else "bb"), timeout=60)
    assert altered.status_code == 403
    assert altered.json()["error"]


def sample_of(model_id: str) -> list[int]:
    """The counts of the example query: the first condition of the model's own example."""
    counts: list[int] = pysynthbio.get_example_query(model_id + PREDICT)["example_query"]["inputs"][0][
        "counts"
    ]
    return counts


def near(counts: list[int], num_samples: int = 1, **options: Any) -> dict[str, Any]:
    """A query for samples near a reference, without any randomness."""
    inputs = [{"metadata": {}, "num_samples": num_samples, "counts": counts}]
    return {
        "sampling_strategy": "mean estimation",
        "deterministic_latents": True,
        "inputs": inputs,
        **options,
    }


@pytest.mark.parametrize("model_id", MODELS)
def test_the_metadata_of_the_example_are_predicted_with_probabilities(ask: Ask, model_id: str) -> None:
    example = pysynthbio.get_example_query(model_id + PREDICT)["example_query"]
    frames = ask(example, model_id + PREDICT)
    assert {name: len(frame) for name, frame in frames.items()} == dict.fromkeys(
        ("metadata", "latents", "classifier_probs", "expression"), 1
    )
    predicted = frames["metadata"].iloc[0]
    for field, probabilities in frames["classifier_probs"].iloc[0].items():
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert predicted[field] == max(probabilities, key=probabilities.__getitem__)
    assert frames["expression"].to_numpy().sum() == pytest.approx(sum(sample_of(model_id)), rel=0.6)
    assert list(frames["latents"]) == ["biological", "technical", "perturbation"]


def test_both_modes_predict_the_same_metadata(client: Machine) -> None:
    example = pysynthbio.get_example_query("gem-1-bulk" + PREDICT)["example_query"]
    hosted, self_hosted = (
        pysynthbio.predict_query(dict(example), model_id="gem-1-bulk" + PREDICT, self_hosted=mode)
        for mode in (False, True)
    )
    assert_equal(hosted, self_hosted)
    for field, probabilities in hosted["classifier_probs"].iloc[0].items():
        assert self_hosted["classifier_probs"].iloc[0][field] == pytest.approx(probabilities)


@pytest.mark.parametrize("model_id", MODELS)
def test_samples_near_a_reference_are_as_large_as_it_unless_fixed(ask: Ask, model_id: str) -> None:
    counts = [3 * count for count in sample_of(model_id)]
    own = ask(near(counts), model_id + REFERENCE)["expression"].to_numpy()
    fixed = ask(near(counts, fixed_total_count=True, total_count=5_000), model_id + REFERENCE)
    assert own.sum() == pytest.approx(sum(counts), rel=0.6 if model_id == "gem-1-sc" else 0.01)
    assert fixed["expression"].to_numpy().sum() < own.sum()


def test_without_a_perturbation_the_samples_stay_close_to_the_reference(ask: Ask) -> None:
    counts = np.array(sample_of("gem-1-bulk"))
    made = ask(near(counts.tolist()), "gem-1-bulk" + REFERENCE)["expression"].to_numpy()[0]
    assert np.corrcoef(np.log1p(made), np.log1p(counts))[0, 1] > 0.9


def test_a_conditioned_perturbation_makes_its_metadata_void_and_the_job_says_so(client: Machine) -> None:
    asked = near(sample_of("gem-1-bulk"), conditioning=["biological", "technical", "perturbation"])
    asked["inputs"][0]["metadata"] = {"perturbation_ontology_id": DEXAMETHASONE}
    headers = {"Authorization": f"Bearer {client.key}"}
    answer = httpx.post(
        f"{client.url}/api/models/gem-1-bulk{REFERENCE}/predict", json=asked, headers=headers, timeout=60
    )
    job = httpx.get(answer.headers["Location"], headers=headers, timeout=60).json()
    assert any("has no effect" in warning for warning in job["warnings"])
    assert job["request_type"] == "reference_conditioned"


@pytest.mark.parametrize(("way", "sent"), [(REFERENCE, "samples"), (PREDICT, "samples"), ("", "counts")])
def test_a_query_to_the_wrong_sibling_is_told_the_right_one(ask: Ask, way: str, sent: str) -> None:
    asked = query() if sent == "samples" else {"inputs": [{"counts": [1, 2]}]}
    with pytest.raises(SynthesizeAPIError) as refused:
        ask(asked, "gem-1-bulk" + way)
    expected = {"": PREDICT, REFERENCE: "query gem-1-bulk", PREDICT: "gem-1-bulk and"}[way]
    assert expected in str(refused.value)
