"""What the headers of resumable uploads say: the protocol tus 1.0.0, https://tus.io/protocols/resumable-upload.

Of its extensions: creation, creation-with-upload, expiration, termination and checksum.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any

from shared.database.tables import Upload
from shared.errors import BodyTooLarge, InvalidInput, MediaTypeRefused, ProtocolRefused

VERSION = "1.0.0"
MEDIA_TYPE = "application/offset+octet-stream"
# The protocol wants SHA-1 of every server. It guards against slips of the network, not against anybody.
ALGORITHMS = ("sha1", "sha256", "sha512")
_EXTENSIONS = "creation,creation-with-upload,expiration,termination,checksum"
_NUMBER = re.compile(r"\d{1,18}")
_KEY = re.compile(r"[!-+\--~]{1,100}")  # printable ASCII without a comma
_MOST_METADATA = 4_096  # characters of the header
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Announced:
    """What is going to be uploaded."""

    length: int
    file_name: str | None
    media_type: str | None
    said: Mapping[str, str]  # every pair of Upload-Metadata, the values in base64 as they came

    @property
    def values(self) -> dict[str, Any]:
        """As a row says it."""
        return {
            "length": self.length,
            "file_name": self.file_name,
            "media_type": self.media_type,
            "said": dict(self.said),
        }


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one request have to be."""

    algorithm: str
    digest: bytes


def capabilities(limit: int) -> dict[str, str]:
    """What an OPTIONS request is told."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": _EXTENSIONS,
        "Tus-Max-Size": str(limit),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def state_of(upload: Upload) -> dict[str, str]:
    """How far an upload is, and until when it waits."""
    return {
        "Upload-Offset": str(upload.received),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
        "Cache-Control": "no-store",
    }


def description_of(upload: Upload) -> dict[str, str]:
    """What was announced."""
    said = ",".join(f"{key} {value}".rstrip() for key, value in upload.said.items())
    return {"Upload-Length": str(upload.length)} | ({"Upload-Metadata": said} if said else {})


def check_version(tus_resumable: str | None) -> None:
    """Raises ProtocolRefused for a version that is not spoken here."""
    if tus_resumable != VERSION:
        raise ProtocolRefused(
            f"Send the header `Tus-Resumable: {VERSION}`, not {(tus_resumable or '')[:20]!r}: this server "
            "speaks that version of https://tus.io/protocols/resumable-upload."
        )


def check_media_type(content_type: str | None) -> None:
    """Raises MediaTypeRefused unless it is the one of the protocol."""
    if (content_type or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise MediaTypeRefused(f"Send the bytes as `Content-Type: {MEDIA_TYPE}`, not {content_type!r}.")


def read_announced(length: str | None, metadata: str | None, limit: int) -> Announced:
    """What the headers of a creation announce. Raises InvalidInput and BodyTooLarge."""
    size = _number("Upload-Length", length)
    if size > limit:
        raise BodyTooLarge(
            f"The upload has {size:,} bytes; the limit of this server is {limit:,} bytes "
            "(GENEQUEUE_MAX_UPLOAD_BYTES). Send the rows in several requests."
        )
    said = _pairs(metadata or "")
    return Announced(size, _text(said, "filename", "name"), _text(said, "filetype", "type"), said)


def read_offset(offset: str | None) -> int:
    """Where the bytes of a request begin. Raises InvalidInput."""
    return _number("Upload-Offset", offset)


def read_checksum(header: str | None) -> Checksum | None:
    """What the bytes of a request have to be, if that is said. Raises InvalidInput."""
    if header is None:
        return None
    algorithm, _, digest = header.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidInput(
            f"Upload-Checksum names the algorithm {algorithm[:20]!r}; known here are {', '.join(ALGORITHMS)}."
        )
    decoded = _base64("Upload-Checksum", digest.strip())
    if len(decoded) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise InvalidInput(f"Upload-Checksum holds {len(decoded)} bytes, which no {algorithm} has.")
    return Checksum(algorithm, decoded)


def _number(name: str, written: str | None) -> int:
    if written is None or not _NUMBER.fullmatch(written.strip()):
        raise InvalidInput(f"The header {name} must be a number of bytes, 0 or more; {written!r} is none.")
    return int(written)


def _pairs(metadata: str) -> dict[str, str]:
    """Keys, and values in base64; a key may stand alone."""
    if len(metadata) > _MOST_METADATA:
        raise InvalidInput(
            f"Upload-Metadata has {len(metadata):,} characters; {_MOST_METADATA:,} are allowed."
        )
    said: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in metadata.split(","))):
        key, _, value = pair.partition(" ")
        if not _KEY.fullmatch(key) or key in said:
            raise InvalidInput(f"Upload-Metadata names {key[:100]!r} twice, or it is no key.")
        _base64(f"The value of {key!r} in Upload-Metadata", value.strip())
        said[key] = value.strip()
    return said


def _text(said: Mapping[str, str], *names: str) -> str | None:
    """The first of these values that is there, as text."""
    found = next((said[name] for name in names if said.get(name)), None)
    if found is None:
        return None
    try:
        text = b64decode(found).decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"The value of {names[0]!r} in Upload-Metadata is no text in UTF-8.") from None
    if len(text) > _LONGEST_NAME or not text.isprintable():
        raise InvalidInput(
            f"The value of {names[0]!r} in Upload-Metadata must be printable, of {_LONGEST_NAME} characters "
            "at most."
        )
    return text


def _base64(name: str, written: str) -> bytes:
    try:
        return b64decode(written, validate=True)
    except NotBase64:
        raise InvalidInput(f"{name} is not base64.") from None
