"""Which inputs of a query their owner gave names, so that no name is given twice. Pure."""

from __future__ import annotations

from array import array

MOST_CHARACTERS = 128
_FREE = -1


class CustomIds:
    """The ids seen so far, by their hash alone: 12 bytes a slot, 24 MB for a million.

    Python's hashes of texts are 64 bits wide and salted for each process: of a million ids, two that differ
    are taken for one in a run of 40 million such queries.
    """

    def __init__(self, slots: int = 1 << 10) -> None:
        self._hashes, self._inputs = _empty(slots)
        self._used = 0

    def claim(self, custom_id: str, index: int) -> int | None:
        """Note that an input has this id; the index of the one that has it already, if there is one."""
        wanted = hash(custom_id)
        slot = self._slot(wanted)
        if self._inputs[slot] != _FREE:
            return self._inputs[slot]
        self._hashes[slot], self._inputs[slot] = wanted, index
        self._used += 1
        if 2 * self._used > len(self._inputs):
            self._grow()
        return None

    def _slot(self, wanted: int) -> int:
        """Where a hash stands, or the free slot where it will."""
        hashes, inputs, last = self._hashes, self._inputs, len(self._inputs) - 1
        slot = wanted & last
        while inputs[slot] != _FREE and hashes[slot] != wanted:
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        hashes, inputs = self._hashes, self._inputs
        self._hashes, self._inputs = _empty(2 * len(inputs))
        for known, index in zip(hashes, inputs, strict=True):
            if index != _FREE:
                slot = self._slot(known)
                self._hashes[slot], self._inputs[slot] = known, index


def _empty(slots: int) -> tuple[array[int], array[int]]:
    return array("q", [0]) * slots, array("i", [_FREE]) * slots
