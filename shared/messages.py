"""All that is ever said over the broker: task names, queues and payloads. Ids only, never data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Queue(StrEnum):
    """The queues of the broker."""

    GENERATION = "genequeue.generation"  # wake-ups for workers that hold a model
    UPKEEP = "genequeue.upkeep"  # what the cpu worker is to do at once; it looks around by its own clock, too


class Task(StrEnum):
    """The names of the tasks."""

    GENERATE = "generation.wake"  # there may be chunks to claim


@dataclass(frozen=True, slots=True)
class Message:
    """A task's name and the queue that it travels on. A wake-up carries nothing: the rows say what to do."""

    task: Task
    queue: Queue


WAKE_GENERATION = Message(Task.GENERATE, Queue.GENERATION)
