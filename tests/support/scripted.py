"""Plays the client's steps by hand: answers in the order of a script, pauses that take no time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from genequeue.client.calls import Answer, Call, Pause, Steps
from genequeue.client.errors import NeverHeard, ServerAway

_T = TypeVar("_T")
LOST = ServerAway("The connection broke.")
NOBODY = NeverHeard("Nobody is there.")


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    """An answer; underscores in the names of headers are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if body is None else json.dumps(body).encode())


def refusal(status: int, error: str = "No.", **more: Any) -> Answer:
    """An answer that refuses."""
    return answer(status, {"error": error, **more})


class Script:
    """Gives each call the next answer, or raises it; keeps what was called and how long was waited."""

    def __init__(self, *answers: Answer | ServerAway) -> None:
        self._answers: Iterator[Answer | ServerAway] = iter(answers)
        self.calls: list[Call] = []
        self.pauses: list[float] = []

    def play(self, steps: Steps[_T]) -> _T:
        """What the steps come to."""
        got: Any = None
        try:
            wish = steps.send(None)
            while True:
                match wish:
                    case Pause(seconds):
                        self.pauses.append(seconds)
                        got = None
                    case Call():
                        self.calls.append(wish)
                        got = next(self._answers)
                    case _:
                        got = [self.play(one) for one in wish.several]
                wish = steps.throw(got) if isinstance(got, ServerAway) else steps.send(got)
        except StopIteration as end:
            outcome: _T = end.value
            return outcome

    @property
    def asked(self) -> Sequence[str]:
        """Method and path of each call."""
        return [f"{call.method} {call.path}" for call in self.calls]
