"""API keys as text: minting one, and the digest by which it is found. The plain key is never stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

_SCHEME = "gq_"


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: shown once as `plain`, kept as `digest`, recognised by `prefix`."""

    plain: str = field(repr=False)
    prefix: str
    digest: str


def mint_key() -> MintedKey:
    """A new random key of 256 bits."""
    plain = _SCHEME + secrets.token_urlsafe(32)
    return MintedKey(plain, plain[: len(_SCHEME) + 6], digest_of(plain))


def digest_of(plain: str) -> str:
    """SHA-256 in hex. A fast hash is right here: the key itself is random, there is nothing to guess."""
    return hashlib.sha256(plain.encode()).hexdigest()
