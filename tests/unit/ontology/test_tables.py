"""The committed tables: small, whole, and read without the packages that they were built from."""

from __future__ import annotations

import csv
import subprocess
import sys

import numpy as np
import pytest

from shared.ontology.cell_lines import cell_lines
from shared.ontology.table import TABLES, TermTable
from shared.ontology.terms import TABLED, Ontologies


def test_the_tables_are_small_enough_to_be_committed() -> None:
    assert sum(path.stat().st_size for path in TABLES.iterdir()) < 8_000_000


@pytest.mark.parametrize("name", TABLED)
def test_numbers_are_ascending_and_every_parent_is_a_term(name: str) -> None:
    table = TermTable.read(name)
    assert (np.diff(table.numbers) > 0).all()
    parents = table.columns["parents"].chunk(0).values.to_numpy()
    assert np.isin(parents, table.numbers).all()


def test_reading_them_needs_no_ontology_package() -> None:
    program = (
        "import sys; from shared.ontology.terms import Ontologies; Ontologies.open().get('CL:0000236');"
        "print(sorted({'cellxgene_ontology_guide', 'zstandard', 'torch'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_pathogen_is_in_the_taxonomy(ontologies: Ontologies) -> None:
    with (TABLES.parent / "pathogens.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) > 50
    for row in rows:
        term = ontologies.get(row["id"])
        assert term is not None
        assert term.label == row["label"]
        assert term.parents == ((row["parent"],) if row["parent"] else ())


def test_every_cell_line_stands_on_valid_terms(ontologies: Ontologies) -> None:
    assert len(cell_lines()) >= 40
    for line in cell_lines().values():
        assert ontologies.label(line.id) == line.label
        for origin in filter(None, (line.tissue, line.disease)):
            term = ontologies.get(origin)
            assert term is not None, line
            assert not term.obsolete, line
        assert line.tissue.startswith("UBERON:") or line.disease.startswith("MONDO:")
        assert line.sex in {"female", "male"}
