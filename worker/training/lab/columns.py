"""Which columns a network can learn from, and how many samples each of their terms has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from shared.queries.fields import FIELD_BY_NAME, FIELD_NAMES, Kind
from worker.training.lab.labels import constant
from worker.training.samples import MODELLED_FIELDS, TERM_SEPARATOR

LEAST_SAMPLES_PER_VALUE = 2.0  # on average; free text with fewer is a name, not a property


class Use(StrEnum):
    """What becomes of a column."""

    LEARNT = "learnt"
    CONSTANT = "the same in all samples"  # known to the model, and without effect
    EMPTY = "empty"
    TOO_MANY = "too many values"
    NOT_MODELLED = "not modelled"  # accepted in queries, without effect

    @property
    def known(self) -> bool:
        """Whether the model's vocabulary gets the column."""
        return self in (Use.LEARNT, Use.CONSTANT)


@dataclass(frozen=True, slots=True)
class Column:
    """One metadata column over all files: its use, and how many samples have each term."""

    name: str
    use: Use
    samples: Mapping[str, int]


def columns_of(labels: pd.DataFrame) -> tuple[Column, ...]:
    """Every metadata column, in the order of the fields."""
    return tuple(_column(name, labels[name]) for name in FIELD_NAMES)


def only_known(labels: pd.DataFrame, columns: tuple[Column, ...]) -> pd.DataFrame:
    """The labels with nothing said in columns of which the model learns nothing."""
    kept = labels.copy(deep=False)
    for column in columns:
        if not column.use.known:
            kept[column.name] = constant("", labels.index)
    return kept


def _column(name: str, values: pd.Series) -> Column:
    by_value = {str(value): int(number) for value, number in values.value_counts().items() if number}
    samples: Counter[str] = Counter()
    for value, number in by_value.items():
        for term in value.split(TERM_SEPARATOR) if value else ():
            samples[term] += number
    return Column(name, _use(name, by_value, samples), dict(samples.most_common()))


def _use(name: str, by_value: Mapping[str, int], samples: Mapping[str, int]) -> Use:
    if not samples:
        return Use.EMPTY
    if name not in MODELLED_FIELDS:
        return Use.NOT_MODELLED
    if len(by_value) == 1:
        return Use.CONSTANT
    free = FIELD_BY_NAME[name].kind in (Kind.NUMBER, Kind.TEXT)
    if free and sum(samples.values()) < LEAST_SAMPLES_PER_VALUE * len(samples):
        return Use.TOO_MANY
    return Use.LEARNT
