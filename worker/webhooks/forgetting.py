"""Ends deliveries that go nowhere, and forgets what was kept long enough: a few rows at a time."""

from __future__ import annotations

from sqlalchemy import Engine, Executable

from shared.database.engines import transaction
from shared.database.queries import delivery_retention as statements

AT_ONCE = 1_000


def forget_old_deliveries(engine: Engine, at_once: int = AT_ONCE) -> int:
    """Delete what is older than the log, returns how many rows. Raises DatabaseUnavailable."""
    with transaction(engine) as session:
        session.execute(statements.end_undeliverable())
    return sum(
        _all_of(engine, statement(at_once), at_once)
        for statement in (statements.forget_deliveries, statements.forget_notices)
    )


def _all_of(engine: Engine, statement: Executable, at_once: int) -> int:
    """A transaction for each few, so that nobody waits for a long one."""
    forgotten = 0
    while True:
        with transaction(engine) as session:
            some = len(session.execute(statement).all())
        forgotten += some
        if some < at_once:
            return forgotten
