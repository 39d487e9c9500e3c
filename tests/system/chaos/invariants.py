"""What must hold once a storm is over, a function a promise: each yields the cases that broke it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator

from shared.jobs.states import CHUNK_MOVES, FINAL_JOB_STATES, JOB_MOVES, ChunkState, JobState
from shared.queries.requests import RequestType
from shared.results.specimens import INPUTS_AT_ONCE
from tests.system.chaos.books import Books, Row
from tests.system.chaos.ledger import Broken, Wish
from tests.system.chaos.questions import NEVER_SAVED, digest, question_of

_OVER = frozenset(map(str, FINAL_JOB_STATES))
_READY, _EXPIRED = str(JobState.READY), str(JobState.EXPIRED)
_LIFE = re.compile(r"queued( running( progress)*)?( ready| failed| cancelled)( expired)?")
_TOO_LATE = "It was not done by its deadline"


def every_accepted_job_is_known(books: Books) -> Iterator[str]:
    for job in books.ledger.accepted:
        if job.job_id not in books.jobs:
            yield job.job_id


def every_job_is_over(books: Books) -> Iterator[str]:
    for job_id, job in books.jobs.items():
        if job["state"] not in _OVER:
            yield f"{job_id} is {job['state']}, {job['chunks_open']} of {job['chunks_total']} chunks open"


def every_job_ends_as_its_customer_asked(books: Books) -> Iterator[str]:
    """Ready, but where it was cancelled or deleted, or had a deadline which was over by then."""
    cancelled, deleted = (books.ledger.wishes(wish) for wish in Wish)
    for job_id, job in books.jobs.items():
        late = job["deadline"] is not None and job["finished_at"] and job["finished_at"] >= job["deadline"]
        ends = {
            _READY: job_id not in deleted,
            str(JobState.CANCELLED): job_id in cancelled and job_id not in deleted,
            str(JobState.FAILED): late and (job["error"] or "").startswith(_TOO_LATE),
            _EXPIRED: job_id in deleted,
        }
        if job["state"] in _OVER and not ends[job["state"]]:
            yield f"{job_id} is {job['state']}: {job['error']}"


def no_input_is_guilty(books: Books) -> Iterator[str]:
    """None of a storm's queries has a fault that a model could meet."""
    for job_id, job in books.jobs.items():
        failed = [chunk["position"] for chunk in books.chunks[job_id] if chunk["state"] == ChunkState.FAILED]
        if job["samples_failed"] or failed:
            yield f"{job_id}: {job['samples_failed']} samples, chunks {failed}"


def a_job_is_at_its_end_what_it_was_seen_to_be(books: Books) -> Iterator[str]:
    for job_id, seen in books.ledger.ends.items():
        if job_id in books.jobs and books.jobs[job_id]["state"] not in {seen, _EXPIRED}:
            yield f"{job_id} was seen {seen} and is {books.jobs[job_id]['state']}"


def a_key_has_one_job(books: Books) -> Iterator[str]:
    """Those that a customer was told of, and those of posts whose answer was lost."""
    jobs = Counter(job["client_metadata"].get("key") for job in books.jobs.values())
    yield from (f"{key}: {count} jobs" for key, count in jobs.items() if key and count > 1)
    for key, job_id in books.ledger.keys.items():
        if (kept := books.keys.get(key)) != job_id:
            yield f"{key}: a customer got {job_id}, the row says {kept}"


def nothing_is_saved_of_what_is_not_accepted(books: Books) -> Iterator[str]:
    yield from (job_id for job_id, job in books.jobs.items() if job["source"] == NEVER_SAVED)


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


def nothing_is_begun_or_done_of_a_job_that_is_over(books: Books) -> Iterator[str]:
    """By the order in which the moves were made: a chunk's lock orders those of one chunk."""
    owner = {str(chunk["id"]): job_id for job_id, chunks in books.chunks.items() for chunk in chunks}
    over: set[str] = set()
    for move in books.moves:
        if move.kind == "job" and move.after in _OVER:
            over.add(move.subject)
        elif move.after in {ChunkState.RUNNING, ChunkState.DONE} and owner.get(move.subject) in over:
            yield f"chunk {move.subject} of {owner[move.subject]} became {move.after}"


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
    """Queued, then running once, then progress a chunk, then the end, which is said once; deleted at last."""
    for job_id, job in books.jobs.items():
        kinds = [event["kind"].removeprefix("query.") for event in books.events.get(job_id, ())]
        done = sum(chunk["state"] == ChunkState.DONE for chunk in books.chunks[job_id])
        whole = _LIFE.fullmatch(" ".join(kinds)) and kinds[-1] == job["state"]
        if job["state"] in _OVER and not (whole and kinds.count("progress") == done):
            yield f"{job_id}, {job['state']}, {done} chunks done: {kinds}"


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


