"""Standard Webhooks signatures: what is signed are the id, the time and the exact bytes of the body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import re
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.errors import SignatureRejected
from shared.webhooks.keys import Signer, Verifier

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
# An old request must not be played again, and clocks differ.
TOLERANCE = timedelta(minutes=5)
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: an id that stays the same over all attempts, and the bytes of the body."""

    id: str
    body: bytes

    def headers(self, signers: Iterable[Signer], now: float) -> dict[str, str]:
        """The three headers of an attempt at `now`, in seconds since the epoch; a signature for each key."""
        timestamp = str(int(now))
        content = _content(self.id, timestamp, self.body)
        signatures = (f"{key.version},{b64encode(key.sign(content)).decode()}" for key in signers)
        return {ID: self.id, TIMESTAMP: timestamp, SIGNATURE: " ".join(signatures)}


def message_id(delivery_id: UUID) -> str:
    """The id of a delivery's message, the same at every attempt."""
    return f"msg_{delivery_id.hex}"


def verify(body: bytes, headers: Mapping[str, str], verifier: Verifier, now: float | None = None) -> Message:
    """The message of a request, once it is certain who sent it, and when.

    Header names may be in any case. Raises SignatureRejected, saying what does not fit.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if missing := [name for name in (ID, TIMESTAMP, SIGNATURE) if not given.get(name)]:
        raise SignatureRejected(f"The request has no header {', '.join(missing)}: it is no webhook of ours.")
    _check_time(given[TIMESTAMP], time.time() if now is None else now)
    content = _content(given[ID], given[TIMESTAMP], body)
    signatures = tuple(_signatures(given[SIGNATURE], verifier.version))
    if not any(verifier.accepts(signature, content) for signature in signatures):
        raise SignatureRejected(
            f"None of the {len(signatures)} {verifier.version} signatures fits. Verify the bytes of the body "
            "as they came, before any JSON is read, with the secret of this endpoint."
        )
    return Message(given[ID], body)


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _check_time(timestamp: str, now: float) -> None:
    if not _SECONDS.fullmatch(timestamp):
        raise SignatureRejected(f"{TIMESTAMP} is {timestamp!r}; expected seconds since 1970.")
    age = timedelta(seconds=now - int(timestamp))
    if abs(age) > TOLERANCE:
        when = "old" if age > timedelta() else "in the future"
        raise SignatureRejected(
            f"The request is {abs(age.total_seconds()):.0f} s {when}; at most "
            f"{TOLERANCE.total_seconds():.0f} s are accepted. Set this machine's clock, or refuse the replay."
        )


def _signatures(header: str, version: str) -> Iterator[bytes]:
    """Those of a version; what cannot be read is none."""
    for one in header.split():
        found, comma, encoded = one.partition(",")
        if found != version or not comma:
            continue
        try:
            yield b64decode(encoded, validate=True)
        except (NotBase64, ValueError):
            continue
