"""Whether a saved request is genuine, and what is wrong with one that is not."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cli.webhooks.request import Request
from shared.errors import SignatureRejected
from shared.webhooks.keys import Verifier
from shared.webhooks.signatures import TIMESTAMP, TOLERANCE, verify

_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is valid, and why, in a sentence."""

    valid: bool
    said: str


def judge(request: Request, verifier: Verifier, *, fresh: bool = False) -> Verdict:
    """A saved request is judged as of the time that it was signed at; a `fresh` one as of now."""
    written = request.headers.get(TIMESTAMP, "")
    signed = int(written) if _SECONDS.fullmatch(written) else None
    try:
        message = verify(request.body, request.headers, verifier, now=None if fresh else signed)
    except SignatureRejected as refused:
        return Verdict(False, f"{refused}{_perhaps(request, verifier, signed)}")
    assert signed is not None, "What was verified has a time."
    age = timedelta(seconds=round(time.time()) - signed)
    at = datetime.fromtimestamp(signed).astimezone()
    said = f"{request.payload.get('type', 'a message')}, {message.id}, signed {at}"
    if abs(age) > TOLERANCE:
        said += f". That is {age} ago: a receiver accepts it for {TOLERANCE.total_seconds() / 60:.0f} minutes"
    return Verdict(True, f"{said}.")


def _perhaps(request: Request, verifier: Verifier, signed: int | None) -> str:
    """What an editor often does to a file."""
    bare = replace(request, body=request.body.rstrip(b"\r\n"))
    if bare == request:
        return ""
    try:
        verify(bare.body, bare.headers, verifier, now=signed)
    except SignatureRejected:
        return ""
    return " Without the line break at the end of the file it is valid: an editor may have added it."
