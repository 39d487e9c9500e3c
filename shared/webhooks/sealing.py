"""What is derived from the service's own secret: a seal for the secrets it keeps, and its signing key."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import SealBroken
from shared.webhooks.keys import PrivateKey, Secret

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Seal:
    """Keeps signing secrets unreadable in the database: AES-128-CBC with HMAC-SHA256 (Fernet)."""

    service_secret: bytes = field(repr=False)

    def close(self, secret: Secret) -> str:
        """The secret as it is stored."""
        return self._fernet.encrypt(secret.material).decode()

    def open(self, stored: str) -> Secret:
        """The secret again. Raises SealBroken if it was sealed by another service secret."""
        try:
            return Secret(self._fernet.decrypt(stored.encode()))
        except InvalidToken:
            raise SealBroken(
                "The signing secret was stored under another GENEQUEUE_SECRET_KEY. Bring that key back, or "
                "rotate the secret."
            ) from None

    @property
    def signing_key(self) -> PrivateKey:
        """The key of this service that signs as v1a; the same as long as the service's secret is."""
        return PrivateKey(_derived(self.service_secret, b"genequeue webhooks: sign"))

    @property
    def _fernet(self) -> Fernet:
        return Fernet(urlsafe_b64encode(_derived(self.service_secret, b"genequeue webhooks: seal")))


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """RFC 5869."""
    return HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(secret)
