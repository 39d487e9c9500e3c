"""One pass over the counts of a file: are they counts, how many per sample and gene, and their digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shared.errors import Fault
from worker.training.lab.h5ad import CountsFile, Rows

LARGEST_LOGARITHM = 30.0  # log of any count lies below; a fractional value above is an estimate of counts
MOST_NAMED = 3  # samples that one fault names
REMEDY = "Training needs raw counts: whole numbers of 0 or more."


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file's counts amount to: reads by sample, in the genes that are kept, and by gene."""

    sample_reads: NDArray[np.float32]
    gene_reads: NDArray[np.float64]
    digest: str
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Findings:
    """What was wrong so far: how many values, and where the first of them stands."""

    path: str
    counts: dict[str, int] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)
    largest: float = 0.0

    def note(self, kind: str, block: sparse.csr_array, wrong: NDArray[np.bool_], names: list[str]) -> None:
        """Count the values of a block that are wrong in one way."""
        if wrong.any():
            self.counts[kind] = self.counts.get(kind, 0) + int(wrong.sum())
            first = int(np.flatnonzero(wrong)[0])
            row = int(np.searchsorted(block.indptr, first, side="right")) - 1
            self.example.setdefault(kind, f"{block.data[first]:g} in sample {names[row]!r}")


def survey(file: CountsFile, kept: NDArray[np.bool_]) -> Survey:
    """Read every value once; `kept` [genes of the file] are the genes that a model will have."""
    if (wrong_shape := _shape_fault(file)) is not None:
        return Survey(np.zeros(file.rows, np.float32), np.zeros(len(kept)), "", (wrong_shape,))
    found = _Findings(f"{file.path}: {file.counts}")
    digest = hashlib.sha256()
    reads, gene_reads = np.zeros(file.rows, np.float32), np.zeros(len(kept))
    names = file.obs.index.astype(str).tolist()
    for rows, stored in file.blocks():
        block = _measured_only(file, rows, stored, found)
        for part in (block.data, block.indices, block.indptr):
            digest.update(np.ascontiguousarray(part).tobytes())
        _judge(found, block, [names[row] for row in rows])
        reads[rows] = block @ kept.astype(np.float64)
        gene_reads += np.asarray(block.sum(axis=0)).ravel()
    faults = [
        *_value_faults(file, found),
        *(_empty_samples(file, reads, names) if kept.any() and not found.counts else ()),
    ]
    return Survey(reads, gene_reads, digest.hexdigest(), tuple(faults))


def _measured_only(
    file: CountsFile, rows: Rows, block: sparse.csr_array, found: _Findings
) -> sparse.csr_array:
    """The block as float64, 0 where the mask says that a gene was not measured."""
    block = sparse.csr_array(block, dtype=np.float64)
    if file.mask_shape is not None:
        mask = file.mask_values(rows)
        bad = ~np.isin(mask, (0, 1))
        if bad.any():
            found.counts["mask"] = found.counts.get("mask", 0) + int(bad.sum())
            found.example.setdefault("mask", f"{mask[bad][0]:g}")
        at = np.repeat(np.arange(len(rows)), np.diff(block.indptr))
        block.data[mask[at, block.indices] == 0] = 0.0
        block.eliminate_zeros()
    return block


def _judge(found: _Findings, block: sparse.csr_array, names: list[str]) -> None:
    values = block.data
    finite = np.isfinite(values)
    found.note("not finite", block, ~finite, names)
    found.note("negative", block, finite & (values < 0), names)
    found.note("fractional", block, finite & (values != np.floor(values)), names)
    if finite.any():
        found.largest = max(found.largest, float(values[finite].max()))


def _value_faults(file: CountsFile, found: _Findings) -> list[Fault]:
    faults = []
    for kind, number in found.counts.items():
        if kind == "mask":
            said = f"{number:,} values are neither 0 nor 1 (such as {found.example[kind]}). "
            said += "Write 1 where a gene was measured and 0 where it was not."
            faults.append(Fault(f"{file.path}: layers/mask", said))
        else:
            said = f"{number:,} values are {kind} (the first: {found.example[kind]}). {REMEDY}"
            faults.append(Fault(found.path, said + (_remedy(file, found) if kind == "fractional" else "")))
    return faults


def _remedy(file: CountsFile, found: _Findings) -> str:
    """Where the counts may be instead."""
    for name in file.alternatives:
        values = file.beginning(name)
        if values is not None and (values >= 0).all() and (values == np.floor(values)).all():
            where = "raw.X" if name == "raw" else f"layers[{name!r}]"
            return f" {where} holds whole numbers: use it with --layer {name}."
    if found.largest > LARGEST_LOGARITHM:
        return " If these are estimated counts (Salmon, RSEM), round them: adata.X = numpy.rint(adata.X)."
    return " These look like logarithms; write the counts from before that step."


def _empty_samples(file: CountsFile, reads: NDArray[np.float32], names: list[str]) -> list[Fault]:
    empty = [names[row] for row in np.flatnonzero(reads == 0)]
    if not empty:
        return []
    shown = ", ".join(map(repr, empty[:MOST_NAMED])) + (", ..." if len(empty) > MOST_NAMED else "")
    told = f"{len(empty):,} samples have no count at all in the genes that are kept: {shown}. Leave them out."
    return [Fault(f"{file.path}: {file.counts}", told)]


def _shape_fault(file: CountsFile) -> Fault | None:
    wanted = (file.rows, len(file.var_names))
    for name, shape in ((file.counts, file.shape), ("layers/mask", file.mask_shape or wanted)):
        if shape != wanted:
            told = (
                f"It is {shape[0]:,} by {shape[1]:,}, but there are {wanted[0]:,} obs and {wanted[1]:,} var."
            )
            return Fault(f"{file.path}: {name}", f"{told} Write the file again.")
    return None
