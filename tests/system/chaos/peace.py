"""The questions asked in peace, before a storm."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from tests.system.chaos.answers import Answer, json_rows
from tests.system.chaos.customer import Customer, Town
from tests.system.chaos.ledger import Accepted, Ledger
from tests.system.chaos.questions import Question, digest
from tests.system.chaos.stage import Stage


def undisturbed(stage: Stage, questions: Sequence[Question]) -> dict[str, Answer]:
    """Every question asked of every API process in peace: they cut it differently and must answer alike."""
    answers: dict[str, Answer] = {}
    for url in stage.urls:
        town = Town((url,), Ledger(), answers, threading.Event())
        customer = Customer(town, stage.keys[0], random.Random(0), "peace")
        jobs = [customer.submit(question) for question in questions]
        for job in jobs:
            _note(stage, customer, job, answers)
        customer.close()
        assert not town.ledger.broken, town.ledger.broken
    return answers


def _note(stage: Stage, customer: Customer, job: Accepted, answers: dict[str, Answer]) -> None:
    customer.wait(job, every=0.05)
    content = customer.ask("GET", f"/api/model-queries/{job.job_id}/result?format=json").content
    if job.question.name not in answers:
        answers[job.question.name] = Answer(digest(content), json_rows(content))
    answer = answers[job.question.name]
    assert answer.json_sha256 == digest(content), "two ways of cutting a query gave two results"
    with stage.database() as connection:
        statement = "SELECT first_sample, num_samples, part_sha256 FROM chunks WHERE job_id = %s"
        for first, count, sha256 in connection.execute(statement, (job.job_id,)):
            answer.parts[first, count] = sha256
