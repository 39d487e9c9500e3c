"""Many conditions of `gem-1-bulk`, as a design and in the forms of a large request."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from shared.queries.vocabulary import Vocabulary

# 40 x 50 x 25 x 2 x 2 are 200,000; fewer conditions are a design of fewer tissues.
_FIELDS = {
    "tissue_ontology_id": 40,
    "cell_type_ontology_id": 50,
    "disease_ontology_id": 25,
    "sex": 2,
    "sample_type": 2,
}
_OF_A_TISSUE = 50 * 25 * 2 * 2

Metadata = dict[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """A large request as it is sent: a file, its media type, and how it is read without any check."""

    name: str
    media_type: str
    file: Path


def design_of(vocabulary: Vocabulary, conditions: int) -> dict[str, list[str]]:
    """A design of so many conditions, or as many as a whole number of tissues has."""
    counts = {**_FIELDS, "tissue_ontology_id": -(-conditions // _OF_A_TISSUE)}
    return {name: list(vocabulary.fields[name].terms)[:count] for name, count in counts.items()}


def rows_of(vocabulary: Vocabulary, conditions: int) -> Iterator[Metadata]:
    """So many conditions, no two of them alike."""
    design = design_of(vocabulary, conditions)
    for values in islice(product(*design.values()), conditions):
        yield dict(zip(design, values, strict=True))


def write_forms(vocabulary: Vocabulary, conditions: int, folder: Path) -> list[Form]:
    """The same conditions as NDJSON, CSV and Parquet, each with an id of its own."""
    rows = list(rows_of(vocabulary, conditions))
    ids = [f"condition-{place}" for place in range(len(rows))]
    ndjson, sheet, parquet = (folder / f"{conditions}.{suffix}" for suffix in ("ndjson", "csv", "parquet"))
    with ndjson.open("wb") as file:
        for name, row in zip(ids, rows, strict=True):
            file.write(orjson.dumps({"metadata": row, "num_samples": 1, "custom_id": name}) + b"\n")
    table = [{**row, "custom_id": name} for name, row in zip(ids, rows, strict=True)]
    with sheet.open("w", newline="") as text:
        writer = csv.DictWriter(text, table[0])
        writer.writeheader()
        writer.writerows(table)
    pq.write_table(pa.Table.from_pylist(table), parquet)
    return [
        Form("NDJSON", "application/x-ndjson", ndjson),
        Form("CSV", "text/csv", sheet),
        Form("Parquet", "application/vnd.apache.parquet", parquet),
    ]
