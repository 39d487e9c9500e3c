"""A result as a file that scientists open: Parquet, h5ad, CSV, written from the Arrow stream as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from cli.client import ARROW, Client, RequestFailed
from cli.rows import LATENTS, Rows, rows_of

# A sparse matrix stores two numbers for each count that is not zero.
_SPARSE_BELOW = 0.4
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
    rows, writer = 0, None
    with ExitStack() as files:
        for batch in reader:
            table = _plain(rows_of(batch)).replace_schema_metadata(reader.schema.metadata)
            if writer is None:
                writer = files.enter_context(pq.ParquetWriter(path, table.schema, **_parquet_options(table)))
            writer.write_table(table)
            rows += batch.num_rows
    return rows


def _plain(rows: Rows) -> pa.Table:
    """Flat columns of plain types: texts, numbers, lists of numbers."""
    metadata = {name: values.cast(pa.string()) for name, values in rows.metadata.items()}
    counts = {"counts": rows.counts.cast(pa.list_(pa.int32()))}
    latents = {f"{group}_latent": rows.latents[group] for group in LATENTS}
    return pa.table({**metadata, **rows.probabilities, **counts, **latents})


def _parquet_options(table: pa.Table) -> dict[str, Any]:
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [field.name for field in table.schema if field.type == pa.string()],
        "column_encoding": {"counts.list.element": "BYTE_STREAM_SPLIT"},
    }


def write_csv(
    reader: pa.RecordBatchReader, state: dict[str, Any], genes: Sequence[dict[str, Any]], path: Path
) -> int:
    """One row per sample: the metadata, then a column per gene, named by Ensembl id.

    A prediction has its probabilities in the place of genes, in columns named `field=value`.
    """
    del state
    written = 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for batch in reader:
            rows = rows_of(batch)
            names = rows.probabilities or [gene["ensembl_id"] for gene in genes]
            if not written:
                writer.writerow([*rows.metadata, *names])
            columns = [
                values.to_pylist() for values in (*rows.metadata.values(), *rows.probabilities.values())
            ]
            numbers = [[]] * batch.num_rows if rows.probabilities else rows.matrix.tolist()
            for index in range(batch.num_rows):
                writer.writerow([*(column[index] for column in columns), *numbers[index]])
            written += batch.num_rows
    return written


def write_h5ad(
    reader: pa.RecordBatchReader, state: dict[str, Any], genes: Sequence[dict[str, Any]], path: Path
) -> int:
    """AnnData: counts in X, metadata in obs, genes and symbols in var, latents in obsm, provenance in uns.

    A prediction has its reconstruction in X, and its probabilities in obsm.
    """
    batches = [rows_of(batch) for batch in reader]
    counts = np.concatenate([rows.matrix.astype(np.int32) for rows in batches])
    obs = _joined([rows.metadata for rows in batches])
    samples = pd.Index([f"sample_{index}" for index in range(len(counts))], dtype=object)
    var = _frame({name: [gene[name] for gene in genes] for name in genes[0]}).set_index("ensembl_id")
    var.index = var.index.astype(object)
    obsm: dict[str, Any] = {
        f"X_{group}_latent": np.concatenate([rows.latent(group) for rows in batches]) for group in LATENTS
    }
    if probabilities := _joined([rows.probabilities for rows in batches]):
        obsm["probabilities"] = pd.DataFrame(probabilities, index=samples)
    mostly_zeros = np.count_nonzero(counts) < _SPARSE_BELOW * counts.size
    matrix = sparse.csr_matrix(counts) if mostly_zeros else counts
    data = anndata.AnnData(matrix, obs=_frame(obs).set_index(samples), var=var, obsm=obsm)
    names = ("id", "model_id", "model_version", "request_type", "seed", "sampling_strategy", "total_count")
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


def _joined(batches: Sequence[dict[str, pa.Array]]) -> dict[str, list[Any]]:
    """The columns of all batches, as lists."""
    return {name: [value for each in batches for value in each[name].to_pylist()] for name in batches[0]}


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
