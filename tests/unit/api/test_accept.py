"""Which form an Accept header asks for."""

from __future__ import annotations

import pytest

from api.schemas.accept import accepts

ARROW = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (ARROW, True),
        ("Application/Vnd.Apache.Arrow.Stream", True),
        (f"application/json, {ARROW}; q=0.5", True),
        (f"application/json, {ARROW};q=0", False),
        (f"{ARROW}; q=0.0", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_media_type_is_accepted_by_its_name_unless_it_weighs_nothing(header: str, accepted: bool) -> None:
    assert accepts(header, ARROW) is accepted
