"""The texts in which a selection is asked for: genes by id or symbol, inputs by position, columns by name.

Every fault of a request is found, and each names the value and what could have been meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Protocol

from shared.errors import Fault, InvalidInput
from shared.results.part import COUNTS, CUSTOM_ID, METADATA_COLUMNS
from shared.results.selection import INDICES, LATENT_COLUMNS, Inputs, Selection

# Names that stand for several columns.
METADATA, LATENTS, PROBABILITIES = "metadata", "latents", "probabilities"
_GROUPS = {METADATA: (*METADATA_COLUMNS, CUSTOM_ID), LATENTS: LATENT_COLUMNS}
_RUN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_MOST_FAULTS = 100


class NamedGene(Protocol):
    """A gene of a model."""

    @property
    def ensembl_id(self) -> str:
        """As counts are ordered by."""

    @property
    def symbol(self) -> str:
        """As people call it; several genes may share one."""


def read_selection(
    genes: str | None,
    inputs: str | None,
    columns: str | None,
    known: Sequence[NamedGene],
    heads: Sequence[str],
) -> Selection:
    """The selection that three texts name, of a model with these genes and fields that it predicts.

    Where genes are named and no columns, latents and probabilities are left out. Raises InvalidInput.
    """
    faults: list[Fault] = []
    places = None if genes is None else _places(split(genes), known, faults)
    wanted = None if inputs is None else read_inputs(inputs, faults)
    named = None if columns is None else _columns(split(columns), heads, faults)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InvalidInput(f"{faults[0].path}: {faults[0].message}{more}", tuple(faults[:_MOST_FAULTS]))
    if places is not None and named is None:
        named = (*INDICES, *METADATA_COLUMNS, CUSTOM_ID, COUNTS)
    return Selection(places, wanted, named)


def split(text: str) -> list[str]:
    """The entries of a list with commas, without empty ones."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def read_inputs(text: str, faults: list[Fault], path: str = "inputs") -> Inputs:
    """Positions and ranges of positions; whatever is neither is an id that the query gave an input."""
    runs, custom_ids = [], []
    for entry in split(text):
        if found := _RUN.fullmatch(entry):
            first, last = int(found[1]), int(found[2] or found[1])
            if last < first:
                faults.append(Fault(path, f"The range {entry} ends before it begins."))
            runs.append((first, last))
        elif "\x00" in entry:
            faults.append(Fault(path, "No id has a NUL character in it."))
        else:
            custom_ids.append(entry)
    if not runs and not custom_ids:
        faults.append(Fault(path, "It names no input. Write positions and ranges such as 0-9,42, or ids."))
    return Inputs(tuple(sorted(set(runs))), tuple(dict.fromkeys(custom_ids)))


def _places(names: Sequence[str], known: Sequence[NamedGene], faults: list[Fault]) -> tuple[int, ...]:
    """Where these genes stand in the model's order. A symbol that several genes share stands for all."""
    by_name: dict[str, list[int]] = {}
    for place, gene in enumerate(known):
        for name in {gene.ensembl_id.upper(), gene.symbol.upper()} - {""}:
            by_name.setdefault(name, []).append(place)
    places: set[int] = set()
    for name in names:
        if found := by_name.get(name.upper()):
            places.update(found)
        elif len(faults) < _MOST_FAULTS:
            faults.append(Fault("genes", f"The model has no gene {name!r}.{_meant(name.upper(), by_name)}"))
    if not names:
        faults.append(Fault("genes", "It names no gene. Write symbols or Ensembl ids with commas between."))
    return tuple(sorted(places))


def _columns(names: Sequence[str], heads: Sequence[str], faults: list[Fault]) -> tuple[str, ...]:
    """Columns of parts. Those of probabilities are there only where a model predicts fields."""
    groups = {**_GROUPS, PROBABILITIES: tuple(heads)} if heads else _GROUPS
    single = (*INDICES, COUNTS, *LATENT_COLUMNS, *METADATA_COLUMNS, CUSTOM_ID, *heads)
    all_names = f" There are {', '.join([*groups, *single])}."
    chosen: dict[str, None] = {}
    for name in names:
        if name in groups or name in single:
            chosen.update(dict.fromkeys(groups.get(name, (name,))))
        else:
            meant = _meant(name, [*groups, *single]) or all_names
            faults.append(Fault("columns", f"A result has no column {name!r}.{meant}"))
    if not names:
        faults.append(Fault("columns", f"It names no column.{all_names}"))
    return tuple(chosen)


def _meant(name: str, known: Sequence[str] | dict[str, list[int]]) -> str:
    close = list(_close(name, known))
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _close(name: str, known: Sequence[str] | dict[str, list[int]]) -> Iterator[str]:
    yield from get_close_matches(name, list(known), n=3, cutoff=0.75)
