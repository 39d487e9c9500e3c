"""The description of the API, as people and generators read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.main import build_app
from shared.queries.fields import FIELD_NAMES
from tests.support.api import settings_for


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("none")
    settings = settings_for(
        database_url="postgresql://u@localhost/d",
        redis_url="redis://localhost",
        storage_url=f"file://{folder}",
    )
    return build_app(settings).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_every_route_has_a_tag_a_summary_and_a_description(document: dict[str, Any]) -> None:
    routes = dict(operations(document))
    assert len(routes) >= 13
    for name, operation in routes.items():
        assert len(operation["tags"]) == 1, name
        assert operation["summary"], name
        assert operation["description"], name


def test_every_refusal_has_the_one_error_body(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status in ("401", "404", "422"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (name, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_route_but_downloads_health_and_figures_wants_a_key(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        open_to_all = any(part in name for part in ("/downloads/", "/health/", "/.well-known/", "/metrics"))
        assert ("security" in operation) is not open_to_all, name


def test_the_query_is_described_field_by_field_with_examples(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/models/{model_id}/predict"]["post"]["requestBody"]
    content = body["content"]["application/json"]
    baseline = content["schema"]["anyOf"][0]
    metadata = baseline["properties"]["inputs"]["items"]["properties"]["metadata"]
    assert tuple(metadata["properties"]) == FIELD_NAMES
    assert metadata["properties"]["sex"]["enum"] == ["female", "male"]
    for example in content["examples"].values():
        assert any(example["value"].get(key) for key in ("inputs", "design", "upload"))


@pytest.mark.parametrize("route", ["predict", "validate"])
def test_files_of_rows_are_described_with_their_options(document: dict[str, Any], route: str) -> None:
    operation = document["paths"][f"/api/models/{{model_id}}/{route}"]["post"]
    kinds = {"application/x-ndjson", "text/csv", "application/vnd.apache.parquet", "multipart/form-data"}
    assert kinds < set(operation["requestBody"]["content"])
    options = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    assert {"sampling_strategy", "seed", "num_samples", "on_error", "webhook_url"} < options


def test_a_webhook_endpoint_is_described_field_by_field_with_examples(document: dict[str, Any]) -> None:
    routes = (
        document["paths"]["/api/webhook-endpoints"],
        document["paths"]["/api/webhook-endpoints/{endpoint_id}"],
    )
    for operation, required in ((routes[0]["post"], ["url"]), (routes[1]["patch"], None)):
        content = operation["requestBody"]["content"]["application/json"]
        assert content["schema"].get("required") == required
        fields = content["schema"]["properties"]
        assert "query.ready" in fields["events"]["items"]["enum"]
        for example in content["examples"].values():
            assert set(example["value"]) <= set(fields)


def test_the_description_says_how_to_authenticate_and_whose_models_these_are(
    document: dict[str, Any],
) -> None:
    text = document["info"]["description"]
    assert "Authorization: Bearer" in text
    assert "not the hosted service's models" in " ".join(text.split())
