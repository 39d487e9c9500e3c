"""The keys that webhooks are signed with, as Standard Webhooks writes them: `whsec_`, `whsk_` and `whpk_`."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, field
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import InvalidInput

_NEW_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Key:
    """Some bytes with a prefix that says what they are; `sizes` are those that the specification allows."""

    material: bytes = field(repr=False)
    prefix: ClassVar[str]
    version: ClassVar[str]
    sizes: ClassVar[range]

    @classmethod
    def read(cls, text: str) -> Self:
        """A key as it is shown, with or without its prefix. Raises InvalidInput, which repeats none of it."""
        try:
            material = b64decode(text.strip().removeprefix(cls.prefix), validate=True)
        except (NotBase64, ValueError):
            raise InvalidInput(f"This is no key: expected {cls.prefix} and then base64.") from None
        if len(material) not in cls.sizes:
            raise InvalidInput(
                f"A {cls.prefix} key has {cls.sizes[0]} to {cls.sizes[-1]} bytes; this has {len(material)}."
            )
        return cls(material)

    def __str__(self) -> str:
        return self.prefix + b64encode(self.material).decode()


@dataclass(frozen=True, slots=True)
class Secret(_Key):
    """What sender and receiver share; signs as `v1`, HMAC-SHA256."""

    prefix = "whsec_"
    version = "v1"
    sizes = range(24, 65)

    @classmethod
    def new(cls) -> Self:
        """A secret of 256 random bits."""
        return cls(secrets.token_bytes(_NEW_SECRET_BYTES))

    def sign(self, content: bytes) -> bytes:
        """The 32 bytes of a signature."""
        return hmac.digest(self.material, content, "sha256")

    def accepts(self, signature: bytes, content: bytes) -> bool:
        """Whether a signature is right; it takes as long where it is not."""
        return hmac.compare_digest(self.sign(content), signature)


@dataclass(frozen=True, slots=True)
class PublicKey(_Key):
    """What verifies the signatures of a private key, and can make none."""

    prefix = "whpk_"
    version = "v1a"
    sizes = range(32, 33)

    def accepts(self, signature: bytes, content: bytes) -> bool:
        """Whether the private half made a signature."""
        try:
            Ed25519PublicKey.from_public_bytes(self.material).verify(signature, content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey(_Key):
    """What the sender alone has, as its seed; signs as `v1a`, Ed25519."""

    prefix = "whsk_"
    version = "v1a"
    sizes = range(32, 33)

    @classmethod
    def new(cls) -> Self:
        """A new pair of keys."""
        return cls(secrets.token_bytes(cls.sizes[0]))

    @property
    def public(self) -> PublicKey:
        """The half that verifies."""
        return PublicKey(Ed25519PrivateKey.from_private_bytes(self.material).public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """The 64 bytes of a signature."""
        return Ed25519PrivateKey.from_private_bytes(self.material).sign(content)


Signer = Secret | PrivateKey
Verifier = Secret | PublicKey


def read_verifier(text: str) -> Verifier:
    """What a receiver verifies with, a shared secret or a public key. Raises InvalidInput."""
    kind = PublicKey if text.strip().startswith(PublicKey.prefix) else Secret
    return kind.read(text)
