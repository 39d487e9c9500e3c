"""A large query: options, and where its rows come from. What they say is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import InvalidInput, QueryRejected
from shared.queries import scalars
from shared.queries.faults import Faults, listed
from shared.queries.forms import FORMS
from shared.queries.input_values import NUM_SAMPLES
from shared.queries.inputs import INPUTS
from shared.queries.options import read_options
from shared.queries.rules import ModelRules
from shared.sheets.forms.design import DESIGN, EXCLUDE, Design
from shared.sheets.row import Row
from shared.sheets.sent import SentFile
from shared.sheets.taking_in import OnError

UPLOAD, ON_ERROR = "upload", "on_error"
MOST_AS_ROWS = 2_000  # inputs of a query in JSON; more of them are kept in sheets, as those of files are
_SOURCES = (INPUTS, UPLOAD, DESIGN)
OF_ROWS = (*_SOURCES, EXCLUDE, NUM_SAMPLES, ON_ERROR)  # what a query says of its rows, beside its options


def is_large(query: object) -> bool:
    """Whether a query in JSON is taken in row by row, like a file."""
    if not isinstance(query, Mapping):
        return False
    inputs = query.get(INPUTS)
    many = isinstance(inputs, list) and len(inputs) > MOST_AS_ROWS
    return many or any(query.get(key) is not None for key in (UPLOAD, DESIGN, ON_ERROR))


@dataclass(frozen=True, slots=True)
class LargeQuery:
    """Checked options, as fields of QuerySpec, and what becomes of bad rows; the rows are yet to be read."""

    options: Mapping[str, Any]
    on_error: OnError
    source: Mapping[str, Any]
    num_samples: int | None
    design: Design | None

    @classmethod
    def read(cls, body: Mapping[str, Any], rules: ModelRules, *, from_file: bool) -> LargeQuery:
        """Options as JSON says them, beside a file or with `inputs` or a `design`.

        Raises QueryRejected with every fault but those of rows.
        """
        faults = Faults(rules.limits.faults)
        listed_inputs = not from_file and body.get(DESIGN) is None
        own = {ON_ERROR, UPLOAD} | (set() if listed_inputs else {NUM_SAMPLES, DESIGN, EXCLUDE})
        options = read_options({key: body[key] for key in body if key not in own}, rules, faults)
        on_error = _on_error(body.get(ON_ERROR), faults)
        num_samples = None if listed_inputs else _num_samples(body.get(NUM_SAMPLES), rules, faults)
        design = None
        _check_sources(body, from_file, faults)
        if body.get(DESIGN) is not None:
            try:
                design = Design.read(body[DESIGN], body.get(EXCLUDE), num_samples, rules)
            except QueryRejected as rejected:
                for fault in rejected.faults:
                    faults.add(fault.path, fault.message, fault.pointer)
        faults.raise_any()
        return cls(options, on_error, body, num_samples, design)

    def rows(self, file: SentFile | None, rules: ModelRules, limit: int) -> Iterator[Row]:
        """The rows, in order; of a file at most `limit` bytes."""
        if file is not None:
            return file.rows(FORMS[rules.request_type], self.num_samples, limit)
        if self.design is not None:
            return self.design.rows()
        inputs = self.source.get(INPUTS)
        items = inputs if isinstance(inputs, list) else [inputs]
        return (Row(number, None, item) for number, item in enumerate(items))


def _check_sources(body: Mapping[str, Any], from_file: bool, faults: Faults) -> None:
    given = [key for key in _SOURCES if body.get(key) is not None]
    if from_file:
        given = [key for key in given if key != UPLOAD]
        if given:
            faults.add(given[0], f"The rows come in the body; remove {given[0]}.")
    elif len(given) != 1:
        said = f"{listed(given)} are sent" if given else "None is sent"
        faults.add(INPUTS, f"{said}; a query has one of {listed(_SOURCES)}.")
    elif given == [INPUTS] and body[INPUTS] == []:
        faults.add(INPUTS, "An empty list is sent: it must be a list of one or more objects.")


def _on_error(value: object, faults: Faults) -> OnError:
    if value is None:
        return OnError.REJECT
    try:
        return OnError(scalars.choice(value, tuple(map(str, OnError))))
    except InvalidInput as refused:
        faults.add(ON_ERROR, str(refused))
        return OnError.REJECT


def _num_samples(value: object, rules: ModelRules, faults: Faults) -> int | None:
    if value is None:
        return None
    if NUM_SAMPLES not in FORMS[rules.request_type].keys:
        faults.add(NUM_SAMPLES, f"{rules.public_id} answers each input once; remove num_samples.")
        return None
    try:
        return scalars.whole_number(value, 1, rules.limits.samples)
    except InvalidInput as refused:
        faults.add(NUM_SAMPLES, str(refused))
        return None