def nothing_waits_of_a_job_that_is_over(books: Books) -> Iterator[str]:
    for job_id, chunks in books.chunks.items():
        waiting = sum(chunk["state"] == ChunkState.QUEUED for chunk in chunks)
        if waiting and books.jobs[job_id]["state"] in _OVER:
            yield f"{job_id} is {books.jobs[job_id]['state']}, and {waiting} chunks are queued"


def what_was_deleted_is_gone(books: Books) -> Iterator[str]:
    """Result and inputs, whoever wrote something meanwhile; but not the job."""
    for job_id in books.ledger.wishes(Wish.DELETE).keys() & books.jobs.keys():
        if books.jobs[job_id]["state"] != _EXPIRED or books.jobs[job_id]["deleted_at"] is None:
            yield f"{job_id} is {books.jobs[job_id]['state']}"
        left = [key for key in books.objects if key.split("/")[1:2] == [job_id]]
        if left or books.inputs.get(job_id):
            yield f"{job_id} has {left} and {books.inputs.get(job_id, 0)} inputs"


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
    """Those of cancelled and late jobs too."""
    for job_id, chunk in _done(books):
        job = books.jobs[job_id]
        answer = books.answers.get(question_of(job["source"]) or "")
        place = (chunk["first_sample"], chunk["num_samples"])
        content, kind = books.content(chunk["part_key"]), RequestType(job["request_type"])
        if not answer or not answer.has_part(place, chunk["part_sha256"], content, kind):
            yield f"{job['source']}, samples {place} of {job_id}"


def every_object_is_named_by_a_row(books: Books) -> Iterator[str]:
    """Once upkeep has swept what lost attempts, and submits that were never committed, had left."""
    named = {chunk["part_key"] for _, chunk in _done(books)}
    named |= {job["manifest_key"] for job in books.jobs.values()}
    named |= {
        f"inputs/{job_id}/counts-{number * INPUTS_AT_ONCE:06d}.parquet"
        for job_id, job in books.jobs.items()
        for number in range(len(job["input_digests"]))
    }
    yield from sorted(set(books.objects) - named)


def customers_saw_no_promise_broken(books: Books) -> Iterator[str]:
    yield from (f"{broken.promise}: {broken.case}" for broken in books.ledger.broken)


PROMISES: tuple[Callable[[Books], Iterator[str]], ...] = (
    every_accepted_job_is_known,
    every_job_is_over,
    every_job_ends_as_its_customer_asked,
    no_input_is_guilty,
    a_job_is_at_its_end_what_it_was_seen_to_be,
    a_key_has_one_job,
    nothing_is_saved_of_what_is_not_accepted,
    a_ready_job_is_whole,
    no_chunk_is_completed_twice,
    no_move_is_illegal,
    nothing_is_begun_or_done_of_a_job_that_is_over,
    no_token_is_given_twice,
    events_have_no_gaps,
    events_tell_one_life,
    progress_only_grows,
    no_lease_is_left,
    nothing_waits_of_a_job_that_is_over,
    what_was_deleted_is_gone,
    every_row_has_its_object,
    every_manifest_is_that_of_its_rows,
    every_part_equals_the_undisturbed_one,
    every_object_is_named_by_a_row,
    customers_saw_no_promise_broken,
)


def check(books: Books) -> list[Broken]:
    """Every case in which a promise was not kept."""
    return [
        Broken(promise.__name__.replace("_", " "), case) for promise in PROMISES for case in promise(books)
    ]


def _ready(books: Books) -> Iterator[tuple[str, Row]]:
    return ((job_id, job) for job_id, job in books.jobs.items() if job["state"] == _READY)


def _done(books: Books) -> Iterator[tuple[str, Row]]:
    """The finished chunks of all jobs whose result was not deleted."""
    for job_id, chunks in books.chunks.items():
        if books.jobs[job_id]["state"] != _EXPIRED:
            yield from ((job_id, chunk) for chunk in chunks if chunk["state"] == ChunkState.DONE)
