"""What a query calls its inputs comes back in every form of the result, or in none."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pysynthbio.arrow_transformers import transform_arrow_stream
from pysynthbio.output_transformers import transform_standard_model_output

from shared.queries.requests import RequestType
from shared.results.arrow_form import stream_arrow
from shared.results.forms import FORMS, Predictions
from shared.results.header import ResultHeader
from shared.results.joining import join
from shared.results.json_form import stream_json
from shared.results.part import LATENT_GROUPS, METADATA_COLUMNS, Samples, decode_part, encode_part, part_table

GENES = tuple(f"ENSG{number:011d}" for number in range(50))
HEADER = ResultHeader(GENES, "gem-1-bulk", 3)
NAMES = ["first", ""]


def samples(*names: str) -> Samples:
    """Two samples of each input."""
    many = max(len(names), 2)
    return Samples(
        input_index=np.repeat(np.arange(many), 2),
        sample_index=np.tile(np.arange(2), many),
        condition_of=np.repeat(np.arange(many), 2),
        metadata=[{"sex": "male", **({"custom_id": names[place]} if names else {})} for place in range(many)],
        counts=np.full((2 * many, 50), 7, np.int32),
        latents={group: np.zeros((2 * many, 2), np.float32) for group in LATENT_GROUPS},
    )


def predictions(names: list[str] | None) -> Predictions:
    return Predictions(
        input_index=np.arange(2),
        probabilities={"sex": np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)},
        classes={"sex": ("female", "male")},
        modality="bulk",
        latents={group: np.zeros((2, 2), np.float32) for group in LATENT_GROUPS},
        counts=np.full((2, 50), 7, np.int32),
        custom_ids=names,
    )


def stored(table: pa.Table) -> pa.Table:
    return decode_part(encode_part(table))


def test_every_row_of_a_part_says_what_its_input_is_called() -> None:
    part = stored(part_table(samples(*NAMES)))
    assert part.column("custom_id").to_pylist() == ["first", "first", "", ""]
    assert "custom_id" not in stored(part_table(samples())).column_names


def test_the_public_client_finds_the_names_among_the_metadata_of_both_forms() -> None:
    part = stored(part_table(samples(*NAMES)))
    hosted = transform_standard_model_output(json.loads(b"".join(stream_json(HEADER, [part]))))
    self_hosted = transform_arrow_stream(b"".join(stream_arrow(HEADER, [part])))
    assert list(hosted["metadata"]["custom_id"]) == ["first", "first", "", ""]
    assert hosted["metadata"].equals(self_hosted["metadata"])


@pytest.mark.parametrize(("names", "last"), [(NAMES, "custom_id"), (None, METADATA_COLUMNS[-1])])
def test_predictions_say_it_too(names: list[str] | None, last: str) -> None:
    part = stored(FORMS[RequestType.PREDICT_METADATA].table(predictions(names)))
    header = ResultHeader(GENES, "gem-1-bulk", 3, RequestType.PREDICT_METADATA)
    rows = json.loads(b"".join(stream_json(header, [part])))["outputs"]
    assert [list(row["metadata"])[-1] for row in rows] == [last, last]
    assert [row["metadata"].get("custom_id") for row in rows] == (names or [None, None])
    with pa.ipc.open_stream(b"".join(stream_arrow(header, [part]))) as stream:
        assert stream.read_all().column("metadata").to_pylist() == [row["metadata"] for row in rows]


def test_rows_that_were_computed_in_two_steps_keep_their_names() -> None:
    joined = join(samples("a", "b"), samples("c", "d"))
    assert part_table(joined).column("custom_id").to_pylist() == list("aabbccdd")
    both = join(predictions(["a", "b"]), predictions(["c", "d"]))
    assert isinstance(both, Predictions)
    assert both.custom_ids == ["a", "b", "c", "d"]
    nameless = join(predictions(None), predictions(None))
    assert isinstance(nameless, Predictions)
    assert nameless.custom_ids is None
