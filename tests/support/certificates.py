"""A certificate authority of a test's own, and the certificates that it issues."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_CALLED = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])


@dataclass(frozen=True)
class Authority:
    """Issues certificates for a day; what they are kept in lies in `folder`."""

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def trusting(self) -> ssl.SSLContext:
        """What a client uses that trusts this authority and no other."""
        itself = self._sign(_CALLED, self._key.public_key(), x509.BasicConstraints(True, None))
        return ssl.create_default_context(cadata=itself.public_bytes(Encoding.PEM).decode())

    def serving(self, *names: str) -> ssl.SSLContext:
        """What a server uses that is known by these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        issued = self._sign(subject, key.public_key(), x509.SubjectAlternativeName(_general(names)))
        file = self.folder / f"{names[0]}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(secret + issued.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, said: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(_CALLED, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        identifier = x509.SubjectKeyIdentifier.from_public_key(key)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (said, identifier, issuer):
            builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints))
        if isinstance(said, x509.BasicConstraints):
            builder = builder.add_extension(_may_sign_certificates(), True)
        return builder.sign(self._key, hashes.SHA256())


def _general(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_address(name) or x509.DNSName(name) for name in names]


def _address(name: str) -> x509.IPAddress | None:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return None


def _may_sign_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
