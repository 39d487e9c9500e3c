"""The process that makes artifacts: told what to make over a pipe, it says how far it is and what came of it.

Light until it runs: what it makes things with is loaded there, so that whoever starts it holds none of it.
"""

from __future__ import annotations

import importlib
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from shared.errors import GeneQueueError
from shared.storage.objects import Credentials, open_storage
from shared.storage.port import Storage
from worker.artifacts.order import Order, Outcome

# Nobody waits for an export as for a sample or a webhook.
_NICENESS = 5
_OUR_FAULT = "It could not be made: a fault of GeneQueue, whose log has more."

Maker = Callable[[Order, Storage, Callable[[int], None]], Outcome]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects are."""

    url: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Progress:
    """So many samples were gone through."""

    done: int


def work(orders: Connection) -> None:
    """Make what is ordered, one after the other, until the other end of the pipe is closed.

    What comes first over the pipe is the place: the keys of a storage belong into no list of processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; whoever started us ends us
    os.nice(_NICENESS)
    making = importlib.import_module("worker.artifacts.making")
    # Nobody is there any more: there is nothing left to do.
    with suppress(EOFError, BrokenPipeError):
        place: Place = orders.recv()
        storage = open_storage(place.url, place.credentials)
        while True:
            order: Order = orders.recv()
            orders.send(_made(making.make, order, storage, orders))


def _made(make: Maker, order: Order, storage: Storage, orders: Connection) -> Outcome:
    try:
        return make(order, storage, lambda done: orders.send(Progress(done)))
    except (EOFError, BrokenPipeError):
        raise
    except GeneQueueError as error:
        return Outcome(error=str(error), again=error.retryable)
    except Exception:  # noqa: BLE001 - the process's edge: what is wrong with one must not end the next
        return Outcome(error=_OUR_FAULT, again=True, trace=traceback.format_exc())
