"""How much a query asks for, summed over its inputs, which may be more than anybody holds at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.queries.spec import InputSpec


@dataclass(slots=True)
class Extent:
    """Inputs and samples; the counts of all samples if each is as large as its own reference.

    `described` is the first input with metadata, `named` whether any has a custom id.
    """

    inputs: int = 0
    samples: int = 0
    reference_counts: int | None = None
    described: int | None = None
    named: bool = False

    def add(self, index: int, item: InputSpec) -> None:
        """One more input, by its index in the query."""
        self.inputs += 1
        self.samples += item.num_samples
        if item.counts is not None:
            self.reference_counts = (self.reference_counts or 0) + int(item.counts.sum()) * item.num_samples
        if self.described is None and item.metadata:
            self.described = index
        self.named = self.named or bool(item.custom_id)


def extent_of(inputs: Iterable[InputSpec]) -> Extent:
    """That of inputs at hand."""
    extent = Extent()
    for index, item in enumerate(inputs):
        extent.add(index, item)
    return extent
