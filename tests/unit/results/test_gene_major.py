"""Counts that are kept gene by gene are those of the parts, and a few genes are a few bytes."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from shared.errors import ResultDamaged
from shared.results.gene_major import GeneMajor, GeneMajorWriter, covers
from shared.results.part import COUNTS, METADATA_COLUMNS, counts_matrix
from shared.results.selection import INDICES, Inputs, Selection
from tests.support.sources import GENES, predictions, samples

PARTS = [samples(70), samples(50, 70), samples(30, 120)]
COLUMNS = (*INDICES, "sex", "custom_id", COUNTS)


class Counted:
    """Reads ranges of bytes, and counts them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.bytes = data, 0

    def __call__(self, first: int, length: int) -> bytes:
        self.bytes += length
        assert 0 <= first <= first + length <= len(self.data)
        return self.data[first : first + length]


def written(parts: list[pa.Table], slab_bytes: int = 100 * 4 * len(GENES)) -> bytes:
    file = io.BytesIO()
    writer = GeneMajorWriter(file, len(GENES), slab_bytes)
    for part in parts:
        writer.add(part)
    writer.close()
    return file.getvalue()


def opened(data: bytes) -> tuple[GeneMajor, Counted]:
    read = Counted(data)
    return GeneMajor(read, len(data)), read


@pytest.mark.parametrize("genes", [(0,), (59,), (3, 15, 16, 40), tuple(range(60))])
@pytest.mark.parametrize("slab_bytes", [1, 100 * 4 * len(GENES), 1 << 30])
def test_what_is_read_is_what_the_parts_give(genes: tuple[int, ...], slab_bytes: int) -> None:
    selection = Selection(genes=genes, columns=COLUMNS)
    found = pa.concat_tables(opened(written(PARTS, slab_bytes))[0].tables(selection))
    expected = pa.concat_tables(selection.of(part, len(GENES)) for part in PARTS)
    assert found.column_names == expected.column_names
    assert found.drop(COUNTS).equals(expected.drop(COUNTS))
    assert np.array_equal(
        counts_matrix(found.column(COUNTS), len(genes)), counts_matrix(expected.column(COUNTS), len(genes))
    )


def test_inputs_are_selected_too() -> None:
    selection = Selection(genes=(5,), inputs=Inputs(((2, 3),)), columns=COLUMNS)
    found = pa.concat_tables(opened(written(PARTS))[0].tables(selection))
    assert found.column("input_index").to_pylist() == [2] * 10 + [3] * 10


def test_metadata_alone_needs_no_counts() -> None:
    selection = Selection(columns=(*INDICES, *METADATA_COLUMNS))
    found = pa.concat_tables(opened(written(PARTS))[0].tables(selection))
    assert found.num_rows == 150
    assert COUNTS not in found.column_names


def test_a_gene_is_a_small_share_of_the_bytes() -> None:
    wide = [samples(200, depth=5_000.0)]
    file, read = opened(written(wide))
    list(file.tables(Selection(genes=(5,), columns=(*INDICES, COUNTS))))
    assert read.bytes < 0.5 * len(read.data)


def test_bytes_that_were_changed_are_found_out() -> None:
    data = bytearray(written(PARTS))
    data[len(data) // 2] ^= 1
    file, _ = opened(bytes(data))
    with pytest.raises(ResultDamaged):
        list(file.tables(Selection(genes=tuple(range(60)), columns=COLUMNS)))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(genes=(1,), columns=(*INDICES, "sex", COUNTS)), True),
        (Selection(columns=("sex",)), True),
        (Selection(), False),
        (Selection(columns=(COUNTS,)), False),
        (Selection(genes=(1,), columns=(COUNTS, "biological_latent")), False),
        (Selection(genes=(1,), columns=(COUNTS, "sex_probabilities")), False),
    ],
)
def test_only_genes_and_metadata_are_read_from_it(selection: Selection, expected: bool) -> None:
    assert covers(selection) is expected


def test_predictions_are_kept_too() -> None:
    selection = Selection(genes=(7,), columns=(*INDICES, "sex", COUNTS))
    found = pa.concat_tables(opened(written([predictions(30)]))[0].tables(selection))
    assert found.column_names == ["input_index", "sex", COUNTS]
