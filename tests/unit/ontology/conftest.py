"""The committed tables, opened once."""

from __future__ import annotations

import pytest

from shared.ontology.terms import Ontologies


@pytest.fixture(scope="session")
def ontologies() -> Ontologies:
    return Ontologies.open()
