"""What benchmarks ask for: samples of one condition, of the service and of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from worker.inference.batch import Batch

LIVER = "UBERON:0002107"


def query_of(num_samples: int, strategy: str, seed: int, **options: Any) -> dict[str, Any]:
    """A query of samples of liver."""
    inputs = [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": num_samples}]
    return {"sampling_strategy": strategy, "inputs": inputs, "seed": seed, **options}


def batch_of(num_samples: int, seed: int, generation: bool) -> Batch:
    """The batch that such a query becomes."""
    return Batch(
        conditions=({"tissue_ontology_id": (LIVER,)},),
        condition_of=np.zeros(num_samples, np.int64),
        seed=np.full(num_samples, seed, np.uint64),
        input_index=np.zeros(num_samples, np.int64),
        sample_index=np.arange(num_samples),
        total_count=np.full(num_samples, 10_000_000),
        deterministic=np.zeros(num_samples, bool),
        generation=np.full(num_samples, generation),
    )
