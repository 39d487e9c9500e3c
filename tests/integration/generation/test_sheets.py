"""Large jobs, whose conditions lie in sheets, beside the same jobs whose conditions are rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import func, select, text, update

from shared.database.engines import transaction
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.database.tables import Chunk, JobInput
from shared.errors import StorageUnavailable
from shared.jobs.states import ChunkState, JobState
from shared.queries.spec import Coverage, Placement
from shared.results.specimens import specimens_prefix
from shared.sheets.sheet import SheetRow
from tests.integration.generation.conftest import LEASE, Workshop
from tests.integration.generation.test_failures import Choosy, choosy, killed, reasons  # noqa: F401
from tests.support.jobs import conditions, read_chunks, read_job, save_job, store_sheets
from worker.generation.claim import Claimant, claim
from worker.generation.conditions import row_of
from worker.generation.recovery import recover
from worker.generation.retention import expire_results, sweep_inputs
from worker.generation.sheets import Sheets

Save = Callable[..., UUID]
WAYS = ("rows", "sheets")


def various(number: int = 12) -> list[SheetRow]:
    """Conditions of which no two neighbours are alike; rows 3 and 7 of what was sent were left out."""
    heart = Placement(Coverage.EXACT, ("UBERON:0000948",))
    lobe = Placement(Coverage.ANCESTOR, ("UBERON:0002107",), 2)
    sex = Placement(Coverage.EXACT, ("male",))
    unread = Placement(Coverage.NOT_INFORMATIVE)
    rows, first = [], 0
    for position in [place for place in range(number + 2) if place not in (3, 7)]:
        metadata, placed = {"tissue_ontology_id": "UBERON:0000948"}, {"tissue_ontology_id": heart}
        if position % 2:
            metadata = {"study": f"PRJNA{position}", "sex": "male", "tissue_ontology_id": "UBERON:0001115"}
            placed = {"study": unread, "sex": sex, "tissue_ontology_id": lobe}
        name = f"my {position}" if position % 3 else ""
        rows.append(SheetRow(position, first, 1 + position % 4, metadata, placed, name))
        first += rows[-1].num_samples
    return rows


@pytest.fixture
def storage_url(tmp_path: Path) -> str:
    """On disk only: what is asked of the storage, other tests ask of S3 too."""
    return f"file://{tmp_path}/objects"


@pytest.fixture
def save(workshop: Workshop) -> Save:
    """Saves a job whose conditions are kept in the one way or the other."""

    def saved(way: str, *sizes: int, **options: Any) -> UUID:
        sheets = workshop.storage if way == "sheets" else None
        return save_job(workshop.database, sizes, sheets=sheets, **options)

    return saved


def saved_inputs(workshop: Workshop, job_id: UUID) -> list[SheetRow]:
    """The job's conditions that are rows."""
    with transaction(workshop.database) as session:
        statement = select(JobInput).where(JobInput.job_id == job_id).order_by(JobInput.position)
        return [row_of(saved) for saved in session.scalars(statement)]


