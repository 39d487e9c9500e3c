"""How the parts of a result are listed, and how a manifest is signed."""

from __future__ import annotations

from base64 import b64encode
from typing import Self

from pydantic import BaseModel, Field

from shared.database.tables import Chunk
from shared.jobs.states import JobState
from shared.webhooks.keys import PrivateKey


class PartBody(BaseModel):
    """One Parquet file of consecutive samples."""

    position: int = Field(description="Its place among the parts; those without any sample are left out.")
    first_sample: int
    num_samples: int
    bytes: int
    sha256: str = Field(description="In hexadecimal.")
    url: str = Field(description="Fetched without a key, for as long as the link holds.")

    @classmethod
    def of(cls, chunk: Chunk, url: str) -> Self:
        """A chunk that is done."""
        return cls(
            position=chunk.position,
            first_sample=chunk.first_sample,
            num_samples=chunk.num_samples if chunk.samples_stored is None else chunk.samples_stored,
            bytes=chunk.part_bytes or 0,
            sha256=chunk.part_sha256 or "",
            url=url,
        )


class Parts(BaseModel):
    """What of a result is there; more may come until it is complete."""

    status: JobState
    complete: bool = Field(description="Whether these are all the parts that there will be.")
    manifest: str | None = Field(description="Where the manifest is, once the result is complete.")
    parts: list[PartBody]


def signature_header(content: bytes, key: PrivateKey) -> str:
    """An Ed25519 signature of some bytes, as a structured field (RFC 9651); `keyid` is the public half."""
    return f'ed25519=:{b64encode(key.sign(content)).decode()}:;keyid="{key.public}"'
