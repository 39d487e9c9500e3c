"""One stage for the tests that disturb it themselves: each leaves it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.chaos.stage import QUICK, Plan, Stage, running_stage

# Small batches, so that a job lasts for some polls; API processes that accept from one socket.
_SLOW = {**QUICK, "GENEQUEUE_BATCH_SAMPLES": "40"}


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("stage"), Plan(_SLOW, one_address=True)) as made:
        yield made
