"""One Parquet file of a whole result: a row group a part, and what it is in the file's own metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from shared.results.part import metadata_names
from worker.artifacts.source import Source

MEDIA_TYPE, SUFFIX = "application/vnd.apache.parquet", ".parquet"


def write_parquet(source: Source, path: Path) -> None:
    """Hold one part at most."""
    writer: pq.ParquetWriter | None = None
    try:
        for part in source.parts():
            if writer is None:
                writer = pq.ParquetWriter(path, part.schema, **_options(part.schema))
                writer.add_key_value_metadata(_about(source))
            writer.write_table(part)
    finally:
        if writer is not None:
            writer.close()


def _about(source: Source) -> dict[str, str]:
    header = source.header
    return {
        "model_id": header.model_id,
        "model_version": str(header.model_version),
        "request_type": str(header.request_type),
        "gene_order": _text(header.gene_order),
        "gene_symbols": _text(source.symbols),
        "provenance": _text(source.provenance),
    }


def _text(value: Any) -> str:
    return orjson.dumps(list(value) if isinstance(value, tuple) else value).decode()


def _options(schema: pa.Schema) -> dict[str, Any]:
    lists: Iterable[str] = (field.name for field in schema if pa.types.is_list(field.type))
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [name for name in metadata_names(schema.names) if name in schema.names],
        "column_encoding": {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in lists},
        "write_statistics": ["input_index", "sample_index"],
        "store_schema": schema.metadata is not None,
    }
