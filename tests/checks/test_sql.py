from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backends.fixtures import required
from tests.backends.session import missing
from tests.checks.fakes import FakeContext, look, verdict
from tests.links.test_tcp import closed_port

from seatrial.checks import sql
from seatrial.checks.sql import Sql
from seatrial.errors import CannotTell, ExtraMissing

TABLE = "CREATE TABLE cargo (name TEXT, crates INTEGER); INSERT INTO cargo VALUES ('rum', 5), ('tea', 7);"

CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "passed"),
    ({"query": "SELECT * FROM cargo", "rows": 2}, "passed"),
    ({"query": "SELECT * FROM cargo", "rows": 3}, "failed"),
    ({"query": "SELECT * FROM cargo ORDER BY crates", "rows": (["rum", 5], ["tea", 7])}, "passed"),
    ({"query": "SELECT * FROM cargo ORDER BY crates", "rows": (["rum", 5], ["tea", 8])}, "failed"),
    ({"query": "SELECT name FROM cargo ORDER BY crates", "rows": ("rum", "tea")}, "passed"),
    ({"query": "SELECT sum(crates) FROM cargo", "value": 12}, "passed"),
    ({"query": "SELECT sum(crates) FROM cargo", "value": 13}, "failed"),
    ({"query": "SELECT crates FROM cargo WHERE name = 'oil'", "value": 1}, "failed"),
    ({"query": "SELECT * FROM cargo", "that": "rows.exists(r, r.name == 'tea' && r.crates == 7)"}, "passed"),
    ({"query": "SELECT * FROM cargo", "that": "count == 3"}, "failed"),
    ({"query": "SELECT * FROM cargo", "that": "rows.nope"}, "unknown"),
    ({"query": "SELECT 1 WHERE 1 = 0", "that": "value != 5"}, "unknown"),
    ({"query": "SELECT 1 WHERE 1 = 0", "that": "value == null"}, "unknown"),
    ({"query": "SELECT 1 WHERE 1 = 0", "that": "count == 0 || value > 3"}, "passed"),
    ({"query": "SELECT NULL", "that": "value == null"}, "passed"),
    ({"query": "SELECT 1 AS a, 2 AS a", "that": "rows[0].a == 2"}, "unknown"),
    ({"query": "SELECT 1 AS a, 2 AS a", "that": "count == 1"}, "passed"),
    ({"query": "SELECT * FROM whales"}, "failed"),
    ({"query": "SELEKT 1"}, "unknown"),
]


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(tmp_path / "ship.db")) as made:
        made.executescript(TABLE)
    return tmp_path


@pytest.mark.parametrize("fields, expected", CASES)
def test_the_answer_decides_in_sqlite(sqlite: Path, fields, expected) -> None:
    assert verdict(Sql(url="sqlite:///ship.db", **fields), FakeContext(sqlite)) == expected


@pytest.mark.parametrize("query", ["DELETE FROM cargo", "DROP TABLE cargo", "SELECT 1; DROP TABLE cargo"])
def test_a_query_that_writes_is_refused_and_nothing_changes(sqlite: Path, query: str) -> None:
    ctx = FakeContext(sqlite)
    seen = look(Sql(url="sqlite:///ship.db", query=query), ctx)
    assert seen.verdict == "unknown"
    assert "only reads" in seen.why
    assert look(Sql(url="sqlite:///ship.db", query="SELECT count(*) FROM cargo", value=2), ctx).verdict == "passed"


