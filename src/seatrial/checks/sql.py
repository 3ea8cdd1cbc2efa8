"""Whether a database answers a query as expected; changes by the query are rolled back."""

from __future__ import annotations

import asyncio
import decimal
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from seatrial.checks.content import holds
from seatrial.errors import CannotTell, ExtraMissing
from seatrial.expressions.text import uses
from seatrial.model.result import Category, Observation, Verdict, failed, passed, unknown
from seatrial.model.values import NOT_GIVEN, Expression, Timeout
from seatrial.registry import check
from seatrial.spi import Context
from seatrial.spi.check import is_ours

LIMIT = 10_000
"""Maximum number of rows read."""

SYNTAX = ("42601", "42P02", "42P18")
"""PostgreSQL's codes for an invalid query, a mistake of the test."""

OURS = (
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "role ",
    "could not translate host name",
    "Name or service not known",
    "Temporary failure in name resolution",
    "failed to resolve host",
    "invalid connection option",
    "invalid dsn",
)
"""Texts of a refused connection caused by the test's URL or login."""


WRITES = ("25006", "1792")
"""Error codes of databases for a statement that writes in a transaction that only reads."""


@check("sql")
@dataclass(frozen=True, kw_only=True)
class Sql:
    """A query returns the right rows or value; PostgreSQL and SQLite, others with their SQLAlchemy driver."""

    expression_names: ClassVar[tuple[str, ...]] = ("rows", "value", "count")

    url: str
    """`postgresql://user:password@host/name`, `sqlite:///file` (relative to the document)."""
    query: str = "SELECT 1"
    """One statement; it only reads. PostgreSQL, MySQL, MariaDB and SQLite refuse one that writes; others roll it back.
    """
    rows: int | tuple[Any, ...] | None = None
    """The expected number of rows, or the rows themselves, each a list of values."""
    value: Any = NOT_GIVEN
    """The first value of the first row; `null` for NULL."""
    that: Expression = Expression("")
    """CEL over `rows` (a list of maps by column), `value` (unknown without a row), `count`."""
    timeout: Timeout = Timeout(10.0)
    """Time limit for connection and query."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if "://" not in self.url:
            allowed = "postgresql://USER@HOST/NAME, sqlite:///FILE"
            yield "url", f"invalid database URL {_masked(self.url)!r}; allowed: {allowed}"
        if not self.query.strip():
            yield "query", "the query is empty"

    def asks_others(self, ctx: Context) -> bool:
        return not is_ours(ctx, urlsplit(self.url).hostname or "")

    async def observe(self, ctx: Context) -> Observation:
        """Run the query once."""
        found = await ask(self.url, self.query, self.timeout, ctx.document_folder)
        if isinstance(found, Observation):
            return found
        return await self._judge(ctx, *found)

    async def _judge(self, ctx: Context, columns: list[str], rows: list[list[object]]) -> Observation:
        value = rows[0][0] if rows and rows[0] else None
        if len(rows) > LIMIT:
            return unknown(f"the query returns more than {LIMIT} rows: count or limit them in the query")
        if isinstance(self.rows, int) and len(rows) != self.rows:
            return failed(len(rows), self.rows, f"the query returns {len(rows)} rows")
        if isinstance(self.rows, tuple):
            wanted = [list(row) if isinstance(row, list | tuple) else [row] for row in self.rows]
            if rows != wanted:
                return failed(rows[:20], wanted, "the query returns other rows")
        if self.value is not NOT_GIVEN:
            if not rows:
                return failed("no row", self.value, "the query returns no row")
            if value != self.value:
                return failed(value, self.value, f"the query returns {value!r}")
        seen = value if len(rows) == 1 and len(columns) == 1 else {"rows": len(rows)}
        if not self.that:
            return passed(seen, self.rows if self.value is NOT_GIVEN else self.value)
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None and uses(self.that, "rows"):
            return unknown(f"two columns are named {twice!r}: name one of them with AS", self.that, seen)
        maps = [dict(zip(columns, row, strict=True)) for row in rows]
        first = {"value": value} if rows else {}  # a row that is not there differs from every value
        judged = await holds(ctx, self.that, seen, rows=maps, count=len(rows), **first)
        if judged.verdict is Verdict.UNKNOWN and not rows and uses(self.that, "value"):
            return unknown("the query returns no row, so there is no `value`", self.that, seen)
        return judged


async def ask(url: str, query: str, timeout: float, folder: Path) -> tuple[list[str], list[list[object]]] | Observation:
    """Columns and rows (one more than LIMIT at most), or an observation of the database's error; CannotTell for
    mistakes of the test. In a thread, because the drivers block."""
    engine = await asyncio.to_thread(_driver, url, timeout, folder)  # its import is no part of the database's time
    if isinstance(engine, Observation):
        return engine
    try:
        async with asyncio.timeout(timeout + 2):  # The driver's own timeouts come first, and end the thread.
            return await asyncio.to_thread(_ask, engine, query, timeout)
    except TimeoutError:
        return _late(timeout)


def _driver(url: str, timeout: float, folder: Path) -> Any:
    """An engine for this URL, or an observation; CannotTell for mistakes of the test."""
    try:
        import sqlalchemy
        from sqlalchemy import exc
    except ImportError as error:
        raise ExtraMissing("the check `sql` needs SQLAlchemy: pip install 'seatrial[sql]'") from error
    try:
        return _engine(sqlalchemy, url, timeout, folder)
    except exc.ArgumentError as error:
        raise CannotTell(f"invalid database URL {_masked(url)!r}: {error}") from error
    except exc.NoSuchModuleError as error:
        raise CannotTell(f"no driver for {_masked(url)!r}: {error}; PostgreSQL and SQLite are built in") from error
    except ImportError as error:
        how = "for PostgreSQL: pip install 'seatrial[sql]'"
        raise ExtraMissing(f"the driver for {_masked(url)!r} is not installed ({error}); {how}") from error
    except FileNotFoundError as error:
        return failed("no file", "a database", str(error))


def _ask(engine: Any, query: str, timeout: float) -> tuple[list[str], list[list[object]]] | Observation:
    """Columns and rows, or an observation of the database's error; CannotTell for mistakes of the test."""
    from sqlalchemy import exc

    try:
        with engine.connect() as connection:
            _limit(connection, timeout)
            result = _read_only(connection, query)
            columns = list(result.keys()) if result.returns_rows else []
            rows = result.fetchmany(LIMIT + 1) if result.returns_rows else []
            found = [[_plain(value) for value in row] for row in rows]
            connection.rollback()
        return columns, found
    except exc.DBAPIError as error:
        return _broken(error, timeout)
    except exc.SQLAlchemyError as error:
        raise CannotTell(f"the query could not be sent: {error}") from error
    finally:
        engine.dispose()


