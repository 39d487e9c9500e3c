"""What was probably meant: ids a slip of the keyboard away, and names that resemble a text."""

from __future__ import annotations

from difflib import SequenceMatcher

import numpy as np

from shared.ontology.table import Numbers, TermTable, fold

MOST_SLIPS = 2
LEAST_LIKE = 0.75


def nearest_ids(local: str, table: TermTable) -> list[int]:
    """Rows of ids at most two slips from a local part, nearest first; of equals, close numbers first.

    A slip is a wrong, missing, extra or swapped digit.
    """
    number = min(int(local, table.form.base), int(np.iinfo(np.int64).max))
    slips = _wrong_digits(number, table)
    if table.form.width > 1 and len(local) != table.form.width:
        slips[:] = MOST_SLIPS + 1  # as many digits must be added or taken away
    slips[np.isin(table.numbers, _one_slip(local, table))] = 1
    at = np.flatnonzero(slips <= MOST_SLIPS)
    order = np.lexsort((np.abs(table.numbers[at] - number), slips[at]))
    rows: list[int] = at[order].tolist()
    return rows


def nearest_names(text: str, table: TermTable) -> list[tuple[float, int]]:
    """Rows with a name like the text, each with how unlike it is (0 to 0.25), nearest first."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(fold(text))
    best: dict[int, float] = {}
    for name, row in table.resembling(text):
        matcher.set_seq1(name)
        if matcher.quick_ratio() >= LEAST_LIKE and (like := matcher.ratio()) >= LEAST_LIKE:
            best[row] = min(best.get(row, 1.0), 1 - like)
    return sorted((unlike, row) for row, unlike in best.items())


def _wrong_digits(number: int, table: TermTable) -> Numbers:
    """How many digits of each id differ from those of the number."""
    base, wrong = table.form.base, np.zeros(len(table.numbers), dtype=np.int64)
    left, right = table.numbers.copy(), number
    while right or left.any():
        wrong += left % base != right % base
        left //= base
        right //= base
    return wrong


def _one_slip(local: str, table: TermTable) -> list[int]:
    """Numbers of ids with one missing, extra or swapped digit."""
    base = table.form.base
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:base]
    missing = {local[:i] + digit + local[i:] for i in range(len(local) + 1) for digit in digits}
    extra = {local[:i] + local[i + 1 :] for i in range(len(local))}
    swapped = {local[:i] + local[i + 1] + local[i] + local[i + 2 :] for i in range(len(local) - 1)}
    numbers = (int(each, base) for each in missing | extra | swapped if each)
    return [number for number in numbers if number <= np.iinfo(np.int64).max]
