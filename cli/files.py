"""A result as a file that scientists open: Parquet, h5ad, CSV, written from the Arrow stream as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from cli.client import ARROW, Client, RequestFailed

# A sparse matrix stores two numbers for each count that is not zero.
_SPARSE_BELOW = 0.4
LATENTS = ("biological", "technical", "perturbation")
Writer = Callable[[pa.RecordBatchReader, dict[str, Any], Sequence[dict[str, Any]], Path], int]


def save(
    client: Client, state: dict[str, Any], genes: Sequence[dict[str, Any]], output: Path, write: Writer
) -> int:
    """Write the whole result or nothing; returns the number of samples. Raises RequestFailed."""
    partial = output.with_name(f".{output.name}.partial")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with client.stream(f"/api/model-queries/{state['id']}/result", ARROW) as response:
            with pa.ipc.open_stream(io.BufferedReader(_Body(response.iter_bytes()), 1 << 20)) as reader:
                rows = write(reader, state, genes, partial)
        if rows != state["progress"]["samples_total"]:
            raise RequestFailed(f"The download broke off after {rows} samples; try again.")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def write_parquet(
    reader: pa.RecordBatchReader, state: dict[str, Any], genes: Sequence[dict[str, Any]], path: Path
) -> int:
    """One row per sample, counts in a list column; the order of the genes stands in the file's metadata."""
    del state, genes
    schema = pa.schema(
        [
            *(field.with_type(pa.string()) for field in reader.schema.field("metadata").type),
            pa.field("counts", pa.list_(pa.int32())),
            *(pa.field(f"{group}_latent", pa.list_(pa.float32())) for group in LATENTS),
        ],
        metadata=reader.schema.metadata,
    )
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [field.name for field in reader.schema.field("metadata").type],
        "column_encoding": {"counts.list.element": "BYTE_STREAM_SPLIT"},
    }
    rows = 0
    with pq.ParquetWriter(path, schema, **options) as writer:
        for batch in reader:
            columns = {**_metadata(batch), "counts": batch.column("counts").cast(pa.list_(pa.int32()))}
            columns |= {f"{group}_latent": batch.column(f"{group}_latent") for group in LATENTS}
            writer.write_batch(pa.record_batch([columns[name] for name in schema.names], schema=schema))
            rows += batch.num_rows
    return rows


def write_csv(
    reader: pa.RecordBatchReader, state: dict[str, Any], genes: Sequence[dict[str, Any]], path: Path
) -> int:
    """One row per sample: the metadata, then a column per gene, named by Ensembl id."""
    del state
    rows = 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for batch in reader:
            metadata = _metadata(batch)
            if not rows:
                writer.writerow([*metadata, *(gene["ensembl_id"] for gene in genes)])
            columns = [values.to_pylist() for values in metadata.values()]
            counts = _counts(batch)
            for index in range(batch.num_rows):
                writer.writerow([*(column[index] for column in columns), *counts[index].tolist()])
            rows += batch.num_rows
    return rows


def write_h5ad(
    reader: pa.RecordBatchReader, state: dict[str, Any], genes: Sequence[dict[str, Any]], path: Path
) -> int:
    """AnnData: counts in X, metadata in obs, genes and symbols in var, latents in obsm, provenance in uns."""
    batches = list(reader)
    counts = np.concatenate([_counts(batch).astype(np.int32) for batch in batches])
    metadata = [_metadata(batch) for batch in batches]
    obs = {name: [value for each in metadata for value in each[name].to_pylist()] for name in metadata[0]}
    samples = pd.Index([f"sample_{index}" for index in range(len(counts))], dtype=object)
    var = _frame({name: [gene[name] for gene in genes] for name in genes[0]}).set_index("ensembl_id")
    var.index = var.index.astype(object)
    latents = {f"X_{group}_latent": _latent(batches, group) for group in LATENTS}
    mostly_zeros = np.count_nonzero(counts) < _SPARSE_BELOW * counts.size
    matrix = sparse.csr_matrix(counts) if mostly_zeros else counts
    data = anndata.AnnData(matrix, obs=_frame(obs).set_index(samples), var=var, obsm=latents)
    names = ("id", "model_id", "model_version", "seed", "sampling_strategy", "total_count")
    data.uns["genequeue"] = {name: state[name] for name in names if state.get(name) is not None}
    data.write_h5ad(path, compression="gzip")
    return len(counts)


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Texts as plain objects, repeated ones as categories of such: AnnData's files know no Arrow strings."""
    return pd.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: list[Any]) -> pd.Series[Any]:
    kinds = set(values)
    if len(kinds) < len(values) and isinstance(values[0], str):
        return pd.Series(pd.Categorical(values, categories=pd.Index(sorted(kinds), dtype=object)))
    return pd.Series(values, dtype=object if isinstance(values[0], str) else None)


def _metadata(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    column = batch.column("metadata")
    return {field.name: column.field(index) for index, field in enumerate(column.type)}


def _counts(batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.int64]]:
    flat: np.ndarray[Any, np.dtype[np.int64]] = batch.column("counts").flatten().to_numpy()
    return flat.reshape(batch.num_rows, -1)


def _latent(batches: Sequence[pa.RecordBatch], group: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    columns = [batch.column(f"{group}_latent") for batch in batches]
    return np.concatenate([column.flatten().to_numpy().reshape(len(column), -1) for column in columns])


class _Body(io.RawIOBase):
    """The body of an answer as a file, for Arrow to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
