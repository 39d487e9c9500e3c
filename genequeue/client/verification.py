"""Whether a downloaded result is what the server signed: manifest, genes, each part's bytes and rows."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from genequeue.client.calls import Json
from genequeue.client.downloads import sha256_of
from genequeue.client.errors import VerificationFailed
from genequeue.client.folders import GENES, MANIFEST, SIGNATURE, part_path, position_of
from shared.errors import Fault, InvalidInput
from shared.webhooks.keys import PublicKey

# Earlier ones say what the model's own, packed file of genes is, which nobody downloads.
_SIGNS_GENES = 3
_FETCH_AGAIN = "`genequeue status {} -o {}/` fetches it again."


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found to be right, and by whose public key."""

    manifest: Json
    public_key: str
    parts: int
    samples: int
    bytes: int


def verify(folder: str | Path, public_key: str | None = None) -> Verified:
    """Compare a folder with its signed manifest; without a key, with the one that came with the download.

    Raises VerificationFailed, which names each file that is not what was signed, InvalidInput.
    """
    place = Path(folder)
    content = _read(place / MANIFEST)
    signature, came_along = _signature(_read(place / SIGNATURE))
    key = public_key or came_along
    faults = list(_check_signature(content, signature, key))
    if faults:
        # Nothing that an altered manifest says of the parts is worth a look.
        raise VerificationFailed(tuple(faults))
    manifest: Json = json.loads(content)
    faults += [*_check_genes(place / GENES, manifest), *_check_parts(place, manifest)]
    if faults:
        raise VerificationFailed(tuple(faults))
    parts = manifest["parts"]
    return Verified(
        manifest,
        key,
        len(parts),
        sum(part["num_samples"] for part in parts),
        sum(part["bytes"] for part in parts),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}. Name a folder that `genequeue submit -o FOLDER/` or "
            "`genequeue status ID -o FOLDER/` wrote to its end."
        ) from None


def _signature(content: bytes) -> tuple[str, str]:
    """The signature, and the public key that came with it. Raises VerificationFailed."""
    try:
        signed = json.loads(content)
        return str(signed["signature"]), str(signed["public_key"])
    except (ValueError, KeyError, TypeError):
        raise VerificationFailed((Fault(SIGNATURE, "it was changed: it holds no signature."),)) from None


def _check_signature(content: bytes, signature: str, key: str) -> Iterator[Fault]:
    try:
        right = PublicKey.read(key).accepts(b64decode(signature, validate=True), content)
    except NotBase64:
        right = False
    if not right:
        yield Fault(MANIFEST, f"it is not what was signed by {key}: it, or {SIGNATURE}, was changed.")


def _check_genes(path: Path, manifest: Json) -> Iterator[Fault]:
    signed = manifest["genes_sha256"] if manifest["manifest_version"] >= _SIGNS_GENES else None
    if signed is None:
        return
    remedy = _FETCH_AGAIN.format(manifest["job_id"], path.parent)
    if not path.is_file():
        yield Fault(
            path.name,
            f"it is missing: nobody can say which genes were counted. {remedy} If that version of the model "
            "is gone from the server, the genes.csv of any other result of it is the same.",
        )
    elif (digest := sha256_of(path)) != signed:
        yield Fault(path.name, f"it was changed: its SHA-256 is {digest}; {signed} was signed. {remedy}")


def _check_parts(folder: Path, manifest: Json) -> Iterator[Fault]:
    named = {part_path(folder, position_of(part["key"])): part for part in manifest["parts"]}
    for path, part in named.items():
        yield from _check_part(path, part)
    for path in sorted(set(folder.glob("part-*.parquet")) - named.keys()):
        yield Fault(path.name, "the manifest knows no such part: remove it.")


def _check_part(path: Path, part: Json) -> Iterator[Fault]:
    if not path.is_file():
        yield Fault(path.name, "it is missing.")
        return
    size = path.stat().st_size
    if size != part["bytes"]:
        yield Fault(path.name, f"it has {size:,} bytes; {part['bytes']:,} were signed.")
        return
    digest = sha256_of(path)
    if digest != part["sha256"]:
        yield Fault(path.name, f"it was changed: its SHA-256 is {digest}; {part['sha256']} was signed.")
        return
    rows = _rows(path)
    if rows != part["num_samples"]:
        yield Fault(path.name, f"it has {rows} rows; the manifest says {part['num_samples']}.")


def _rows(path: Path) -> int | None:
    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowInvalid:
        return None
