"""Datasets of an AnnData file that grow row by row, in the encodings that anndata's specification names.

See "On-disk format" of anndata's documentation. Knows HDF5, and nothing of results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# Bytes of one compressed piece: small enough to read a corner of a matrix, large enough to pack well.
_PIECE = 1 << 20
_ROWS_OF_A_PIECE = 64
_COMPRESSION: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def mark(node: Any, kind: str, version: str, **attributes: Any) -> None:
    """Say how a node is to be read."""
    node.attrs.update({"encoding-type": kind, "encoding-version": version, **attributes})


class Rows:
    """A matrix [N, K], or a vector [N] where there is no width, of numbers."""

    def __init__(self, group: Any, name: str, kind: type[np.generic], width: int | None = None) -> None:
        rest = () if width is None else (width,)
        self._data = group.create_dataset(
            name,
            shape=(0, *rest),
            maxshape=(None, *rest),
            dtype=kind,
            chunks=_piece(np.dtype(kind).itemsize, width),
            **_COMPRESSION,
        )
        mark(self._data, "array", "0.2.0")

    def add(self, values: NDArray[Any]) -> None:
        """Some rows more."""
        first = self._data.shape[0]
        self._data.resize(first + len(values), axis=0)
        self._data[first:] = values


class Texts:
    """A column of texts that do not repeat."""

    def __init__(self, group: Any, name: str) -> None:
        self._data = group.create_dataset(
            name, shape=(0,), maxshape=(None,), dtype=h5py.string_dtype(), chunks=(1 << 14,)
        )
        mark(self._data, "string-array", "0.2.0")

    def add(self, values: Sequence[str]) -> None:
        """Some rows more."""
        first = self._data.shape[0]
        self._data.resize(first + len(values), axis=0)
        self._data[first:] = np.array(values, dtype=object)


class Categories:
    """A column of texts that repeat: numbers in the rows, each text once."""

    def __init__(self, group: Any, name: str) -> None:
        self._group = group.create_group(name)
        mark(self._group, "categorical", "0.2.0", ordered=False)
        self._codes = Rows(self._group, "codes", np.int32)
        self._known: dict[str, int] = {}

    def add(self, values: pa.ChunkedArray) -> None:
        """Some rows more."""
        encoded = values.cast(pa.string()).combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.unify_dictionaries().combine_chunks()
        names = encoded.dictionary.to_pylist()
        codes = np.array([self._known.setdefault(name, len(self._known)) for name in names], np.int32)
        self._codes.add(codes[encoded.indices.to_numpy(zero_copy_only=False)])

    def close(self) -> None:
        """Write the texts, in one piece: a growing column has room for thousands."""
        texts = np.array(list(self._known), dtype=object)
        data = self._group.create_dataset("categories", data=texts, dtype=h5py.string_dtype())
        mark(data, "string-array", "0.2.0")


class Compressed:
    """A sparse matrix [N, K] of int32, row after row (CSR)."""

    def __init__(self, group: Any, name: str, width: int) -> None:
        self._node, self._width = group.create_group(name), width
        self._data = Rows(self._node, "data", np.int32)
        self._places = Rows(self._node, "indices", np.int32)
        self._ends = Rows(self._node, "indptr", np.int64)
        self._ends.add(np.zeros(1, np.int64))
        self._rows = self._stored = 0

    def add(self, values: NDArray[np.int32]) -> None:
        """Some rows more, dense."""
        rows, places = np.nonzero(values)
        self._data.add(values[rows, places])
        self._places.add(places.astype(np.int32))
        self._ends.add(self._stored + np.bincount(rows, minlength=len(values)).cumsum())
        self._stored += len(rows)
        self._rows += len(values)

    def close(self) -> None:
        """Write how large it became."""
        mark(self._node, "csr_matrix", "0.1.0", shape=np.array([self._rows, self._width], np.int64))


def folder(group: Any, name: str) -> Any:
    """A dictionary, empty until something is written into it."""
    made = group.create_group(name)
    mark(made, "dict", "0.1.0")
    return made


def value(group: Any, name: str, given: str | float | bool | Sequence[str]) -> None:
    """A text, a number, or a list of texts."""
    match given:
        case str():
            node = group.create_dataset(name, data=given, dtype=h5py.string_dtype())
            mark(node, "string", "0.2.0")
        case bool() | int() | float():
            mark(group.create_dataset(name, data=given), "numeric-scalar", "0.2.0")
        case _:
            Texts(group, name).add(given)


def table(group: Any, index: str, columns: Sequence[str]) -> None:
    """Say that the columns in a group are a table, in this order."""
    order = np.array(columns, dtype=h5py.string_dtype())
    mark(group, "dataframe", "0.2.0", **{"_index": index, "column-order": order})


def _piece(itemsize: int, width: int | None) -> tuple[int, ...]:
    if width is None:
        return (_PIECE // itemsize // 4,)
    across = max(1, min(width, _PIECE // itemsize // _ROWS_OF_A_PIECE))
    return (_PIECE // itemsize // across, across) if width <= across else (_ROWS_OF_A_PIECE, across)
