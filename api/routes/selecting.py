"""From what a request says of genes, inputs, columns and groups to a selection of samples."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from api.schemas.artifacts import CompareBody, GroupBody
from api.schemas.forms import ResultFormat
from shared.catalog import Offer
from shared.errors import ComparisonRejected, Fault, InvalidInput
from shared.queries.fields import FIELD_NAMES
from shared.queries.requests import RequestType
from shared.results.csv_form import usual_columns
from shared.results.forms.recognition import probabilities_column
from shared.results.groups import FIELDS, Group
from shared.results.selection import Inputs, Selection
from shared.results.wishes import read_inputs, read_selection


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request for a result names, as text."""

    genes: str | None = None
    inputs: str | None = None
    columns: str | None = None


def selection_of(wanted: Wanted, form: ResultFormat, offer: Offer) -> Selection:
    """What is wanted of a result that this offer made. Raises InvalidInput."""
    predicted = offer.request_type is RequestType.PREDICT_METADATA
    heads = [probabilities_column(field) for field in FIELD_NAMES] if predicted else []
    selection = read_selection(wanted.genes, wanted.inputs, wanted.columns, offer.model.genes, heads)
    if form is ResultFormat.CSV and selection.columns is None:
        return Selection(selection.genes, selection.inputs, usual_columns(offer.request_type, heads))
    if form is ResultFormat.MTX and not selection.counts:
        raise InvalidInput("columns: The form mtx is a matrix of counts; name counts among the columns.")
    return selection


def groups_of(body: CompareBody) -> tuple[Group, Group]:
    """The two groups of a comparison. Raises ComparisonRejected."""
    faults: list[Fault] = []
    groups = (_group(body.a, "a", faults), _group(body.b, "b", faults))
    if faults:
        raise ComparisonRejected(tuple(faults))
    return groups


def _group(body: GroupBody, path: str, faults: list[Fault]) -> Group:
    inputs = None
    if body.inputs is not None:
        text = body.inputs if isinstance(body.inputs, str) else ",".join(str(entry) for entry in body.inputs)
        inputs = read_inputs(text, faults, f"{path}.inputs")
    if body.custom_ids is not None:
        runs, named = (inputs.runs, inputs.custom_ids) if inputs else ((), ())
        inputs = Inputs(runs, tuple(dict.fromkeys((*named, *body.custom_ids))))
        if not body.custom_ids:
            faults.append(Fault(f"{path}.custom_ids", "It names no input. Leave it out to mean all of them."))
    metadata = body.metadata or {}
    if inputs is None and not metadata:
        faults.append(Fault(path, "It says nothing of its samples. Name inputs, custom_ids or metadata."))
    for field in metadata:
        if field not in FIELDS:
            close = get_close_matches(field, FIELDS, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            faults.append(Fault(f"{path}.metadata.{field}", f"There is no such field of a sample.{meant}"))
    values = (
        (field, (value,) if isinstance(value, str) else tuple(value)) for field, value in metadata.items()
    )
    return Group(inputs, tuple(values))
