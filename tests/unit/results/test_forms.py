"""A part keeps what it was given, and every form says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from pysynthbio.arrow_transformers import transform_arrow_stream
from pysynthbio.output_transformers import transform_standard_model_output

from shared.results.arrow_form import stream_arrow
from shared.results.header import ResultHeader
from shared.results.json_form import stream_json
from shared.results.part import (
    LATENT_GROUPS,
    METADATA_COLUMNS,
    Samples,
    counts_matrix,
    decode_part,
    encode_part,
    part_table,
)

GENES = tuple(f"ENSG{number:011d}" for number in range(50))
HEADER = ResultHeader(GENES, "gem-1-bulk", 3)


def samples(rows: int = 100, seed: int = 0) -> Samples:
    random = np.random.default_rng(seed)
    return Samples(
        input_index=np.repeat([0, 1], rows // 2),
        sample_index=np.tile(np.arange(rows // 2), 2),
        condition_of=np.repeat([0, 1], rows // 2),
        metadata=[{"sex": "male", "modality": "bulk"}, {"sex": "female", "modality": "bulk"}],
        counts=random.poisson(100, (rows, len(GENES))).astype(np.int32),
        latents={group: random.normal(size=(rows, 4)).astype(np.float32) for group in LATENT_GROUPS},
    )


def test_a_part_gives_back_its_counts() -> None:
    given = samples()
    table = decode_part(encode_part(part_table(given)))
    assert np.array_equal(counts_matrix(table.column("counts"), len(GENES)), given.counts)


def test_equal_samples_give_equal_bytes() -> None:
    assert encode_part(part_table(samples())) == encode_part(part_table(samples()))
    assert encode_part(part_table(samples())) != encode_part(part_table(samples(seed=1)))


def test_a_part_opens_in_pandas_with_one_row_a_sample() -> None:
    frame = decode_part(encode_part(part_table(samples()))).to_pandas()
    assert frame.groupby("sex").size().to_dict() == {"female": 50, "male": 50}


def test_every_row_of_the_json_form_has_the_same_metadata_keys() -> None:
    content = json.loads(b"".join(stream_json(HEADER, [part_table(samples())])))
    assert {tuple(row["metadata"]) for row in content["outputs"]} == {METADATA_COLUMNS}
    assert all(isinstance(value, str) for row in content["outputs"] for value in row["metadata"].values())
    assert all(isinstance(count, int) for count in content["outputs"][0]["counts"])


def test_the_json_and_the_arrow_form_give_the_public_client_equal_frames() -> None:
    parts = [part_table(samples()), part_table(samples(seed=1))]
    hosted = transform_standard_model_output(json.loads(b"".join(stream_json(HEADER, parts))))
    self_hosted = transform_arrow_stream(b"".join(stream_arrow(HEADER, parts)))
    assert hosted["expression"].equals(self_hosted["expression"])
    assert hosted["metadata"].equals(self_hosted["metadata"])
    assert list(hosted["latents"]) == list(self_hosted["latents"])
    assert np.allclose(
        np.stack(hosted["latents"]["biological"]), np.stack(self_hosted["latents"]["biological"])
    )


def test_what_goes_wrong_with_a_part_reaches_whoever_sends_the_stream() -> None:
    """Without it the connection would end well, and the reader take the first part for the whole result."""

    def failing() -> Iterator[pa.Table]:
        yield part_table(samples())
        raise RuntimeError("the second part cannot be read")

    for stream in (stream_arrow(HEADER, failing()), stream_json(HEADER, failing())):
        with pytest.raises(RuntimeError, match="second part"):
            list(stream)


def test_an_empty_result_is_still_whole() -> None:
    content = json.loads(b"".join(stream_json(HEADER, [])))
    assert content["outputs"] == []
    assert content["model_version"] == 3
