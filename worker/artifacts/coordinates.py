"""Lines of a matrix in coordinates: gene, sample and count of what is not zero, as text. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# A word of eight bytes holds seven digits and what follows them; one of sixteen all that an int32 can be.
_SHORT, _LONG = 8, 16
_FITS = 10 ** (_SHORT - 1)
_USUAL = 1 << 16  # counts below are looked up; what is above is rare

Words = NDArray[np.bytes_]


def lines(counts: NDArray[np.int32], first: int) -> Iterator[bytes]:
    """The lines of samples [N, G], of which the first has that number, from 1 on; all of one sample at once.

    Numbers are looked up as words, which NUL fills up, and these are taken out of a whole sample at once: a
    fifth of the time of writing numbers one by one.
    """
    samples, genes = counts.shape
    short = max(counts.max(initial=0), first + samples, genes) < _FITS
    width = _SHORT if short else _LONG
    gene_words, count_words = _words(range(1, genes + 1), b" ", width), _words(range(_USUAL), b"\n", width)
    table = np.empty((genes, 3), f"S{width}")
    for number, row in enumerate(counts, first):
        places = np.flatnonzero(row)
        filled = table[: len(places)]
        filled[:, 0] = gene_words[places]
        filled[:, 1] = b"%d " % number
        filled[:, 2] = _looked_up(row[places], count_words)
        yield filled.tobytes().translate(None, b"\0")


def _looked_up(counts: NDArray[np.int32], words: Words) -> Words:
    found = words[np.minimum(counts, len(words) - 1)]
    above = np.flatnonzero(counts >= len(words))
    found[above] = _words(counts[above].tolist(), b"\n", words.itemsize)
    return found


def _words(numbers: Sequence[int], behind: bytes, width: int) -> Words:
    return np.array([b"%d%b" % (number, behind) for number in numbers], f"S{width}")
