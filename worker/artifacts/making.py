"""Makes one artifact: reads the parts, writes a file on local disk, and stores it. Knows no rows.

Loads h5py, and SciPy where it is needed: only the process that makes artifacts imports this.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shared.errors import InvalidInput
from shared.jobs.artifacts import ArtifactKind
from shared.results.gene_major import GeneMajorWriter
from shared.results.genes import decode_genes
from shared.results.groups import Group
from shared.results.header import ResultHeader
from shared.results.manifest import result_prefix
from shared.results.part import COUNTS, CUSTOM_ID, METADATA_COLUMNS
from shared.results.selection import INDICES, Selection
from shared.results.stored import read_part
from shared.storage.port import Storage
from worker.artifacts import h5ad, mtx, parquet
from worker.artifacts.order import Order, Outcome
from worker.artifacts.room import told_when_full
from worker.artifacts.source import Source

Tell = Callable[[int], None]  # how many samples were gone through
_READ_AT_ONCE = 4 << 20


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a file is called and how it is read."""

    media_type: str
    suffix: str


_JSON = _Kind("application/json", ".json")
_PARQUET = _Kind(parquet.MEDIA_TYPE, parquet.SUFFIX)
_GENES = _Kind("application/octet-stream", ".genes")
_EXPORTS: Mapping[str, tuple[Callable[[Source, Path], None], _Kind]] = {
    "parquet": (parquet.write_parquet, _PARQUET),
    "h5ad": (h5ad.write_h5ad, _Kind(h5ad.MEDIA_TYPE, h5ad.SUFFIX)),
    "mtx": (mtx.write_mtx, _Kind(mtx.MEDIA_TYPE, mtx.SUFFIX)),
}


def make(order: Order, storage: Storage, tell: Tell) -> Outcome:
    """Make it and store it under the order's token.

    Raises InvalidInput where it cannot be made as it was asked for, SetupError where there is no room for it,
    ResultDamaged, StorageUnavailable.
    """
    with told_when_full(), tempfile.TemporaryDirectory(prefix="genequeue-") as folder:
        path = Path(folder) / "artifact"
        kind = _write(order, storage, path, tell)
        key = f"{result_prefix(order.job_id)}/artifact-{order.artifact_id}-{order.token}{kind.suffix}"
        stored = storage.write_stream(key, _read(path))
    name = f"{order.job_id}{_infix(order)}{kind.suffix}"
    return Outcome(key, stored.bytes, stored.sha256, kind.media_type, name)


def _write(order: Order, storage: Storage, path: Path, tell: Tell) -> _Kind:
    """Write the file; returns what it is."""
    match ArtifactKind(order.kind):
        case ArtifactKind.EXPORT:
            return _export(order, storage, path, tell)
        case ArtifactKind.SUMMARY:
            return _summarise(order, storage, path, tell)
        case ArtifactKind.COMPARISON:
            return _compare(order, storage, path, tell)
        case ArtifactKind.GENE_MAJOR:
            return _turn(order, storage, path, tell)


def _export(order: Order, storage: Storage, path: Path, tell: Tell) -> _Kind:
    write, kind = _EXPORTS[order.request["form"]]
    selection = Selection.from_json(order.request["selection"])
    source = _source(order, storage, selection, tell)
    write(source, path)
    if selection.inputs is not None and not any(True for _ in source.parts()):
        raise InvalidInput(f"inputs: The result has no samples of the inputs {selection.inputs}.")
    return kind


def _summarise(order: Order, storage: Storage, path: Path, tell: Tell) -> _Kind:
    source = _source(order, storage, Selection(), tell)
    path.write_bytes(_loaded("summary").summarise(source, order.samples))
    return _JSON


def _compare(order: Order, storage: Storage, path: Path, tell: Tell) -> _Kind:
    a, b = (Group.from_json(order.request[name]) for name in "ab")
    columns = dict.fromkeys((COUNTS, *a.columns, *b.columns))
    source = _source(order, storage, Selection(columns=tuple(columns)), tell)
    comparison = _loaded("comparison")
    found = comparison.compare(source, a, b)
    if order.request["form"] == "parquet":
        comparison.write_comparison(found, source, path)
        return _PARQUET
    path.write_bytes(comparison.comparison_json(found, source, a, b))
    return _JSON


def _turn(order: Order, storage: Storage, path: Path, tell: Tell) -> _Kind:
    selection = Selection(columns=(*INDICES, *METADATA_COLUMNS, CUSTOM_ID, COUNTS))
    source = _source(order, storage, selection, tell)
    with path.open("wb") as file:
        writer = GeneMajorWriter(file, source.num_genes)
        for part in source.parts():
            writer.add(part)
        writer.close()
    return _GENES


def _loaded(name: str) -> Any:
    """A module that stands on SciPy, which takes longer to load than all the rest; most files need none."""
    return importlib.import_module(f"worker.artifacts.{name}")


def _source(order: Order, storage: Storage, selection: Selection, tell: Tell) -> Source:
    names = decode_genes(storage.get(order.request["genes"]))
    header = ResultHeader(names.ensembl_ids, order.model_id, order.model_version, order.request_type)
    symbols = names.symbols
    if selection.genes is not None:
        symbols = tuple(symbols[place] for place in selection.genes)

    def parts() -> Iterator[pa.Table]:
        done = 0
        for part in order.parts:
            table = selection.of(read_part(storage.get, part, selection), len(header.gene_order))
            if table.num_rows:
                yield table
            done += part.num_samples
            tell(done)

    return Source(selection.header(header), symbols, order.provenance, parts)


def _infix(order: Order) -> str:
    """What a file is called beside its query's id."""
    return "" if order.kind == ArtifactKind.EXPORT else f"-{order.kind}"


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_READ_AT_ONCE):
            yield piece