def test_a_database_file_that_is_not_there_fails_and_is_not_made(tmp_path: Path) -> None:
    seen = look(Sql(url="sqlite:///gone.db"), FakeContext(tmp_path))
    assert (seen.verdict, seen.seen) == ("failed", "no file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    (tmp_path / "ship.db").write_text("this is no database at all, and long enough to be looked at" * 20)
    assert look(Sql(url="sqlite:///ship.db", query="SELECT * FROM x"), FakeContext(tmp_path)).verdict == "failed"


def test_a_query_that_takes_too_long_fails_and_is_ended(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    begun = time.monotonic()
    seen = look(Sql(url="sqlite://", query=endless, timeout=0.3), FakeContext(tmp_path))  # type: ignore[arg-type]
    assert (seen.verdict, seen.category) == ("failed", "timeout")
    assert time.monotonic() - begun < 30


def test_a_driver_that_is_slow_to_import_costs_the_database_no_time(
    sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sql._engine

    def slowly(*arguments: Any) -> Any:
        time.sleep(2.2)  # past the check's own deadline, which is 2 s longer than the database's
        return made(*arguments)

    monkeypatch.setattr(sql, "_engine", slowly)
    check = Sql(url="sqlite:///ship.db", query="SELECT 1", value=1, timeout=0.1)  # type: ignore[arg-type]
    assert verdict(check, FakeContext(sqlite)) == "passed"


def test_more_rows_than_are_read_are_unknown(tmp_path: Path) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10001) SELECT i FROM n"
    assert verdict(Sql(url="sqlite://", query=many), FakeContext(tmp_path)) == "unknown"


@pytest.mark.parametrize("url", ["nonsense", "whale://x/y", "oracle://u:secret@h/d"])
def test_a_bad_url_or_driver_is_our_mistake_and_the_password_is_not_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises((CannotTell, ExtraMissing)) as caught:
        look(Sql(url=url), FakeContext(tmp_path))
    assert "secret" not in str(caught.value)


def test_without_sqlalchemy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ExtraMissing, match=r"seatrial\[sql\]"):
        look(Sql(url="sqlite://"), FakeContext(tmp_path))


def test_nobody_at_the_port_fails(tmp_path: Path) -> None:
    seen = look(Sql(url=f"postgresql://u:secret@127.0.0.1:{closed_port()}/d"), FakeContext(tmp_path))
    assert seen.verdict == "failed"
    assert "refused" in seen.why
    assert "secret" not in f"{seen.why}{seen.seen}"


def test_a_host_whose_name_does_not_resolve_is_unknown(tmp_path: Path) -> None:
    assert verdict(Sql(url="postgresql://u@no-such-host.invalid/d"), FakeContext(tmp_path)) == "unknown"


def test_a_server_that_accepts_and_says_nothing_fails_as_a_matter_of_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        seen = look(Sql(url=url, timeout=2), FakeContext(tmp_path))  # type: ignore[arg-type]
    assert (seen.verdict, seen.category) == ("failed", "timeout")


def test_wrong_fields_are_found_before_anything_runs() -> None:
    assert [key for key, _ in Sql(url="x", query=" ").check_fields()] == ["url", "query"]
    assert not list(Sql(url="sqlite://").check_fields())


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A real server of our own, as the user postgres when we are root; its URL."""
    why = missing("postgresql")
    if why:
        (pytest.fail if "postgresql" in required() else pytest.skip)(why)
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="seatrial-test-pg-"))
    port = closed_port()

    def call(*argv: str) -> None:
        done = subprocess.run([*as_user, *argv], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        if as_user:
            shutil.chown(folder, "postgres", "postgres")
        data = str(folder / "data")
        (folder / "password").write_text("secret")
        (folder / "password").chmod(0o644)
        login = ["-U", "ship", "-A", "scram-sha-256", "--pwfile", str(folder / "password")]
        call(str(programs / "initdb"), "-D", data, *login, "-N", "--locale=C")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        call(str(programs / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://ship:secret@127.0.0.1:{port}/postgres"
        finally:
            call(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ship(postgresql: str) -> str:
    import psycopg

    with psycopg.connect(postgresql) as connection:
        for statement in TABLE.split(";")[:2]:
            connection.execute(statement)
    return postgresql


@pytest.mark.backend("postgresql")
@pytest.mark.parametrize("fields, expected", CASES)
def test_the_answer_decides_in_postgresql(ship: str, tmp_path: Path, fields, expected) -> None:
    assert verdict(Sql(url=ship, **fields), FakeContext(tmp_path)) == expected


@pytest.mark.backend("postgresql")
def test_values_of_postgresql_are_shown_as_json(ship: str, tmp_path: Path) -> None:
    query = "SELECT 1.50::numeric, '2026-01-02'::date, ARRAY[1, 2], '{\"a\": 1}'::jsonb, true, NULL, 'x'::bytea"
    rows = ([1.5, "2026-01-02", [1, 2], {"a": 1}, True, None, "78"],)
    assert look(Sql(url=ship, query=query, rows=rows), FakeContext(tmp_path)).verdict == "passed"


@pytest.mark.backend("postgresql")
@pytest.mark.parametrize("query", ["DELETE FROM cargo", "DROP TABLE cargo", "COMMIT; DROP TABLE cargo"])
def test_postgresql_refuses_a_query_that_writes_and_nothing_changes(ship: str, tmp_path: Path, query: str) -> None:
    ctx = FakeContext(tmp_path)
    assert look(Sql(url=ship, query=query), ctx).verdict == "unknown"
    assert look(Sql(url=ship, query="SELECT count(*) FROM cargo", value=2), ctx).verdict == "passed"


@pytest.mark.backend("postgresql")
def test_a_slow_query_in_postgresql_is_ended_by_the_server(ship: str, tmp_path: Path) -> None:
    check = Sql(url=ship, query="SELECT pg_sleep(30)", timeout=0.5)  # type: ignore[arg-type]
    begun = time.monotonic()
    seen = look(check, FakeContext(tmp_path))
    assert (seen.verdict, seen.category) == ("failed", "timeout")
    assert time.monotonic() - begun < 20  # the query takes 30 s


@pytest.mark.backend("postgresql")
def test_a_login_that_postgresql_refuses_is_unknown(ship: str, tmp_path: Path) -> None:
    wrong = look(Sql(url=ship.replace("secret", "guess")), FakeContext(tmp_path))
    assert (wrong.verdict, wrong.seen) == ("unknown", "refused")
    assert "guess" not in wrong.why


@pytest.mark.backend("postgresql")
def test_a_database_that_postgresql_does_not_have_fails(ship: str, tmp_path: Path) -> None:
    seen = look(Sql(url=ship.replace("/postgres", "/whales")), FakeContext(tmp_path))
    assert seen.verdict == "failed"
    assert "whales" in seen.why
