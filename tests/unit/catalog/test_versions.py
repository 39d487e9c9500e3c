"""A catalog of several versions: the newest answers, each can be named, and what is wrong is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.catalog import BrokenModel, Catalog, Model
from shared.errors import CheckpointCorrupt, ModelNotFound, ModelUnusable
from shared.queries.requests import RequestType
from tests.support.catalogs import unread_model


def in_version(model: Model, version: int, *kinds: RequestType) -> Model:
    manifest = replace(model.manifest, version=version, request_types=kinds or tuple(RequestType))
    return replace(model, manifest=manifest)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return unread_model(tmp_path)


def test_the_newest_version_is_the_default_in_every_way_of_asking(model: Model) -> None:
    catalog = Catalog((in_version(model, 10), in_version(model, 9), in_version(model, 1)))
    assert catalog.get("gem-1-bulk").version == 10
    assert {offer.model.version for offer in catalog.offers.values()} == {10}
    assert catalog.offer("gem-1-bulk_predict-metadata", 9).model.version == 9
    assert catalog.versions_of("gem-1-bulk") == [10, 9, 1]
    assert catalog.get("gem-1-bulk", 1).version == 1


def test_a_way_of_asking_that_the_newest_lacks_stands_on_the_newest_that_has_it(model: Model) -> None:
    catalog = Catalog((in_version(model, 1), in_version(model, 2, RequestType.BASELINE)))
    assert catalog.offer("gem-1-bulk").model.version == 2
    assert catalog.offer("gem-1-bulk_predict-metadata").model.version == 1
    with pytest.raises(ModelNotFound, match="no version 2"):
        catalog.offer("gem-1-bulk_predict-metadata", 2)


@pytest.mark.parametrize("ask", [Catalog.get, Catalog.offer])
def test_an_unknown_version_is_answered_with_those_there_are(model: Model, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(ModelNotFound, match=r"gem-1-bulk has no version 7 here.*: 2, 1\."):
        ask(Catalog((in_version(model, 1), in_version(model, 2))), "gem-1-bulk", 7)


def test_what_was_removed_is_held_and_cannot_be_asked(model: Model) -> None:
    catalog = Catalog((in_version(model, 1),), withdrawn=(in_version(model, 2),))
    assert catalog.held["gem-1-bulk", 2].model.version == 2
    with pytest.raises(ModelNotFound):
        catalog.offer("gem-1-bulk", 2)
    assert catalog.offer("gem-1-bulk").model.version == 1


def test_a_broken_version_is_refused_with_its_reason_and_never_the_default(model: Model) -> None:
    broken = (BrokenModel("gem-1-bulk", 2, "bytes are missing"), BrokenModel("lab", 1, "it was changed"))
    catalog = Catalog((in_version(model, 1),), broken=broken)
    assert catalog.offer("gem-1-bulk").model.version == 1
    with pytest.raises(ModelUnusable, match=r"Version 2 of gem-1-bulk.*bytes are missing"):
        catalog.offer("gem-1-bulk", 2)
    with pytest.raises(ModelUnusable, match="it was changed"):
        catalog.offer("lab_predict-metadata")


def test_rules_name_the_versions_that_a_query_may_pin(model: Model) -> None:
    catalog = Catalog((in_version(model, 1), in_version(model, 2)))
    assert catalog.offer("gem-1-bulk", 1).rules.versions == (2, 1)


def test_two_directories_of_one_version_are_refused_by_their_names(tmp_path: Path) -> None:
    unread_model(tmp_path)
    (tmp_path / "gem-1-bulk").rename(tmp_path / "copy")
    unread_model(tmp_path)
    with pytest.raises(CheckpointCorrupt, match=r"copy and .*gem-1-bulk are both version 1"):
        Catalog.open(tmp_path)


def test_a_manifest_cannot_name_a_file_outside_its_directory(tmp_path: Path) -> None:
    unread_model(tmp_path)
    manifest = tmp_path / "gem-1-bulk" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"digests":{', '"digests":{"../secret":"0",'))
    with pytest.raises(CheckpointCorrupt, match="outside its directory"):
        Catalog.open(tmp_path)
