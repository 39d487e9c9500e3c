"""AnnData: counts in X, metadata in obs, genes and symbols in var, latents in obsm, provenance in uns.

Written part by part into datasets that grow. Predictions have their reconstruction in X and their
probabilities in obsm, whose columns `uns["classes"]` names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from shared.results.forms.form import latents_of
from shared.results.forms.recognition import classes_of, probabilities_column
from shared.results.part import COUNTS, CUSTOM_ID, latent_column
from worker.artifacts.columns import Categories, Compressed, Rows, Texts, folder, mark, table, value
from worker.artifacts.room import require_room
from worker.artifacts.source import Source, metadata_and_ids, sample_names

MEDIA_TYPE, SUFFIX = "application/x-hdf5", ".h5ad"
# A sparse matrix stores two numbers for each count that is not zero.
_SPARSE_BELOW = 0.4
# Pieces that a part fills only in part are packed once.
_CACHE = 64 << 20
# HDF5 takes its process down where a disk is full: there must be room for what it has not written yet.
_MARGIN = 2 * _CACHE
_INDEX, _GENE = "sample", "ensembl_id"


def write_h5ad(source: Source, path: Path) -> None:
    """Hold one part at most; whether X is sparse is decided by the first one.

    Raises SetupError where there may be no room for the next part.
    """
    with h5py.File(path, "w", libver=("v108", "v110"), rdcc_nbytes=_CACHE) as file:
        mark(file, "anndata", "0.1.0")
        data: _Open | None = None
        for part in source.parts():
            require_room(path.parent, part.nbytes + _MARGIN)
            data = data or _Open(file, source, part)
            data.add(part)
        if data is not None:
            data.close()
        for name in ("layers", "obsp", "varm", "varp"):
            folder(file, name)
        _write_genes(file.create_group("var"), source)


class _Open:
    """The parts of a file that grow."""

    def __init__(self, file: Any, source: Source, part: pa.Table) -> None:
        self._source = source
        self._obs = _Observations(file.create_group("obs"), part)
        obsm = folder(file, "obsm")
        self._matrices = {
            column: Rows(obsm, name, np.float32, _width(part, column)) for name, column in _matrices(part)
        }
        self._counts = self._matrix(file, part) if COUNTS in part.column_names else None
        uns = folder(file, "uns")
        _write_all(folder(uns, "genequeue"), source.provenance)
        if classes := classes_of(part.schema):
            _write_all(folder(uns, "classes"), classes)

    def add(self, part: pa.Table) -> None:
        """The rows of a part."""
        self._obs.add(part)
        if self._counts is not None:
            self._counts.add(self._source.counts(part))
        for column, matrix in self._matrices.items():
            flat = part.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False)
            matrix.add(flat.reshape(part.num_rows, -1))

    def close(self) -> None:
        """Write what is known only now."""
        self._obs.close()
        if isinstance(self._counts, Compressed):
            self._counts.close()

    def _matrix(self, file: Any, part: pa.Table) -> Compressed | Rows:
        counts, width = self._source.counts(part), self._source.num_genes
        if np.count_nonzero(counts) < _SPARSE_BELOW * counts.size:
            return Compressed(file, "X", width)
        return Rows(file, "X", np.int32, width)


class _Observations:
    """The table obs: which sample a row is, and its metadata."""

    def __init__(self, group: Any, part: pa.Table) -> None:
        names, has_ids = metadata_and_ids(part)
        self._names = Texts(group, _INDEX)
        indices = [name for name in ("input_index", "sample_index") if name in part.column_names]
        self._indices = {name: Rows(group, name, np.int32) for name in indices}
        self._custom_ids = Texts(group, CUSTOM_ID) if has_ids else None
        self._metadata = {name: Categories(group, name) for name in names}
        order = [*indices, *([CUSTOM_ID] if has_ids else []), *names]
        table(group, _INDEX, order)

    def add(self, part: pa.Table) -> None:
        """The rows of a part."""
        self._names.add(sample_names(part))
        for name, rows in self._indices.items():
            rows.add(part.column(name).to_numpy())
        if self._custom_ids is not None:
            self._custom_ids.add(part.column(CUSTOM_ID).to_pylist())
        for name, categories in self._metadata.items():
            categories.add(part.column(name))

    def close(self) -> None:
        """Write the texts that repeat."""
        for categories in self._metadata.values():
            categories.close()


def _matrices(part: pa.Table) -> Iterator[tuple[str, str]]:
    """What goes into obsm: its name there, and the part's column."""
    for group in latents_of(part.column_names):
        yield f"X_{latent_column(group)}", latent_column(group)
    for field in classes_of(part.schema):
        yield probabilities_column(field), probabilities_column(field)


def _width(part: pa.Table, column: str) -> int:
    return len(part.column(column)[0])


def _write_genes(group: Any, source: Source) -> None:
    Texts(group, _GENE).add(source.header.gene_order)
    Texts(group, "symbol").add(source.symbols)
    table(group, _GENE, ["symbol"])


def _write_all(group: Any, given: Mapping[str, Any]) -> None:
    for name, each in given.items():
        value(group, name, each)
