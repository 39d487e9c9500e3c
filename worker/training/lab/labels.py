"""The obs columns of a file that are metadata: each value read as a query's would be, with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from shared.errors import Fault, InvalidInput
from shared.ontology.ids import FORMS
from shared.ontology.terms import Ontologies
from shared.queries import scalars
from shared.queries.faults import closest, shown
from shared.queries.fields import FIELD_BY_NAME, FIELD_NAMES, Kind, MetadataField
from worker.training.samples import TERM_SEPARATOR

SOURCE, DONOR, KIND = "source", "donor", "kind"
PERTURBATION, TYPE = "perturbation_ontology_id", "perturbation_type"
MULTIPLE = ("disease_ontology_id", PERTURBATION, TYPE, "perturbation_dose", "perturbation_time")
UNSET = {"", "nan", "NaN", "NA", "<NA>", "None"}
LONGEST_TEXT = 200
MOST_FAULTS = 10  # values of one column that are named
EXAMPLES = {"perturbation_dose": "10 um", "perturbation_time": "24 hours"}
SAYS_CONTROL = {"control", "none", "untreated", "vehicle", "dmso", "mock", "wt"}


@dataclass(frozen=True, slots=True)
class Labels:
    """A row for each sample, as categories: the 19 fields, `source` and `donor`; "" where unset."""

    table: pd.DataFrame
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


class LabelReader:
    """Reads the labels of files; a value that occurs again is not looked up again."""

    def __init__(self, ontologies: Ontologies) -> None:
        self._ontologies = ontologies

    def read(self, obs: pd.DataFrame, path: Path) -> Labels:
        """The labels of one file, `path` for what is said of it."""
        columns, faults = {}, []
        for name in FIELD_NAMES:
            if name in obs:
                columns[name], wrong = self._column(FIELD_BY_NAME[name], obs[name], f"{path}: obs[{name!r}]")
                faults += wrong
            else:
                columns[name] = constant("", obs.index)
        for name, other in ((SOURCE, path.stem), (DONOR, "")):
            columns[name] = _texts(obs[name], other) if name in obs else constant(other, obs.index)
        table = pd.DataFrame(columns, index=obs.index)
        faults += _unpaired(table, path)
        return Labels(table, tuple(faults), tuple(_strangers(obs, path)))

    def _column(self, field: MetadataField, values: pd.Series, path: str) -> tuple[pd.Series, list[Fault]]:
        """One column, normalised, and its faults, each with how many samples have the value."""
        codes, distinct = pd.factorize(values, use_na_sentinel=True)
        read, faults = [], []
        for number, value in enumerate(distinct):
            try:
                read.append(self._value(field, _written(value)))
            except InvalidInput as refused:
                read.append("")
                faults.append(Fault(path, f"{refused} ({_samples(int((codes == number).sum()))})"))
        if len(faults) > MOST_FAULTS:
            faults[MOST_FAULTS:] = [Fault(path, f"{len(faults) - MOST_FAULTS:,} more values are wrong.")]
        return _categorical(codes, read, values.index), faults

    def _value(self, field: MetadataField, written: str) -> str:
        if written in UNSET:
            return ""
        if field.name in MULTIPLE and TERM_SEPARATOR in written:
            parts = [part.strip() for part in written.split(TERM_SEPARATOR)]
            return TERM_SEPARATOR.join(self._single(field, part) for part in parts)
        return self._single(field, written)

    def _single(self, field: MetadataField, written: str) -> str:
        """One value of a field. Raises InvalidInput, with what would do."""
        match field.kind:
            case Kind.ONTOLOGY:
                return self._term(field, written)
            case Kind.CATEGORY:
                return scalars.choice(written, field.values, any_case=True)
            case Kind.QUANTITY:
                return scalars.quantity(written, EXAMPLES[field.name])
            case Kind.NUMBER:
                return scalars.age(written)
            case _:  # a study need not be a public one
                return scalars.text(written, LONGEST_TEXT)

    def _term(self, field: MetadataField, written: str) -> str:
        term = self._ontologies.get(written)
        if term and term.ontology in field.ontologies and not term.obsolete:
            return term.id
        titles = " or ".join(FORMS[name].title for name in field.ontologies)
        if term and term.ontology in field.ontologies:
            said = f"{shown(written)} ({term.label}) is obsolete."
        else:
            said = f"{shown(written)} is not the id of a term of {titles}."
        if field.name == PERTURBATION and written.casefold() in SAYS_CONTROL:
            return_to = f"Leave it empty, and set {TYPE} to 'control'."
            raise InvalidInput(f"{said} {return_to}")
        near = self._ontologies.suggest(written, field.ontologies)
        names = " or ".join(f"{each.id} ({each.label})" if each.label else each.id for each in near)
        example = FORMS[field.ontologies[0]].example
        raise InvalidInput(
            f"{said} " + (f"Did you mean {names}?" if names else f"Write an id, as {example}.")
        )


def _unpaired(table: pd.DataFrame, path: Path) -> Iterator[Fault]:
    """Every perturbation needs a type, or all of them one, or none any."""
    pairs = table[[PERTURBATION, TYPE]].drop_duplicates().astype(str)
    for ids, kinds in pairs.itertuples(index=False, name=None):
        terms, types = (text.split(TERM_SEPARATOR) if text else [] for text in (ids, kinds))
        if len(types) > 1 and len(types) != len(terms):
            yield Fault(
                f"{path}: obs[{TYPE!r}]",
                f"{shown(kinds)} names {len(types)} types for {len(terms)} perturbations ({shown(ids)}). "
                f"Write one for each, between {TERM_SEPARATOR!r}, in the same order.",
            )


def _strangers(obs: pd.DataFrame, path: Path) -> Iterator[str]:
    """Columns that are not read and may have been meant to be."""
    for name in map(str, obs.columns):
        if name not in (*FIELD_NAMES, SOURCE, DONOR) and (near := closest(name, FIELD_NAMES)):
            yield f"{path}: obs[{name!r}] is not read. If it is {near}, rename it."


def _written(value: object) -> str:
    """A value as a text; 90371.0, which pandas makes of 90371 beside missing ones, is 90371."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _samples(number: int) -> str:
    return f"{number:,} sample{'' if number == 1 else 's'}"


def _texts(values: pd.Series, unset: str) -> pd.Series:
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    read = [unset if (text := _written(value)) in UNSET else text for value in distinct]
    return _categorical(codes, read, values.index, unset)


def _categorical(codes: np.ndarray, read: list[str], index: pd.Index, unset: str = "") -> pd.Series:
    """A categorical column from codes of values as they were and what each was read as; -1 is unset."""
    names = sorted({*read, unset})
    place = {name: position for position, name in enumerate(names)}
    moved = np.array([*(place[name] for name in read), place[unset]], np.int64)
    return pd.Series(pd.Categorical.from_codes(moved[codes], pd.Index(names)), index=index)


def constant(value: str, index: pd.Index) -> pd.Series:
    """A categorical column of one value."""
    return pd.Series(pd.Categorical.from_codes(np.zeros(len(index), np.int8), pd.Index([value])), index=index)


def joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The labels of several files below one another, still as categories, under unique names."""
    columns: Mapping[str, pd.Categorical] = {
        str(name): pd.api.types.union_categoricals([table[name] for table in tables]) for name in tables[0]
    }
    names = pd.Index([str(name) for table in tables for name in table.index])
    return pd.DataFrame(
        columns, index=pd.RangeIndex(len(names)).astype(str) if names.has_duplicates else names
    )
