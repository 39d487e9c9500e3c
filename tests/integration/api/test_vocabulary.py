"""What may be written into each metadata field: listed, and searched by name."""

from __future__ import annotations

from typing import Any

from shared.queries.fields import FIELD_NAMES
from tests.support.api import Service
from tests.support.catalogs import HEART, LIVER, LOBE_OF_LIVER

VOCABULARY = "/api/models/gem-1-bulk/vocabulary"


def values(api: Service, tail: str) -> list[dict[str, Any]]:
    answer = api.get(f"{VOCABULARY}/{tail}")
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["values"]
    return listed


def test_every_field_is_listed_with_its_kind(api: Service) -> None:
    fields = {field["name"]: field for field in api.get(VOCABULARY).json()["fields"]}
    assert tuple(fields) == FIELD_NAMES
    assert fields["sex"]["values"] == ["female", "male"]
    assert fields["tissue_ontology_id"]["ontologies"] == ["UBERON"]
    assert (fields["tissue_ontology_id"]["known"], fields["tissue_ontology_id"]["informative"]) == (2, True)
    assert (fields["genotype"]["known"], fields["genotype"]["informative"]) == (0, False)


def test_a_field_lists_what_the_model_was_trained_on(api: Service) -> None:
    listed = values(api, "tissue_ontology_id")
    assert {value["id"]: value["label"] for value in listed} == {LIVER: "liver", HEART: "heart"}
    assert {value["coverage"] for value in listed} == {"exact"}


def test_a_search_reads_labels_and_puts_what_the_model_knows_first(api: Service) -> None:
    found = values(api, "tissue_ontology_id?q=liv&limit=50")
    assert (found[0]["id"], found[0]["coverage"]) == (LIVER, "exact")
    coverage = {value["id"]: value["coverage"] for value in found}
    assert coverage.get(LOBE_OF_LIVER, "ancestor") == "ancestor"
    assert len(found) > 5


def test_a_search_reads_ids_and_synonyms(api: Service) -> None:
    assert [value["id"] for value in values(api, f"tissue_ontology_id?q={LIVER}")] == [LIVER]
    assert values(api, "tissue_ontology_id?q=vertebrate%20heart")[0]["id"] == HEART


def test_what_a_search_finds_is_accepted_by_predict(api: Service) -> None:
    for value in values(api, "tissue_ontology_id?q=lobe&limit=5"):
        condition = {"metadata": {"tissue_ontology_id": value["id"]}, "num_samples": 1}
        query = {"sampling_strategy": "mean estimation", "inputs": [condition]}
        accepted = value["coverage"] in {"exact", "ancestor"}
        assert (api.predict(query).status_code == 202) is accepted, value


def test_the_limit_is_kept_and_checked(api: Service) -> None:
    assert len(values(api, "tissue_ontology_id?q=muscle&limit=3")) == 3
    assert api.get(f"{VOCABULARY}/tissue_ontology_id?limit=0").status_code == 422


def test_a_search_that_finds_nothing_is_an_empty_list(api: Service) -> None:
    assert values(api, "tissue_ontology_id?q=xyzzy") == []


def test_an_unknown_field_is_404_and_the_answer_names_those_there_are(api: Service) -> None:
    answer = api.get(f"{VOCABULARY}/tissue")
    assert answer.status_code == 404
    assert answer.json()["code"] == "field_not_found"
    assert "tissue_ontology_id" in answer.json()["error"]
