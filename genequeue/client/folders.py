"""A whole result in a folder: its parts as they are made, its manifest, who signed it, its genes. As steps.

part-000000.parquet ...   one row per sample, counts in a list column in the order of genes.csv
manifest.json             what was asked, by what it was answered, the digest of each part
signature.json            the server's signature of the manifest's bytes, and its public key
genes.csv                 Ensembl ids, symbols, biotypes, lengths
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from genequeue.client.calls import Call, Json, Pause, Stage, Steps, Tell, Together, Told, ask
from genequeue.client.downloads import Download, repr_digest, sha256_of
from genequeue.client.errors import AccessRefused, Conflicting, DownloadDamaged
from genequeue.client.queries import FINAL, changed, get_json, must_be_ready, path_of, progress_of

MANIFEST, SIGNATURE, GENES = "manifest.json", "signature.json", "genes.csv"
_PART = re.compile(r"part-(\d{6,})")
_SIGNATURE = re.compile(r'ed25519=:(?P<signature>[A-Za-z0-9+/=]+):;keyid="(?P<key>[^"]+)"')
_AS_STORED = {"Accept": "*/*", "Accept-Encoding": "identity"}
_AT_ONCE = 4
# A list of many parts is long, and each of them is seconds of work.
_LOOK_SECONDS = 1.0


def part_path(folder: Path, position: int) -> Path:
    """Where a part lies in a folder."""
    return folder / f"part-{position:06d}.parquet"


def position_of(key: str) -> int:
    """Which part a name in a manifest means. Raises DownloadDamaged."""
    found = _PART.search(key)
    if found is None:
        raise DownloadDamaged(f"The manifest names a part {key!r}, which is no name of a part.")
    return int(found[1])


def gather(query_id: str, folder: Path, tell: Tell) -> Steps[Json]:
    """Fetch parts while the query runs, then all else; its last state.

    What is there already, and right, is not fetched again. Raises QueryEnded, RequestFailed, DownloadDamaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = _Parts(query_id, folder, tell)
    state, etag = None, ""
    while True:
        state, etag = yield from changed(query_id, etag, state)
        tell(progress_of(state))
        over = state["status"] in FINAL
        if over:
            must_be_ready(state)
        if state["progress"]["samples_done"]:
            yield from parts.fetch_new(state)
        if over:
            break
        yield Pause(_LOOK_SECONDS)
    yield from _manifest(query_id, folder)
    yield from _genes(query_id, folder)
    return state


def part_bytes(part: Json) -> Steps[bytes]:
    """The Parquet file of one part of the list. Raises RequestFailed, DownloadDamaged."""
    answer = yield from ask(Call("GET", part["url"], headers=_AS_STORED))
    if sha256(answer.content).hexdigest() != part["sha256"]:
        raise DownloadDamaged(f"Part {part['position']} came damaged: its SHA-256 is not {part['sha256']}.")
    return answer.content


@dataclass(slots=True)
class _Parts:
    """The parts of a query on their way into a folder; `_bytes` of each that is listed, and that came."""

    query_id: str
    folder: Path
    tell: Tell
    _listed: dict[int, int] = field(default_factory=dict)
    _came: dict[int, int] = field(default_factory=dict)
    _total: int = 0

    def fetch_new(self, state: Json) -> Steps[None]:
        """Fetch what is stored and is not here, several at once."""
        parts = (yield from get_json(path_of(self.query_id, "parts")))["parts"]
        self._listed = {part["position"]: part["bytes"] for part in parts}
        samples = sum(part["num_samples"] for part in parts)
        share = samples / (state["progress"]["samples_total"] - state["samples_failed"] or 1)
        self._total = round(sum(self._listed.values()) / min(share or 1, 1))
        missing = [part for part in parts if part["position"] not in self._came]
        yield Together([self._fetch(part) for part in missing if not self._is_here(part)], _AT_ONCE)

    def _is_here(self, part: Json) -> bool:
        path = part_path(self.folder, part["position"])
        here = path.exists() and path.stat().st_size == part["bytes"] and sha256_of(path) == part["sha256"]
        if here:
            self._told(part["position"], part["bytes"])
        return here

    def _fetch(self, part: Json) -> Steps[None]:
        position, digest = part["position"], part["sha256"]
        target = part_path(self.folder, position)
        url = part["url"]
        while True:
            call = Call("GET", url, headers=_AS_STORED)
            try:
                yield from Download(call, target, digest, lambda done, _: self._told(position, done)).steps()
                return
            except AccessRefused:
                # The link was too old: a list of parts may be long on its way.
                url = yield from self._fresh_url(position, url)

    def _fresh_url(self, position: int, old: str) -> Steps[str]:
        parts = (yield from get_json(path_of(self.query_id, "parts")))["parts"]
        url = next((str(part["url"]) for part in parts if part["position"] == position), old)
        if url == old:
            raise DownloadDamaged(f"The server gives no link to part {position} that it accepts.")
        return url

    def _told(self, position: int, done: int) -> None:
        self._came[position] = done
        self.tell(Told(Stage.DOWNLOAD, sum(self._came.values()), self._total))


def _manifest(query_id: str, folder: Path) -> Steps[None]:
    """The manifest's own bytes, and the signature that came with them."""
    path = folder / MANIFEST
    answer = yield from ask(Call("GET", path_of(query_id, "manifest"), headers=_AS_STORED))
    path.write_bytes(answer.content)
    if repr_digest(answer.headers) not in {None, sha256_of(path)}:
        path.unlink()
        raise DownloadDamaged(
            "manifest.json came damaged: its SHA-256 is not what the server says. Try again."
        )
    if found := _SIGNATURE.search(answer.headers.get("genequeue-signature", "")):
        signed = {"algorithm": "Ed25519", "public_key": found["key"], "signature": found["signature"]}
        (folder / SIGNATURE).write_text(json.dumps(signed, indent=2) + "\n")


def _genes(query_id: str, folder: Path) -> Steps[None]:
    """The genes in the order of the counts; nothing if the server holds that version no more."""
    call = Call("GET", path_of(query_id, "genes"), headers=_AS_STORED)
    with suppress(Conflicting):
        yield from Download(call, folder / GENES).steps()
