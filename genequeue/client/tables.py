"""Results as tables: Arrow, pandas, polars; and tables as what is sent. Every column is flat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genequeue.client.errors import PackageMissing

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from anndata import AnnData

_NAMELESS_INDEX = "__index_level_"
_LATENTS = ("biological", "technical", "perturbation")
COUNTS = "counts"


def parquet_of(frame: object) -> bytes:
    """The Parquet file of a table of conditions; an index is a column if it has a name."""
    table = pa.table(frame)
    nameless = [name for name in table.column_names if name.startswith(_NAMELESS_INDEX)]
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(nameless).replace_schema_metadata(None), sink, compression="zstd")
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def read_stream(path: Path) -> pa.Table:
    """The server's Arrow stream, in flat columns; the genes, in the order of the counts, in its metadata."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        tables = [flat(batch) for batch in reader]
        kept = {b"gene_order": (reader.schema.metadata or {}).get(b"gene_order", b"[]")}
    return pa.concat_tables(tables).replace_schema_metadata(kept)


def read_part(data: bytes) -> pa.Table:
    """The rows of a part; its columns are flat as they are."""
    return pq.read_table(pa.BufferReader(data))


def flat(batch: pa.RecordBatch) -> pa.Table:
    """Metadata, probabilities named `field=value`, counts, latents named `group_latent`: what there is."""
    columns: dict[str, Any] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        match field.name:
            case "metadata":
                columns |= _fields(column)
            case "decoder_sample":
                columns[COUNTS] = _fields(column)[COUNTS]
            case "latents":
                columns |= {f"{group}_latent": values for group, values in _fields(column).items()}
            case "classifier_probs":
                columns |= dict(_probabilities(column))
            case name:
                columns[name] = column
    if COUNTS in columns:
        columns[COUNTS] = columns[COUNTS].cast(pa.list_(pa.int32()))
    return pa.table(columns)


def genes_of(table: pa.Table) -> list[str]:
    """The Ensembl ids of its counts, in their order."""
    return list(json.loads((table.schema.metadata or {}).get(b"gene_order", b"[]")))


def counts_of(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Counts [N, G]."""
    values: np.ndarray[Any, np.dtype[np.int32]] = table.column(COUNTS).combine_chunks().flatten().to_numpy()
    return values.reshape(table.num_rows, -1)


def to_pandas(table: pa.Table, names: Mapping[str, str]) -> pd.DataFrame:
    """A row per sample: all that is not counts, then a column for each gene, renamed as `names` says."""
    if COUNTS not in table.column_names:
        whole: pd.DataFrame = table.to_pandas()
        return whole
    pandas, frame = needed("pandas"), table.drop_columns([COUNTS]).to_pandas()
    genes = [names.get(gene, gene) for gene in genes_of(table)]
    counts = pandas.DataFrame(counts_of(table), columns=genes, index=frame.index)
    both: pd.DataFrame = pandas.concat([frame, counts], axis=1)
    return both


def to_polars(table: pa.Table, names: Mapping[str, str]) -> pl.DataFrame:
    """As `to_pandas`, for polars."""
    polars = needed("polars")
    if COUNTS not in table.column_names:
        whole: pl.DataFrame = polars.from_arrow(table)
        return whole
    genes = [names.get(gene, gene) for gene in genes_of(table)]
    frame: pl.DataFrame = polars.from_arrow(table.drop_columns([COUNTS]))
    both: pl.DataFrame = frame.hstack(polars.from_numpy(counts_of(table), schema=genes))
    return both


def to_anndata(path: Path) -> AnnData:
    """An h5ad file in memory, which anndata can write again: it has no writer for pandas' own texts."""
    data: AnnData = needed("anndata").read_h5ad(path)
    for frame in (data.obs, data.var):
        frame.index = frame.index.astype(object)
        for name in frame.select_dtypes(["category", "string"]):
            texts = frame[name].astype("category")
            frame[name] = texts.cat.rename_categories(texts.cat.categories.astype(object))
    return data


def needed(package: str) -> ModuleType:
    """An optional package. Raises PackageMissing."""
    try:
        return import_module(package)
    except ImportError as error:
        raise PackageMissing(f"This needs {package}: pip install {package}.") from error


def _probabilities(heads: pa.StructArray) -> Iterator[tuple[str, pa.Array]]:
    for field, values in _fields(heads).items():
        for value, column in _fields(values).items():
            yield f"{field}={value}", column


def _fields(column: pa.StructArray) -> dict[str, Any]:
    return {field.name: column.field(index) for index, field in enumerate(column.type)}
