"""The layouts of results, one file for each kind of row; a request type has one of them."""

from __future__ import annotations

from collections.abc import Mapping

from shared.queries.requests import RequestType
from shared.results.forms.expression import EXPRESSION
from shared.results.forms.form import ResultForm
from shared.results.forms.recognition import RECOGNITION, Predictions
from shared.results.part import Samples

__all__ = ["FORMS", "Predictions", "ResultForm", "Rows"]

Rows = Samples | Predictions

FORMS: Mapping[RequestType, ResultForm] = {
    RequestType.BASELINE: EXPRESSION,
    RequestType.REFERENCE_CONDITIONED: EXPRESSION,
    RequestType.PREDICT_METADATA: RECOGNITION,
}
