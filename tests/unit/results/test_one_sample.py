"""What a part of a single sample costs: a column for each gene would be megabytes of footer for one row."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq

from shared.results.part import LATENT_GROUPS, Samples, encode_part, part_table

GENES = 20_000


def test_a_sample_of_20000_genes_is_one_row_of_few_columns_and_tens_of_kilobytes() -> None:
    random = np.random.default_rng(3)
    counts = random.poisson(random.lognormal(3, 2, (1, GENES))).astype(np.int32)
    samples = Samples(
        input_index=np.zeros(1, np.int64),
        sample_index=np.zeros(1, np.int64),
        condition_of=np.zeros(1, np.int64),
        metadata=[{"sex": "female", "modality": "bulk"}],
        counts=counts,
        latents={group: random.normal(size=(1, 64)).astype(np.float32) for group in LATENT_GROUPS},
    )
    part = encode_part(part_table(samples))
    assert len(part) < 4 * GENES, "larger than the bare numbers"
    table = pq.read_table(io.BytesIO(part))
    assert table.num_rows == 1
    assert table.num_columns < 40
    assert table.column("counts").to_pylist() == counts.tolist()
