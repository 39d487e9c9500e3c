"""Rows that travel as one JSON parameter, whatever their number; Postgres takes them apart."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Executable, func
from sqlalchemy.sql.selectable import TableValuedAlias

Sending = tuple[Executable, dict[str, Any]]  # a statement and its parameters


def recordset(sent: ColumnElement[Any], *columns: ColumnClause[Any]) -> TableValuedAlias:
    """The objects of a JSON array as rows of these columns."""
    return func.jsonb_to_recordset(sent).table_valued(*columns).render_derived(with_types=True)