def _engine(sqlalchemy: Any, url: str, timeout: float, folder: Path) -> Any:
    made = sqlalchemy.make_url(url)
    backend = made.drivername.partition("+")[0]
    arguments: dict[str, Any] = {}
    if made.drivername in ("postgresql", "postgres"):
        made, backend = made.set(drivername="postgresql+psycopg"), "postgresql"
    if backend == "postgresql":
        # Without the encoding, a database with the locale C returns bytes instead of text.
        arguments = {"connect_timeout": max(1, round(timeout)), "client_encoding": "utf8"}
        if made.drivername == "postgresql+psycopg":
            arguments["cursor_factory"] = _one_statement()
    elif backend == "sqlite" and made.database and not made.database.startswith((":", "file:")):
        file = folder / made.database
        if not file.is_file():  # SQLite would create it: a check leaves no files behind.
            raise FileNotFoundError(f"database file {file} does not exist")
        made, arguments = made.set(database=str(file)), {"timeout": timeout}
    return sqlalchemy.create_engine(made, connect_args=arguments, poolclass=sqlalchemy.pool.NullPool)


def _one_statement() -> Any:
    """A cursor for one statement at a time: a second one could end the transaction that only reads."""
    import psycopg

    class OneStatement(psycopg.Cursor):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            return super().execute(query, params, **{**options, "prepare": True})

    return OneStatement


def _limit(connection: Any, timeout: float) -> None:
    """Have the database end a slow query itself: a thread cannot be ended from outside."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(timeout * 1000))}")
    elif connection.dialect.name == "sqlite":
        until = time.monotonic() + timeout
        driver = connection.connection.driver_connection
        driver.set_progress_handler(lambda: int(time.monotonic() > until), 10_000)


def _read_only(connection: Any, query: str) -> Any:
    """Run a statement by the database's own means against writing."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    elif dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif dialect in ("mysql", "mariadb"):
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
    return connection.exec_driver_sql(query)


def _broken(error: Any, timeout: float) -> Observation:
    """The observation for a driver's error: failed (product), unknown (test's URL or query), or timed out."""
    said = str(error.orig).strip()
    first = said.partition("\n")[0]
    code = getattr(error.orig, "sqlstate", None) or ""
    if code == "57014" or said == "interrupted" or "timeout expired" in said:
        return _late(timeout)
    if code.startswith(("28", "08P01")) or (any(text in said for text in OURS) and not code):
        return unknown(f"the database refuses the login: {first}", seen="refused")
    if (
        code in WRITES
        or "readonly database" in said
        or "one statement at a time" in said
        or "multiple commands" in said
    ):
        return unknown(f"the check only reads, by one statement: {first}")
    if code in SYNTAX or "syntax error" in said or "incomplete input" in said:
        return unknown(f"invalid query: {first}")
    return failed("no answer" if not code and error.connection_invalidated else first, "an answer", said)


def _late(timeout: float) -> Observation:
    why = f"the database did not answer within {timeout:g} s"
    return failed("no answer", f"an answer within {timeout:g} s", why, Category.TIMEOUT)


def _plain(value: object) -> object:
    """A value of the database as JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if isoformat is not None else str(value)


def _masked(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
