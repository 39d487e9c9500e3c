"""What must hold once a storm is over, a function a promise: each yields the cases that broke it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from shared.jobs.states import CHUNK_MOVES, FINAL_JOB_STATES, JOB_MOVES, ChunkState, JobState
from tests.system.chaos.books import Books, Row
from tests.system.chaos.ledger import Broken
from tests.system.chaos.questions import digest, question_of

_OVER = frozenset(map(str, FINAL_JOB_STATES))
_READY = str(JobState.READY)


def every_accepted_job_is_known(books: Books) -> Iterator[str]:
    for job in books.ledger.accepted:
        if job.job_id not in books.jobs:
            yield job.job_id


def every_job_is_over(books: Books) -> Iterator[str]:
    for job_id, job in books.jobs.items():
        if job["state"] not in _OVER:
            yield f"{job_id} is {job['state']}, {job['chunks_open']} of {job['chunks_total']} chunks open"


def every_good_query_is_ready(books: Books) -> Iterator[str]:
    for job_id, job in books.jobs.items():
        if job["state"] in _OVER and job["state"] != _READY:
            yield f"{job_id} is {job['state']}: {job['error']}"


def a_ready_job_is_whole(books: Books) -> Iterator[str]:
    for job_id, job in _ready(books):
        chunks = books.chunks[job_id]
        done = [chunk for chunk in chunks if chunk["state"] == ChunkState.DONE]
        total = sum(chunk["num_samples"] for chunk in done)
        if not (len(done) == len(chunks) == job["chunks_total"] and total == job["samples_total"]):
            yield f"{job_id}: {len(done)} of {job['chunks_total']} chunks, {total} samples"
        if (job["samples_done"], job["chunks_open"]) != (job["samples_total"], 0):
            yield f"{job_id} counts {job['samples_done']} samples and {job['chunks_open']} open chunks"


def no_chunk_is_completed_twice(books: Books) -> Iterator[str]:
    ends = Counter(move.subject for move in books.moves if move.kind == "chunk" and move.after == "done")
    yield from (f"chunk {chunk}: {count} times" for chunk, count in ends.items() if count > 1)


def no_move_is_illegal(books: Books) -> Iterator[str]:
    legal = {
        "job": {(str(before), str(after)) for before, afters in JOB_MOVES.items() for after in afters},
        "chunk": {(str(before), str(after)) for before, afters in CHUNK_MOVES.items() for after in afters},
    }
    for move in books.moves:
        if (move.before, move.after) not in legal[move.kind]:
            yield f"{move.kind} {move.subject}: {move.before} to {move.after}"


def no_token_is_given_twice(books: Books) -> Iterator[str]:
    given = Counter(
        move.token for move in books.moves if move.kind == "chunk" and move.after == ChunkState.RUNNING
    )
    yield from (f"token {token}: {count} times" for token, count in given.items() if count > 1)


def events_have_no_gaps(books: Books) -> Iterator[str]:
    for job_id, job in books.jobs.items():
        numbers = [event["number"] for event in books.events.get(job_id, ())]
        if numbers != list(range(1, job["events"] + 1)):
            yield f"{job_id} has {numbers} and counts {job['events']}"


def events_tell_one_life(books: Books) -> Iterator[str]:
    """Queued, then running once, then progress a chunk, then the end, which is said once and last."""
    for job_id, _ in _ready(books):
        kinds = [event["kind"].removeprefix("query.") for event in books.events.get(job_id, ())]
        if kinds != ["queued", "running", *["progress"] * len(books.chunks[job_id]), "ready"]:
            yield f"{job_id}: {kinds}"


def progress_only_grows(books: Books) -> Iterator[str]:
    for job_id, events in books.events.items():
        done = [event["data"]["samples_done"] for event in events if "samples_done" in event["data"]]
        if done != sorted(set(done)):
            yield f"{job_id}: {done}"


def no_lease_is_left(books: Books) -> Iterator[str]:
    for job_id, chunks in books.chunks.items():
        for chunk in chunks:
            if chunk["state"] == ChunkState.RUNNING or chunk["owner"] or chunk["lease_expires_at"]:
                yield f"chunk {chunk['position']} of {job_id} is {chunk['state']}, of {chunk['owner']}"


def every_row_has_its_object(books: Books) -> Iterator[str]:
    for job_id, chunk in _done(books):
        content = books.content(chunk["part_key"])
        if content is None:
            yield f"{chunk['part_key']} is missing"
        elif (len(content), digest(content)) != (chunk["part_bytes"], chunk["part_sha256"]):
            yield f"{chunk['part_key']} of {job_id} is not what its row says"


def every_manifest_is_that_of_its_rows(books: Books) -> Iterator[str]:
    for job_id, job in _ready(books):
        content = books.content(job["manifest_key"])
        parts = json.loads(content)["parts"] if content else []
        told = [(part["key"], part["sha256"], part["num_samples"]) for part in parts]
        rows = [(row["part_key"], row["part_sha256"], row["num_samples"]) for row in books.chunks[job_id]]
        if told != rows:
            yield f"{job_id}: {job['manifest_key']} names {len(told)} parts, rows {len(rows)}"


def every_part_equals_the_undisturbed_one(books: Books) -> Iterator[str]:
    for job_id, chunk in _done(books):
        name = question_of(books.jobs[job_id]["source"])
        place = (chunk["first_sample"], chunk["num_samples"])
        if name is None or books.answers[name].parts.get(place) != chunk["part_sha256"]:
            yield f"{name}, samples {place} of {job_id}"


def every_object_belongs_to_a_job(books: Books) -> Iterator[str]:
    """What belongs to one is deleted with it."""
    for key in books.objects:
        folder, _, rest = key.partition("/")
        if folder != "results" or rest.partition("/")[0] not in books.jobs:
            yield key


def customers_saw_no_promise_broken(books: Books) -> Iterator[str]:
    yield from (f"{broken.promise}: {broken.case}" for broken in books.ledger.broken)


PROMISES: tuple[Callable[[Books], Iterator[str]], ...] = (
    every_accepted_job_is_known,
    every_job_is_over,
    every_good_query_is_ready,
    a_ready_job_is_whole,
    no_chunk_is_completed_twice,
    no_move_is_illegal,
    no_token_is_given_twice,
    events_have_no_gaps,
    events_tell_one_life,
    progress_only_grows,
    no_lease_is_left,
    every_row_has_its_object,
    every_manifest_is_that_of_its_rows,
    every_part_equals_the_undisturbed_one,
    every_object_belongs_to_a_job,
    customers_saw_no_promise_broken,
)


def check(books: Books) -> list[Broken]:
    """Every case in which a promise was not kept."""
    return [
        Broken(promise.__name__.replace("_", " "), case) for promise in PROMISES for case in promise(books)
    ]


def unnamed_objects(books: Books) -> dict[str, int]:
    """Objects of jobs that no row names, left by lost attempts: how many bytes, by key."""
    named = {chunk["part_key"] for _, chunk in _done(books)}
    named |= {job["manifest_key"] for job in books.jobs.values()}
    return {key: size for key, size in sorted(books.objects.items()) if key not in named}


def _ready(books: Books) -> Iterator[tuple[str, Row]]:
    jobs: Mapping[str, Row] = books.jobs
    return ((job_id, job) for job_id, job in jobs.items() if job["state"] == _READY)


def _done(books: Books) -> Iterator[tuple[str, Row]]:
    for job_id, chunks in books.chunks.items():
        yield from ((job_id, chunk) for chunk in chunks if chunk["state"] == ChunkState.DONE)
