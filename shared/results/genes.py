"""The genes of a result beside it, for whoever has no models: ids and symbols, in the order of counts."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from shared.results.manifest import result_prefix


@dataclass(frozen=True, slots=True)
class GeneNames:
    """Ensembl ids and symbols, as long as each other."""

    ensembl_ids: Sequence[str]
    symbols: Sequence[str]

    def encode(self) -> bytes:
        """As it is stored; equal names give equal bytes."""
        names = {"ensembl_ids": list(self.ensembl_ids), "symbols": list(self.symbols)}
        return gzip.compress(orjson.dumps(names), mtime=0)


def decode_genes(data: bytes) -> GeneNames:
    """What `encode` gave."""
    names = orjson.loads(gzip.decompress(data))
    return GeneNames(tuple(names["ensembl_ids"]), tuple(names["symbols"]))


def genes_key(job_id: UUID, weights_digest: str) -> str:
    """Where the names lie of the genes of a model with these weights, beside the result of a job."""
    return f"{result_prefix(job_id)}/genes-{weights_digest[:16]}.json.gz"
