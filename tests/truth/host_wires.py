"""Rows of the checks `http`, `tcp` and `sql` from this host."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import trustme
from tests.acceptance.harness import Document, Project, suite, validate
from tests.links.web_server import serving
from tests.truth.case import Case
from tests.truth.on_host import EMPTY, N, W, check, row


@contextlib.contextmanager
def web(project: Project) -> Iterator[dict[str, Any]]:
    """A web server, a port that nobody listens on, one that accepts and says nothing, and one that hangs up."""
    with serving() as server, socket.socket() as closed, socket.socket() as mute:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else gets it; not listening
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)
        server.release.clear()
        yield {
            "url": server.url,
            "open": int(server.url.rpartition(":")[2]),
            "closed": closed.getsockname()[1],
            "mute": mute.getsockname()[1],
        }
        server.release.set()


def _http() -> Iterator[Case]:
    def http(
        what: str, letter: str, look: str, path: str = "/ok", port: str = "open", before: Any = (), **keys: Any
    ) -> Case:
        def document(given: Any) -> Document:
            return suite(*before, validate({"check": "http", "url": f"http://127.0.0.1:{given[port]}{path}", **keys}))

        return row(what, f"http {look}".strip(), letter, document, around=web)

    yield http("nothing", "P", "")
    yield http("it answers 500", "F", "", "/status/500")
    yield http("it answers 404", "F", "", "/status/404")
    yield http("nobody listens", "F", "", port="closed")
    yield http("it accepts and never answers", "F", "", port="mute", timeout=0.5)
    yield http("it answers too slowly", "F", "", "/slow", timeout=0.5)
    yield http("its answer breaks off", "F", "", "/broken")
    yield http("the status is the expected one", "P", "status", "/status/503", status=503)
    yield http("nobody listens", "F", "status", port="closed", status=[200, 503])
    yield http("the expected status came out null", "U", "status", status=N, before=(EMPTY,))
    yield http("its text is there", "P", "contains", contains="ship")
    yield http("its text is not there", "F", "contains", contains="shore")
    yield http("the expected text came out empty", "U", "contains", contains=[W], before=(EMPTY,))
    yield http("a forbidden text is there", "F", "lacks", lacks="ship")
    yield http("its answer breaks off", "F", "lacks", "/broken", lacks="ERROR")
    yield http("nobody listens", "F", "lacks", port="closed", lacks="ERROR")
    yield http("its answer is larger than is read", "X", "lacks", "/big?300000000", lacks="ERROR", timeout=60)
    yield http("its JSON is as it has to be", "P", "that", "/json", that="json.items.size() == 3")
    yield http("its JSON has another value", "F", "that", "/json", that="json.items.size() == 4")
    yield http("it answers no JSON", "X", "that", "/ok", that="json.items.size() == 3")
    yield http("a header is missing", "F", "answer_headers", answer_headers={"x-frame-options": "DENY"})
    yield http(
        "the expected header came out empty", "U", "answer_headers", answer_headers={"content-type": W}, before=(EMPTY,)
    )
    yield http(
        "the expected text of the next request came out empty",
        "U",
        "then",
        then=[{"url": "/json", "contains": [W]}],
        before=(EMPTY,),
    )
    yield http(
        "a form's field came out empty, as it may",
        "P",
        "form",
        "/echo",
        method="POST",
        form={"a": W, "b": "1"},
        contains="b=1",
        before=(EMPTY,),
    )
    yield http(
        "it redirects elsewhere", "F", "location", "/status/302", location="/login", redirects="keep", status=302
    )
    yield http(
        "the expected target came out empty",
        "U",
        "location",
        "/status/302",
        location=W,
        redirects="keep",
        status=302,
        before=(EMPTY,),
    )
    yield http("nobody listens", "P", "closed: true", port="closed", closed=True)
    yield http("it listens", "F", "closed: true", closed=True)
    yield http("its name cannot be resolved", "X", "name", url="http://no-such-host.invalid/")
    yield http("the file to upload is missing", "U", "files", method="POST", files={"f": "nowhere.txt"})


@contextlib.contextmanager
def _tls(project: Project) -> Iterator[dict[str, Any]]:
    """A server with a certificate of 20 days for ship.example, and the file of its authority."""
    authority, tls = trustme.CA(organization_name="Harbour Office"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("ship.example", not_after=datetime.now(UTC) + timedelta(days=20)).configure_cert(tls)
    authority.cert_pem.write_to_path(str(project.folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(project.folder / "other.pem"))
    with serving(tls) as server, serving() as plain:
        yield {"tls": server.url[8:], "plain": plain.url[7:]}


def _certificates() -> Iterator[Case]:
    def tls(what: str, letter: str, look: str, name: str = "ship.example", port: str = "tls", before: Any = (),
            **keys: Any) -> Case:  # fmt: skip
        keys = {"ca": "ca.pem", **keys}

        def document(given: Any) -> Document:
            return suite(
                *before, validate({"check": "http", "url": f"https://{name}/", "connect_to": given[port], **keys})
            )

        return row(what, f"https {look}".strip(), letter, document, around=_tls)

    yield tls("nothing", "P", "")
    yield tls("its certificate is not trusted", "F", "", ca="other.pem")
    yield tls("its certificate is for another name", "F", "", name="boat.example")
    yield tls("its certificate is for another name", "F", "tls_name", tls_name="boat.example")
    yield tls("its certificate ends too soon", "F", "valid_for", tls={"valid_for": "30d"})
    yield tls("its certificate is good for long enough", "P", "valid_for", tls={"valid_for": "10d"})
    yield tls("its certificate has another issuer", "F", "issuer", tls={"issuer": "Pirates"})
    yield tls("the expected issuer came out empty", "U", "issuer", before=(EMPTY,), tls={"issuer": W})
    yield tls("it does not speak TLS", "F", "", port="plain")
    yield tls("the file of trusted certificates is missing", "U", "ca", ca="nowhere.pem")
    yield tls("the file of trusted certificates has none", "U", "ca", ca="trial.json")


def _tcp() -> Iterator[Case]:
    for what, letter, port, closed in (
        ("it listens", "P", "open", False), ("nobody listens", "F", "closed", False),
        ("it listens", "F", "open", True), ("nobody listens", "P", "closed", True),
    ):  # fmt: skip

        def document(given: Any, port: str = port, closed: bool = closed) -> Document:
            return suite(validate({"check": "tcp", "port": given[port], "closed": closed}))

        yield row(what, "tcp" + ", closed: true" * closed, letter, document, around=web)
    yield check("its name cannot be resolved", "X", {"check": "tcp", "address": "no-such-host.invalid:80"})
    yield check(
        "its name cannot be resolved",
        "U",
        {"check": "tcp", "address": "no-such-host.invalid:80", "closed": True},
        look="tcp, closed: true",
    )


@contextlib.contextmanager
def _database(project: Project) -> Iterator[dict[str, Any]]:
    """A SQLite file with a table, and a text that is none."""
    with contextlib.closing(sqlite3.connect(project.folder / "t.db")) as database:
        database.executescript("create table t (name text); insert into t values ('a'), (null); ")
    (project.folder / "text.db").write_text("no database at all, but a text\n" * 40)
    yield {}


def _sql() -> Iterator[Case]:
    def sql(what: str, letter: str, look: str, query: str = "select count(*) from t", url: str = "sqlite:///t.db",
            before: Any = (), **keys: Any) -> Case:  # fmt: skip
        return check(what, letter, {"check": "sql", "url": url, "query": query, **keys}, *before,
                     look=f"sql {look}".strip(), around=_database)  # fmt: skip

    yield sql("nothing", "P", "")
    yield sql("the value is the expected one", "P", "value", value=2)
    yield sql("the value is another", "F", "value", value=3)
    yield sql("the value is NULL", "F", "value", "select name from t where name is null", value="a")
    yield sql("the value is NULL as expected", "P", "value", "select name from t where name is null", value=None)
    yield sql("there is no row", "F", "value", "select name from t where name = 'z'", value=None)
    yield sql("the expected value came out null", "U", "value", value=N, before=(EMPTY,))
    yield sql("the expected rows came out null", "U", "rows", rows=N, before=(EMPTY,))
    yield sql(
        "a value in the expected rows came out null", "U", "rows", "select 'a', 1", rows=[[N, 1]], before=(EMPTY,)
    )
    yield sql("there are more rows", "F", "rows", "select * from t", rows=1)
    yield sql("the expression holds", "P", "that", that="value == 2")
    yield sql("the expression does not hold", "F", "that", that="value == 3")
    yield sql("there is no row", "U", "that", "select * from t where 1 = 0", that="value != 5")
    yield sql("two columns have one name", "U", "that", "select 1 as a, 2 as a", that="rows[0].a == 2")
    yield sql("the table is missing", "X", "value", "select count(*) from u", value=2)
    yield sql("the file is no database", "X", "value", url="sqlite:///text.db", value=2)
    yield sql("the file is missing", "X", "value", url="sqlite:///nowhere/t.db", value=2)
    yield sql("the driver is missing", "U", "value", url="oracle://u@127.0.0.1/x", value=2)
    yield sql("the statement writes", "X", "", "drop table t")
    yield sql("nobody listens", "X", "value", url="postgresql://app@127.0.0.1:1/x", value=2)


CASES = [*_http(), *_certificates(), *_tcp(), *_sql()]
