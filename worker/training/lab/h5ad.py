"""One h5ad file, read backed: labels and gene ids in memory, counts a few rows at a time.

Knows where counts and mask lie in the file, not whether they make sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray
from scipy import sparse

from shared.errors import InvalidInput

X, RAW, MASK = "X", "raw/X", "layers/mask"
BLOCK_VALUES = 1 << 23  # of a dense block of rows: 32 MiB
Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class CountsFile:
    """A file whose counts lie at `counts`: "X", "raw/X" or a layer."""

    path: Path
    counts: str
    obs: pd.DataFrame
    var: pd.DataFrame

    @classmethod
    def open(cls, path: Path, layer: str | None) -> CountsFile:
        """Read labels and gene ids. Raises InvalidInput where this is no h5ad, or has no such layer."""
        counts = _place(layer)
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.")
        try:
            with h5py.File(path) as file:
                for name in ("obs", "var", counts):
                    if name not in file:
                        raise InvalidInput(_missing(file, path, name))
                _check_layout(path, counts, file[counts])
                var = read_elem(file["raw/var" if counts == RAW else "var"])
                return cls(path, counts, read_elem(file["obs"]), var)
        except OSError as error:
            raise InvalidInput(f"{path} is not an h5ad file that can be read ({error}).") from error

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return len(self.obs)

    @property
    def var_names(self) -> tuple[str, ...]:
        """The genes, as the file names them."""
        return tuple(map(str, self.var.index))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Of the counts, as stored: samples by genes."""
        return self._counts.shape

    @property
    def block_rows(self) -> int:
        """How many rows to read at once: of all genes, dense, they take 32 MiB."""
        return max(1, BLOCK_VALUES // max(1, self.shape[1]))

    @cached_property
    def mask_shape(self) -> tuple[int, int] | None:
        """Of `layers["mask"]`, as stored; None without one."""
        return self._mask.shape if self._mask is not None else None

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What may hold counts besides the place in use, as `--layer` names it."""
        layers = [name for name in self._file.get("layers", {}) if name != "mask"]
        named = ["raw"] if RAW in self._file else []
        return tuple(name for name in (*layers, *named) if _place(name) != self.counts)

    def beginning(self, alternative: str, rows: int = 50) -> Matrix | None:
        """The first rows of another place; None where it is laid out in columns."""
        stored = self._file[_place(alternative)]
        if stored.attrs.get("encoding-type") == "csc_matrix":
            return None
        return _Stored(stored).dense(np.arange(min(rows, self.rows)))

    def read(self, rows: Rows) -> Matrix:
        """[R, genes of the file] of rows in ascending order, each once."""
        return self._counts.dense(rows)

    def read_mask(self, rows: Rows) -> NDArray[np.bool_] | None:
        """[R, genes of the file] whether each gene was measured; None where all of them were."""
        return None if self._mask is None else self._mask.dense(rows) != 0

    def mask_values(self, rows: Rows) -> Matrix:
        """The mask as it is stored, for who checks it."""
        assert self._mask is not None
        return self._mask.dense(rows)

    def blocks(self) -> Iterator[tuple[Rows, sparse.csr_array]]:
        """All rows in order, a block at a time, as sparse matrices."""
        for start in range(0, self.shape[0], self.block_rows):
            rows = np.arange(start, min(start + self.block_rows, self.shape[0]))
            yield rows, self._counts.sparse(rows)

    @cached_property
    def _file(self) -> h5py.File:
        # Open for as long as the process: batches come from it at any time. It is only read.
        return h5py.File(self.path)

    @cached_property
    def _counts(self) -> _Stored:
        return _Stored(self._file[self.counts])

    @cached_property
    def _mask(self) -> _Stored | None:
        # The mask is as wide as X, which raw/X need not be.
        return _Stored(self._file[MASK]) if MASK in self._file and self.counts != RAW else None


class _Stored:
    """A matrix in a file, dense or in compressed sparse rows."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._pointers = node["indptr"][:] if isinstance(node, h5py.Group) else None
        self.shape: tuple[int, int] = tuple(node.shape if self._pointers is None else node.attrs["shape"])

    def dense(self, rows: Rows) -> Matrix:
        """Rows in ascending order, each once."""
        if self._pointers is None:
            parts = [self._node[first:last] for first, last in _runs(rows)]
            return np.concatenate(parts).astype(np.float32) if parts else np.empty((0, self.shape[1]), "f4")
        matrix: Matrix = self.sparse(rows).toarray().astype(np.float32)
        return matrix

    def sparse(self, rows: Rows) -> sparse.csr_array:
        """Rows in ascending order, each once; values as they are stored."""
        if self._pointers is None:
            return sparse.csr_array(np.concatenate([self._node[first:last] for first, last in _runs(rows)]))
        spans = [(self._pointers[first], self._pointers[last]) for first, last in _runs(rows)]
        data = np.concatenate([self._node["data"][start:stop] for start, stop in spans])
        columns = np.concatenate([self._node["indices"][start:stop] for start, stop in spans])
        lengths = self._pointers[rows + 1] - self._pointers[rows]
        pointers = np.concatenate([[0], np.cumsum(lengths)])
        return sparse.csr_array((data, columns, pointers), shape=(len(rows), self.shape[1]))


def _runs(rows: Rows) -> Iterator[tuple[int, int]]:
    """Runs of neighbours, each as first row and the one behind the last."""
    if len(rows):
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        for run in np.split(rows, breaks):
            yield int(run[0]), int(run[-1]) + 1


def _place(layer: str | None) -> str:
    return X if layer is None else RAW if layer == "raw" else f"layers/{layer}"


def _check_layout(path: Path, place: str, node: Any) -> None:
    if node.attrs.get("encoding-type") == "csc_matrix":
        raise InvalidInput(
            f"{path} keeps {place} in sparse columns, of which single rows cannot be read. Write it in rows: "
            "adata.X = adata.X.tocsr()."
        )


def _missing(file: h5py.File, path: Path, name: str) -> str:
    if name in ("obs", "var"):
        return f"{path} has no {name}: it is not an h5ad file. Write one with AnnData.write_h5ad."
    layers = ", ".join(file.get("layers", {})) or "none"
    return f"{path} has no {name}. Its layers are: {layers}. Put raw counts into X, or name one by --layer."
