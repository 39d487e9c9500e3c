"""Reads what an input of a query can hold, value by value. What a request type takes is not known here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import InvalidInput
from shared.queries import scalars
from shared.queries.counts import read_counts
from shared.queries.custom_ids import MOST_CHARACTERS
from shared.queries.faults import Faults, shown
from shared.queries.fields import FIELD_NAMES
from shared.queries.rules import ModelRules
from shared.queries.spec import Counts, Placement

if TYPE_CHECKING:  # It stands on the ontologies, which a command that reads a model need not load.
    from shared.queries.metadata import MetadataReader

METADATA, NUM_SAMPLES, COUNTS, CUSTOM_ID = "metadata", "num_samples", "counts", "custom_id"
_NOTHING = np.empty(0, np.int32)

RawInput = Mapping[object, object]


class InputValues:
    """Reads the values of one query's inputs and notes their faults, each at its path."""

    def __init__(self, rules: ModelRules, metadata: MetadataReader, faults: Faults) -> None:
        self._rules, self._metadata, self._faults = rules, metadata, faults

    def metadata(
        self, item: RawInput, path: str, fields: Collection[str] = FIELD_NAMES, optional: bool = False
    ) -> tuple[dict[str, str], dict[str, Placement]]:
        """The metadata that were set, and where they are placed."""
        metadata, where = item.get(METADATA), f"{path}.{METADATA}"
        if metadata == [] or (metadata is None and optional):  # [] is how R writes an empty object
            metadata = {}
        given = metadata if isinstance(metadata, Mapping) else {}
        read = self._metadata.read(given, where, fields)
        if not isinstance(metadata, Mapping):
            said = "metadata is required" if metadata is None else f"{shown(metadata)} is no metadata"
            self._faults.add(where, f"{said}: write an object, {{}} where nothing is to be set.")
        return read

    def num_samples(self, item: RawInput, path: str) -> int:
        """How many samples are asked for; 0 where that is at fault."""
        value, highest = item.get(NUM_SAMPLES), self._rules.limits.samples
        try:
            if value is None:
                raise InvalidInput(f"num_samples is required: a whole number from 1 to {highest:,}.")
            return scalars.whole_number(value, 1, highest)
        except InvalidInput as refused:
            self._faults.add(f"{path}.{NUM_SAMPLES}", str(refused))
            return 0

    def counts(self, item: RawInput, path: str) -> Counts:
        """The sample that the input brings along; nothing where it is at fault."""
        try:
            return read_counts(item.get(COUNTS), self._rules)
        except InvalidInput as refused:
            self._faults.add(f"{path}.{COUNTS}", str(refused))
            return _NOTHING

    def custom_id(self, item: RawInput, path: str) -> str:
        """What its owner calls the input; "" where that is nothing, or at fault."""
        value = item.get(CUSTOM_ID)
        if value is None:
            return ""
        try:
            if not (written := scalars.text(value, MOST_CHARACTERS)):
                raise InvalidInput(
                    f"The id is empty: write 1 to {MOST_CHARACTERS} characters, or leave it out."
                )
        except InvalidInput as refused:
            self._faults.add(f"{path}.{CUSTOM_ID}", str(refused))
            return ""
        return written
