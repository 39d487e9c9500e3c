"""The table of legal moves."""

from __future__ import annotations

import pytest

from shared.errors import IllegalTransition
from shared.jobs.states import (
    CHUNK_MOVES,
    FINAL_JOB_STATES,
    JOB_MOVES,
    ChunkState,
    JobState,
    chunk_states_before,
    job_states_before,
)


def test_every_state_is_in_its_table() -> None:
    assert set(JOB_MOVES) == set(JobState)
    assert set(CHUNK_MOVES) == set(ChunkState)


def test_a_final_job_can_only_expire() -> None:
    for state in FINAL_JOB_STATES:
        assert JOB_MOVES[state] <= {JobState.EXPIRED}


def test_a_job_is_ready_only_after_it_ran() -> None:
    assert job_states_before(JobState.READY) == (JobState.RUNNING,)


def test_a_finished_chunk_never_moves_again() -> None:
    for state in (ChunkState.DONE, ChunkState.FAILED, ChunkState.CANCELLED):
        assert not CHUNK_MOVES[state]


def test_a_chunk_goes_back_to_the_queue_only_from_a_lease() -> None:
    assert chunk_states_before(ChunkState.QUEUED) == (ChunkState.RUNNING,)


def test_a_move_that_no_state_may_make_is_an_error() -> None:
    with pytest.raises(IllegalTransition, match="queued"):
        job_states_before(JobState.QUEUED)
