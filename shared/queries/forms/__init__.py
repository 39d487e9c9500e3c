"""The forms that queries come in, one file for each request type."""

from __future__ import annotations

from collections.abc import Mapping

from shared.queries.forms.baseline import BASELINE
from shared.queries.forms.form import QueryForm
from shared.queries.forms.recognition import RECOGNITION
from shared.queries.forms.reference import REFERENCE
from shared.queries.requests import RequestType

__all__ = ["FORMS", "QueryForm"]

FORMS: Mapping[RequestType, QueryForm] = {
    form.request_type: form for form in (BASELINE, REFERENCE, RECOGNITION)
}
