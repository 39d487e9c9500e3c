"""A model directory is served only if every byte is the one that its manifest names."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from shared.catalog import GENES, MANIFEST, VOCABULARY, WEIGHTS, Catalog
from shared.errors import CheckpointCorrupt, CheckpointMissing, ModelNotFound
from shared.queries.spec import Modality
from tests.support.models import tiny_catalog, tiny_model


def change(directory: Path, **values: object) -> None:
    manifest = orjson.loads((directory / MANIFEST).read_bytes())
    (directory / MANIFEST).write_bytes(orjson.dumps({**manifest, **values}))


def test_a_catalog_holds_every_model_below_its_folder(tmp_path: Path) -> None:
    catalog = tiny_catalog(tmp_path)
    assert sorted(catalog.models) == ["gem-1-bulk", "gem-1-sc"]
    assert catalog.get("gem-1-sc").manifest.modality is Modality.SINGLE_CELL
    assert list(catalog.get("gem-1-bulk").gene_order) == sorted(catalog.get("gem-1-bulk").gene_order)


def test_an_unknown_model_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"'gem-9'.*gem-1-bulk, gem-1-sc"):
        tiny_catalog(tmp_path).get("gem-9")


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY, GENES])
def test_one_changed_byte_is_refused_by_the_name_of_its_file(tmp_path: Path, name: str) -> None:
    path = tiny_model(tmp_path).directory / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointCorrupt, match=name):
        Catalog.open(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tiny_model(tmp_path).directory / WEIGHTS).unlink()
    with pytest.raises(CheckpointMissing, match=WEIGHTS):
        Catalog.open(tmp_path)


def test_a_folder_without_models_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="GENEQUEUE_MODELS_DIR"):
        Catalog.open(tmp_path)


def test_another_schema_version_asks_for_training_again(tmp_path: Path) -> None:
    change(tiny_model(tmp_path).directory, schema_version=99)
    with pytest.raises(CheckpointCorrupt, match="train the model again"):
        Catalog.open(tmp_path)


@pytest.mark.parametrize("values", [{"modality": "tactile"}, {"colour": "red"}, {"digests": {}}])
def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    change(tiny_model(tmp_path).directory, **values)
    with pytest.raises(CheckpointCorrupt, match=MANIFEST):
        Catalog.open(tmp_path)