def manifest_of(workshop: Workshop, job_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(
        workshop.storage.get(read_job(workshop.database, job_id).manifest_key or "")
    )
    return found


@pytest.mark.parametrize("batch_samples", [64, 5])
def test_the_same_query_gives_equal_parts_whether_its_conditions_are_rows_or_sheets(
    workshop: Workshop, save: Save, batch_samples: int
) -> None:
    jobs = [save(way, rows=various(), per_chunk=7) for way in WAYS]
    workshop.drain(batch_samples)
    as_rows, as_sheets = (workshop.parts(job_id) for job_id in jobs)
    assert as_rows == as_sheets
    assert len(as_sheets) == 4
    rows = workshop.table(jobs[1]).to_pylist()
    assert [row["input_index"] for row in rows] == [
        each.position for each in various() for _ in range(each.num_samples)
    ]
    assert {row["custom_id"] for row in rows} == {each.custom_id for each in various()}
    assert rows[1]["coverage"].split("; ")[0].startswith("tissue_ontology_id: UBERON:0002107 in its place")
    assert saved_inputs(workshop, jobs[1]) == []


def test_parts_say_no_custom_id_where_the_query_has_none(workshop: Workshop, save: Save) -> None:
    job_id = save("sheets", rows=[replace(row, custom_id="") for row in various()])
    workshop.drain()
    assert "custom_id" not in workshop.table(job_id).column_names


@pytest.mark.parametrize("way", WAYS)
def test_inputs_that_cannot_be_computed_fail_alone_and_are_rows_then(
    workshop: Workshop,
    choosy: Choosy,  # noqa: F811
    save: Save,
    way: str,
) -> None:
    given = various()
    undisturbed = save(way, rows=given, per_chunk=8, seed=choosy.seed)
    workshop.drain()
    guilty = {given[2].position, given[9].position}
    choosy.guilty = frozenset(guilty)
    hurt = save(way, rows=given, per_chunk=8, seed=choosy.seed)
    workshop.drain()
    expected = [row for row in workshop.table(undisturbed).to_pylist() if row["input_index"] not in guilty]
    assert workshop.table(hurt).to_pylist() == expected
    assert reasons(workshop.database, hurt) == dict.fromkeys(guilty, "The model gave negative counts.")
    lost = [row for row in given if row.position in guilty]
    job = read_job(workshop.database, hurt)
    assert (job.state, job.samples_failed) == (JobState.READY, sum(row.num_samples for row in lost))
    assert [each["input_index"] for each in manifest_of(workshop, hurt)["failures"]] == sorted(guilty)
    assert saved_inputs(workshop, hurt) == (given if way == "rows" else lost)


def test_a_large_job_none_of_whose_inputs_can_be_computed_fails_and_keeps_them_all(
    workshop: Workshop,
    choosy: Choosy,  # noqa: F811
    save: Save,
) -> None:
    choosy.guilty = frozenset(range(4))
    job_id = save("sheets", 2, 1, 1, 2, per_chunk=3, seed=choosy.seed)
    workshop.drain()
    job = read_job(workshop.database, job_id)
    assert (job.state, job.error) == (JobState.FAILED, "The model gave negative counts.")
    assert saved_inputs(workshop, job_id) == conditions([2, 1, 1, 2])


def test_the_manifest_says_what_was_asked_of_which_model_and_what_was_left_out(
    workshop: Workshop, save: Save
) -> None:
    left_out = {"rows": 2_000, "report": "reports/1.ndjson", "first": [{"input_index": 3, "message": "No."}]}
    job_id = save(
        "sheets",
        rows=various(),
        rejected=left_out,
        query_digest="d1",
        model_digests={"vocabulary": "d2", "genes_csv": "d3"},
    )
    workshop.drain()
    manifest = manifest_of(workshop, job_id)
    assert manifest["manifest_version"] == 3
    assert [manifest[f"{name}_sha256"] for name in ("query", "vocabulary", "genes")] == ["d1", "d2", "d3"]
    assert (manifest["rejected_rows"], manifest["custom_ids"]) == (2_000, True)
    assert manifest["failures"] == [{"input_index": 3, "reason": "No."}]
    job = read_job(workshop.database, job_id)
    stored = workshop.storage.get(job.manifest_key or "")
    assert hashlib.sha256(stored).hexdigest() == job.manifest_sha256
    assert job.samples_failed == 0, "nobody knows how many samples they would have been"


@pytest.mark.parametrize("way", WAYS)
def test_an_input_that_kills_its_worker_is_found_by_halves(workshop: Workshop, save: Save, way: str) -> None:
    undisturbed = save(way, *[1] * 8, per_chunk=8, seed=Choosy.seed)
    workshop.drain()
    poisoned = save(way, *[1] * 8, per_chunk=8, seed=Choosy.seed)
    assert killed(workshop, 5) <= 2 + 3 + 1
    job = read_job(workshop.database, poisoned)
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.READY, 7, 1)
    assert list(reasons(workshop.database, poisoned)) == [5]
    expected = [row for row in workshop.table(undisturbed).to_pylist() if row["input_index"] != 5]
    assert sorted(workshop.table(poisoned).to_pylist(), key=lambda row: row["input_index"]) == expected


@pytest.mark.parametrize("way", WAYS)
def test_a_cancelled_job_keeps_what_is_done_and_begins_nothing_more(
    workshop: Workshop, save: Save, way: str
) -> None:
    job_id = save(way, 2, 2, 2, 2, per_chunk=2)
    pipeline, answers = workshop.pipeline(batch_samples=2), iter([False, True])
    pipeline.drain(lambda: next(answers))
    pipeline.close()
    with transaction(workshop.database) as session:
        session.execute(cancel_chunks(job_id))
        session.execute(cancel_job(job_id))
    assert workshop.drain() == 0
    states = [chunk.state for chunk in read_chunks(workshop.database, job_id)]
    assert states == [ChunkState.DONE, *[ChunkState.CANCELLED] * 3]


@pytest.mark.parametrize("way", WAYS)
def test_what_expires_leaves_no_object_behind(workshop: Workshop, save: Save, way: str) -> None:
    job_id = save(way, 2, 2, 2, 2)
    workshop.drain()
    with transaction(workshop.database) as session:
        session.execute(text("UPDATE jobs SET expires_at = now() - interval '1 s'"))
    assert expire_results(workshop.database, workshop.storage) == 1
    assert workshop.storage.keys("results") + workshop.storage.keys("inputs") == []
    assert read_job(workshop.database, job_id).state == JobState.EXPIRED


