"""What every table stands on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

# Who reads rows in the order of their transactions, and none of one that may still run, misses none.
THIS_TRANSACTION = text("pg_current_xact_id()::text::bigint")


def one_of(column: str, values: type[StrEnum]) -> str:
    """A constraint: the column holds one of these values."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Table(DeclarativeBase):
    """Base of every table: times carry a zone, dicts are JSONB."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        str: Text,
    }
