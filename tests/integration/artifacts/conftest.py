"""A database and a folder of the test's own, with one result in them that artifacts are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from shared.database.engines import sync_engine, transaction
from shared.database.queries import artifacts as statements
from shared.database.tables import Artifact
from shared.jobs.artifacts import ArtifactKind
from shared.results.genes import GeneNames, genes_key
from shared.results.selection import Selection
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.completer import Completer
from tests.support.jobs import save_job

GENES = 50


@dataclass(frozen=True)
class Shop:
    """Rows and files, and the job whose result is done."""

    engine: Engine
    storage: ObjectStorage
    storage_url: str
    job_id: UUID

    def ask(self, kind: ArtifactKind = ArtifactKind.EXPORT, samples: int = 4, **request: Any) -> UUID:
        """Ask for an artifact, a Parquet file of the whole result where nothing else is said.

        It is made of the same samples however many are announced.
        """
        usual = {"form": "parquet", "selection": Selection().to_json()} if kind is ArtifactKind.EXPORT else {}
        genes = genes_key(self.job_id, "0" * 64)
        self.storage.put(
            genes, GeneNames(tuple(f"ENSG{n:011d}" for n in range(GENES)), ("",) * GENES).encode()
        )
        request = {**usual, **request, "genes": genes}
        with transaction(self.engine) as session:
            session.execute(statements.ask(self.job_id, kind, request, str(request), samples))
            session.execute(statements.notify())
            found: UUID = session.scalars(statements.by_digest(self.job_id, str(request))).one().id
            return found

    def look(self, artifact_id: UUID) -> Artifact:
        """The row of an artifact."""
        with transaction(self.engine) as session:
            return session.scalars(statements.of_job(self.job_id, artifact_id)).one()


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    engine, url = sync_engine(database_url), f"file://{tmp_path}/objects"
    storage = open_storage(url)
    job_id = save_job(engine, [4])
    Completer(engine, storage, GENES).run_all()
    yield Shop(engine, storage, url, job_id)
    engine.dispose()
