"""Predictions keep what was predicted, and the public client reads the same frames from either form."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pysynthbio.arrow_transformers import transform_arrow_stream
from pysynthbio.output_transformers import transform_metadata_model_output

from shared.queries.requests import RequestType
from shared.results.arrow_form import stream_arrow
from shared.results.forms import FORMS, Predictions
from shared.results.header import ResultHeader
from shared.results.json_form import stream_json
from shared.results.part import LATENT_GROUPS, METADATA_COLUMNS, decode_part, encode_part

GENES = tuple(f"ENSG{number:011d}" for number in range(50))
HEADER = ResultHeader(GENES, "gem-1-bulk_predict-metadata", 3, RequestType.PREDICT_METADATA)
CLASSES = {
    "tissue_ontology_id": ("UBERON:0000948", "UBERON:0002107", "UBERON:0002048"),
    "disease_ontology_id": ("", "MONDO:0004989"),
}


def predictions(rows: int = 70, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    return Predictions(
        input_index=np.arange(rows),
        probabilities={
            name: random.dirichlet(np.ones(len(values)), rows).astype(np.float32)
            for name, values in CLASSES.items()
        },
        classes=CLASSES,
        modality="bulk",
        latents={group: random.normal(size=(rows, 4)).astype(np.float32) for group in LATENT_GROUPS},
        counts=random.poisson(100, (rows, len(GENES))).astype(np.int32),
    )


def stored(rows: int = 70, seed: int = 0) -> pa.Table:
    """A part as a reader of the storage gets it."""
    return decode_part(encode_part(FORMS[RequestType.PREDICT_METADATA].table(predictions(rows, seed))))


def as_json(*parts: pa.Table) -> dict[str, object]:
    content: dict[str, object] = json.loads(b"".join(stream_json(HEADER, parts)))
    return content


def test_equal_predictions_give_equal_bytes() -> None:
    one, same, other = (
        encode_part(FORMS[RequestType.PREDICT_METADATA].table(predictions(seed=seed))) for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_the_metadata_are_the_most_probable_value_of_each_field_and_empty_where_that_is_absence() -> None:
    given = predictions()
    for row, best in zip(given.metadata(), given.probabilities["disease_ontology_id"].argmax(1), strict=True):
        assert row["disease_ontology_id"] == CLASSES["disease_ontology_id"][best]
    assert {row["disease_ontology_id"] for row in given.metadata()} == {"", "MONDO:0004989"}


def test_every_row_of_the_json_form_is_what_was_predicted() -> None:
    given, content = predictions(), as_json(stored())
    assert list(content) == ["gene_order", "model_version", "outputs"]
    rows = content["outputs"]
    assert isinstance(rows, list)
    for index, row in enumerate(rows):
        assert list(row) == ["metadata", "classifier_probs", "latents", "decoder_sample"]
        assert tuple(row["metadata"]) == METADATA_COLUMNS
        assert row["metadata"] == dict.fromkeys(METADATA_COLUMNS, "") | given.metadata()[index]
        assert row["decoder_sample"]["counts"] == given.counts[index].tolist()
        assert {name: tuple(values) for name, values in row["classifier_probs"].items()} == CLASSES
        for values in row["classifier_probs"].values():
            assert sum(values.values()) == pytest.approx(1, abs=1e-5)


def test_both_forms_give_the_public_client_equal_frames() -> None:
    parts = [stored(), stored(3, seed=1)]
    hosted = transform_metadata_model_output(as_json(*parts))
    self_hosted = transform_arrow_stream(b"".join(stream_arrow(HEADER, parts)))
    assert hosted.keys() == self_hosted.keys()
    for name, frame in hosted.items():
        assert frame.equals(self_hosted[name]), name
    assert len(hosted["expression"]) == 73


def test_the_arrow_form_names_its_request_type_and_holds_structs_and_lists_only() -> None:
    table = pa.ipc.open_stream(b"".join(stream_arrow(HEADER, [stored()]))).read_all()
    assert table.schema.metadata[b"request_type"] == b"predict_metadata"
    assert json.loads(table.schema.metadata[b"gene_order"]) == list(GENES)
    heads = table.schema.field("classifier_probs").type
    assert [field.name for field in heads] == list(CLASSES)
    assert all(value.type == pa.float64() for field in heads for value in field.type)
    assert "map" not in str(table.schema.types)
    assert "dictionary" not in str(table.schema.types)
