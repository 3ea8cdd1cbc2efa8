"""PostgreSQL: a connection with the tables in place."""

from __future__ import annotations

from typing import Any

import psycopg

from webapp.settings import Settings

LOCK = 7_300_411
"""For `pg_advisory_xact_lock`: two processes starting at once must not make the tables at once."""
TABLES = (
    "CREATE TABLE IF NOT EXISTS notes"
    " (id bigserial PRIMARY KEY, text text NOT NULL, words integer, at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE IF NOT EXISTS workers (name text PRIMARY KEY, seen timestamptz NOT NULL)",
)
_ready: set[str] = set()


def connect(settings: Settings) -> psycopg.Connection[Any]:
    """A connection; its `with` block is one transaction."""
    connection = psycopg.connect(**settings.connection())
    if settings.host not in _ready:
        try:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
                for table in TABLES:
                    connection.execute(table)
        except BaseException:
            connection.close()
            raise
        _ready.add(settings.host)
    return connection
