"""The cursor of a list: opaque to callers, a place in an order to us. And the filters that a URL writes."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared.database.queries.listing import Place
from shared.errors import Fault, InvalidInput

_METADATA = "metadata."


def cursor_of(place: Place) -> str:
    """The cursor of a place."""
    return urlsafe_b64encode(f"{place.created_at.isoformat()} {place.id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """The place of a cursor. Raises InvalidInput for one that was not made here."""
    try:
        created_at, written_id = (
            urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(" ")
        )
        place = Place(datetime.fromisoformat(created_at), UUID(written_id))
    except (ValueError, binascii.Error):
        place = None
    if place is None or place.created_at.utcoffset() is None:
        message = "This cursor was not made by this server. Leave it out to begin with the newest."
        raise InvalidInput(message, (Fault("cursor", message),))
    return place


def metadata_filter(parameters: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The pairs of client metadata that a URL asks for, as in `?metadata.run=7`. Raises InvalidInput."""
    pairs = {}
    for name, value in parameters:
        if name.startswith(_METADATA):
            if not (name + value).isprintable():
                message = "It holds characters that no metadata has; remove them."
                raise InvalidInput(message, (Fault(_METADATA + "*", message),))
            pairs[name.removeprefix(_METADATA)] = value
    return pairs
