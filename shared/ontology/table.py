"""One ontology's table: rows by number, parents, and a search over folded names. Knows no other ontology."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from shared.ontology.ids import FORMS, IdForm

TABLES = Path(__file__).parent / "tables"
SCHEMA = pa.schema(
    {
        "number": pa.int64(),
        "label": pa.string(),
        "synonyms": pa.list_(pa.string()),
        "parents": pa.list_(pa.int64()),
        "replacements": pa.list_(pa.int64()),
        "obsolete": pa.bool_(),
        "descendants": pa.int32(),
    }
)

Numbers = npt.NDArray[np.int64]


def table_path(ontology: str, folder: Path = TABLES) -> Path:
    """Where the table of an ontology lies."""
    return folder / f"{ontology}.arrow"


class Hit(NamedTuple):
    """A term that search found; a smaller rank is better, also across ontologies."""

    rank: tuple[int, int, int]
    row: int


@dataclass(frozen=True)
class Names:
    """Every name of every term that is not obsolete: folded for search, its row, whether it is the label."""

    folded: pa.StringArray
    rows: Numbers
    synonym: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TermTable:
    """The terms of one ontology, ordered by number."""

    form: IdForm
    numbers: Numbers
    columns: pa.Table
    highest: int

    @classmethod
    def read(cls, ontology: str, folder: Path = TABLES) -> TermTable:
        """Read the table of an ontology: an Arrow file with one batch."""
        with pa.memory_map(str(table_path(ontology, folder))) as source:
            columns = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(use_threads=False)).read_all()
        highest = (columns.schema.metadata or {}).get(b"highest") or b"0"
        numbers = columns["number"].to_numpy()
        return cls(FORMS[ontology], numbers, columns.drop_columns(["number"]), int(highest))

    def row(self, number: int) -> int | None:
        """The row of a number; None where the ontology has no such term."""
        at = int(np.searchsorted(self.numbers, number))
        return at if at < len(self.numbers) and self.numbers[at] == number else None

    def cells(self, row: int) -> dict[str, Any]:
        """One row as Python values, by column."""
        cells: dict[str, Any] = self.columns.slice(row, 1).to_pylist()[0]
        return cells

    def ancestors(self, number: int) -> dict[int, int]:
        """Every ancestor of a term and the fewest steps up to it, nearest first."""
        parents = self._parents
        steps: dict[int, int] = {}
        level, distance = list(parents(number)), 1
        while level:
            fresh = [parent for parent in dict.fromkeys(level) if parent not in steps]
            steps.update(dict.fromkeys(fresh, distance))
            level = [parent for term in fresh for parent in parents(term)]
            distance += 1
        return steps

    def search(self, text: str, limit: int, among: Iterable[int] | None = None) -> list[Hit]:
        """Terms with a name that holds every word of the text, best first.

        The whole name comes before its beginning, that before the beginning of a word, that before anywhere;
        labels before synonyms, short names before long ones.
        """
        words = fold(text).split()
        if not words:
            return []
        names = self._names
        chosen = np.ones(len(names.rows), dtype=bool)
        if among is not None:
            chosen = np.isin(self.numbers[names.rows], list(among))
        for word in words:
            chosen &= _flags(pc.match_substring(names.folded, word))
        at = np.flatnonzero(chosen)
        folded = names.folded.take(pa.array(at))
        rank = (_worth(folded, words), names.synonym[at].astype(int), pc.utf8_length(folded).to_numpy())
        best: dict[int, Hit] = {}
        for place in np.lexsort(rank[::-1]):
            row = int(names.rows[at[place]])
            best.setdefault(row, Hit((int(rank[0][place]), int(rank[1][place]), int(rank[2][place])), row))
            if len(best) == limit:
                break
        return list(best.values())

    def resembling(self, text: str, most: int = 4_000) -> list[tuple[str, int]]:
        """Folded names about as long as the text that begin or end like it, with their rows."""
        names, folded = self._names, fold(text)
        if len(folded) < 3:
            return []
        lengths = pc.utf8_length(names.folded).to_numpy()
        near = np.abs(lengths - len(folded)) <= max(2, len(folded) // 4)
        head, tail = folded[: 2 if len(folded) < 6 else 3], folded[-4:]
        near &= _flags(pc.starts_with(names.folded, head)) | _flags(pc.ends_with(names.folded, tail))
        at = np.flatnonzero(near)[:most]
        return list(zip(names.folded.take(pa.array(at)).to_pylist(), names.rows[at].tolist(), strict=True))

    @cached_property
    def _names(self) -> Names:
        labels, synonyms = self.columns["label"].chunk(0), self.columns["synonyms"].chunk(0)
        flat = pc.list_flatten(synonyms)
        owners = pc.list_parent_indices(synonyms).to_numpy()
        rows = np.concatenate([np.arange(len(labels)), owners]).astype(np.int64)
        synonym = np.concatenate([np.zeros(len(labels), dtype=bool), np.ones(len(owners), dtype=bool)])
        obsolete = _flags(self.columns["obsolete"].chunk(0))
        folded = _fold_all(pa.concat_arrays([labels, flat]))
        kept = ~obsolete[rows] & (pc.utf8_length(folded).to_numpy() > 0)
        return Names(folded.filter(pa.array(kept)), rows[kept], synonym[kept])

    @cached_property
    def _edges(self) -> tuple[Numbers, Numbers]:
        column = self.columns["parents"].chunk(0)
        return column.offsets.to_numpy(), column.values.to_numpy()

    def _parents(self, number: int) -> list[int]:
        row = self.row(number)
        if row is None:
            return []
        offsets, values = self._edges
        parents: list[int] = values[offsets[row] : offsets[row + 1]].tolist()
        return parents


def fold(text: str) -> str:
    """Names as search compares them: lower case, without hyphens and apostrophes, one space between words."""
    return " ".join(text.lower().replace("-", "").replace("'", "").replace("_", " ").split())


def _fold_all(names: pa.StringArray) -> pa.StringArray:
    folded = pc.utf8_lower(names)
    for old, new in (("-", ""), ("'", ""), ("_", " ")):
        folded = pc.replace_substring(folded, old, new)
    return folded


def _worth(folded: pa.StringArray, words: list[str]) -> npt.NDArray[np.int8]:
    """0 for the very name, 1 for its beginning, 2 where every word begins one of the name's, 3 otherwise."""
    text = " ".join(words)
    worth = np.full(len(folded), 3, dtype=np.int8)
    spaced = pc.binary_join_element_wise("", folded, " ")
    starts = [_flags(pc.match_substring(spaced, f" {word}")) for word in words]
    worth[np.logical_and.reduce(starts)] = 2
    worth[_flags(pc.starts_with(folded, text))] = 1
    worth[_flags(pc.equal(folded, text))] = 0
    return worth


def _flags(values: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = values.to_numpy(zero_copy_only=False)
    return flags
