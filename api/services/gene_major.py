"""Few genes of many samples: read from a file that keeps counts by gene, made when first wanted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncEngine

from api.services.artifacts import Wish, ask, store_genes
from shared.catalog import Offer
from shared.database.engines import async_transaction
from shared.database.tables import Artifact, Job
from shared.errors import ResultDamaged
from shared.jobs.artifacts import ArtifactKind, ArtifactState
from shared.jobs.states import JobState
from shared.results.gene_major import GeneMajor, covers
from shared.results.selection import Selection
from shared.storage.port import Storage

# Results of fewer samples are read as quickly as the file would be found.
WORTH_IT = 2_000


async def kept_by_gene(
    engine: AsyncEngine, storage: Storage, job: Job, offer: Offer, selection: Selection
) -> Artifact | None:
    """The file of a job that a selection can be read from; None where there is none (yet).

    A selection of genes has it made, for the next one. Raises DatabaseUnavailable and StorageUnavailable.
    """
    wanted = selection.genes is not None and job.samples_done > WORTH_IT and job.state == JobState.READY
    if not wanted or not covers(selection):
        return None
    genes = await store_genes(storage, job, offer)
    async with async_transaction(engine) as session:
        found = await ask(session, job, Wish(ArtifactKind.GENE_MAJOR, {"genes": genes}, job.samples_done))
    return found if found.state == ArtifactState.READY else None


def tables_by_gene(storage: Storage, file: Artifact, selection: Selection) -> Iterator[pa.Table]:
    """What is selected of a file that is ready. Blocks: for a thread. Raises ResultDamaged."""
    key = file.key or ""
    try:
        return GeneMajor(partial(storage.read, key), file.bytes or 0).tables(selection)
    except (KeyError, EOFError):
        raise ResultDamaged(f"The stored file {key} is missing, or it was cut.") from None
