"""What the API says of its models."""

from __future__ import annotations

import pytest

from tests.support import calls
from tests.support.api import Service

KEYS_OF_A_MODEL = {
    "model_id",
    "title",
    "description",
    "origin",
    "base_model_id",
    "request_type",
    "version",
    "versions",
    "added_at",
    "modality",
    "num_genes",
    "default_total_count",
    "sampling_strategies",
    "licence",
}


def test_the_list_has_no_key_beside_models(api: Service) -> None:
    answer = api.get("/api/models").json()
    assert list(answer) == ["models"]
    assert [model["model_id"] for model in answer["models"]] == [
        f"{base}{suffix}"
        for base in ("gem-1-bulk", "gem-1-sc")
        for suffix in ("", "_predict-metadata", "_reference-conditioning")
    ]
    assert all(set(model) == KEYS_OF_A_MODEL for model in answer["models"])


def test_the_list_says_whose_weights_they_are(api: Service) -> None:
    for model in api.get("/api/models").json()["models"]:
        assert "starter model of GeneQueue" in model["origin"]
        assert "not the hosted service's model" in model["origin"]


def test_a_model_in_detail_names_the_digest_of_its_weights(api: Service) -> None:
    detail = api.get("/api/models/gem-1-bulk").json()
    assert len(detail["sha256"]["weights.safetensors"]) == 64
    assert detail["fields"]["tissue_ontology_id"] == 2
    for route in detail["links"].values():
        assert api.call("OPTIONS", route).status_code in {200, 405}


@pytest.mark.parametrize("model_id", ["gem-1-bulk", "gem-1-sc"])
def test_the_example_query_is_accepted_as_it_stands(api: Service, model_id: str) -> None:
    example = api.get(f"/api/models/{model_id}/example-query").json()["example_query"]
    assert api.predict(example, model_id).status_code == 202


def test_metadata_comes_before_num_samples_in_the_example(api: Service) -> None:
    example = api.get("/api/models/gem-1-bulk/example-query").json()["example_query"]
    assert [list(condition) for condition in example["inputs"]] == [["metadata", "num_samples"]]


def test_genes_stand_in_the_order_of_the_counts(api: Service) -> None:
    answer = api.get("/api/models/gem-1-bulk/genes").json()
    assert answer["model_id"] == "gem-1-bulk"
    assert answer["genes"][1] == {
        "ensembl_id": "ENSG00000000002",
        "symbol": "GENE2",
        "biotype": "protein_coding",
        "length": 1001,
    }
    ids = [gene["ensembl_id"] for gene in answer["genes"]]
    assert ids == sorted(ids)


@pytest.mark.parametrize("tail", ["", "/example-query", "/genes", "/vocabulary"])
def test_an_unknown_model_is_404_and_the_answer_names_those_there_are(api: Service, tail: str) -> None:
    answer = api.get(f"/api/models/gem-9{tail}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "model_not_found"
    assert all(
        model_id in answer.json()["error"] for model_id in ("gem-1-bulk,", "gem-1-sc_predict-metadata")
    )


def test_duplicate_slashes_are_collapsed_without_a_redirect(api: Service) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = calls.get(f"{api.url}//api///models", headers=headers, follow_redirects=False)
    assert answer.status_code == 200