def test_sheets_of_submits_that_were_never_saved_are_swept_and_those_of_jobs_are_not(
    workshop: Workshop, save: Save
) -> None:
    job_id, unsaved = save("sheets", 1, 1), uuid4()
    store_sheets(workshop.storage, unsaved, conditions([1, 1]))
    assert sweep_inputs(workshop.database, workshop.storage, timedelta(seconds=-1)) == 1
    assert workshop.storage.keys(specimens_prefix(unsaved)) == []
    assert len(workshop.storage.keys(specimens_prefix(job_id))) == 1


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_samples_whose_sheet_is_damaged_fail_with_a_sentence_and_the_others_are_delivered(
    workshop: Workshop, save: Save, damage: str
) -> None:
    job_id = save("sheets", *[1] * 9, per_chunk=3)
    key = read_job(workshop.database, job_id).sheets[1]["key"]
    if damage == "missing":
        workshop.storage.delete([key])
    else:
        workshop.storage.put(key, workshop.storage.get(key)[:-1] + b"x")
    workshop.drain()
    job, sentence = read_job(workshop.database, job_id), f"The stored conditions {key}"
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.READY, 6, 3)
    assert [chunk.attempts for chunk in read_chunks(workshop.database, job_id)] == [1, 3, 1]
    (warning,) = manifest_of(workshop, job_id)["warnings"]
    assert warning.startswith(f"Samples 3 to 5 are missing. {sentence}")
    assert damage in warning


def test_a_job_none_of_whose_sheets_can_be_read_fails_with_the_sentence(
    workshop: Workshop, save: Save
) -> None:
    job_id = save("sheets", 1, 1)
    workshop.storage.delete_all(specimens_prefix(job_id))
    workshop.drain()
    job = read_job(workshop.database, job_id)
    assert job.state == JobState.FAILED
    assert "are missing. Submit the query again." in (job.error or "")


def test_a_chunk_that_killed_its_workers_and_cannot_be_read_is_given_up(
    workshop: Workshop, save: Save
) -> None:
    job_id = save("sheets", 1, 1)
    workshop.storage.delete_all(specimens_prefix(job_id))
    for _ in range(3):
        claim(workshop.database, Claimant("w", workshop.engines.claimable, timedelta(minutes=1), 64))
        with transaction(workshop.database) as session:
            ended = update(Chunk).where(Chunk.state == ChunkState.RUNNING)
            session.execute(ended.values(lease_expires_at=func.now() - timedelta(seconds=1)))
        recover(workshop.database, workshop.storage, 3)
    job = read_job(workshop.database, job_id)
    assert (job.state, job.samples_failed) == (JobState.FAILED, 2)
    assert "3 times" in (job.error or "")


class Away:
    """A storage that answers no question about sheets."""

    def __init__(self, workshop: Workshop) -> None:
        self._there = workshop.storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._there, name)

    def get(self, key: str) -> bytes:
        if "sheet" in key:
            raise StorageUnavailable("The storage does not answer.")
        return self._there.get(key)


def test_chunks_whose_sheets_cannot_be_fetched_now_are_given_back(workshop: Workshop, save: Save) -> None:
    job_id, there = save("sheets", 2, 2, per_chunk=2), workshop.storage
    workshop.storage = Away(workshop)  # type: ignore[assignment]
    with pytest.raises(StorageUnavailable):
        workshop.drain()
    assert [(chunk.state, chunk.attempts) for chunk in read_chunks(workshop.database, job_id)] == [
        (ChunkState.QUEUED, 0)
    ] * 2
    workshop.storage = there
    assert workshop.drain() == 4


def test_a_sheet_is_fetched_once_for_the_chunks_that_follow_each_other(
    workshop: Workshop, save: Save
) -> None:
    fetched: list[str] = []

    class Counting(Away):
        def get(self, key: str) -> bytes:
            fetched.append(key)
            return self._there.get(key)

    job_id = save("sheets", *[2] * 6, per_chunk=1)
    sheets = Sheets(Counting(workshop), kept=1)  # type: ignore[arg-type]
    works = claim(workshop.database, Claimant("w", workshop.engines.claimable, LEASE, 64))
    read = [work.read(sheets) for work in works]
    assert [work.inputs for work in read] == [(place // 2,) for place in range(12)]
    assert fetched == [entry["key"] for entry in read_job(workshop.database, job_id).sheets]
