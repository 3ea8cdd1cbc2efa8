"""Rows of the check `prometheus`, with a real Prometheus."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from tests.acceptance.harness import Document, Project, suite, validate
from tests.backends.prometheus_server import scraping
from tests.truth.case import Case
from tests.truth.documents import LETTERS
from tests.truth.on_host import EMPTY, W

SHOWN = "orders_total 3\nerrors_now 0\nlevel 5\n"


@contextlib.contextmanager
def _prometheus(project: Project) -> Iterator[Any]:
    """A program of this trial (t1), of another (t2), one without a label, one that went down, and nobody's port."""
    with scraping() as scraped, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        scraped.shows("t1", SHOWN)
        scraped.shows("t2", "orders_total 40\nothers_total 1\n")
        scraped.shows("bare1", "bare_total 3\n")
        scraped.shows("t3", "orders_total 3\n")
        scraped.shows("t3", None)
        scraped.until_not('orders_total{e2e_run_id="t3"}')
        yield {"url": scraped.url, "away": f"http://127.0.0.1:{closed.getsockname()[1]}", "program": scraped.door}


def _rows() -> Iterator[Case]:
    def row(what: str, letter: str, look: str, *, url: str = "url", words: str = "", **keys: Any) -> Case:
        before = keys.pop("before", ())

        def document(given: Any) -> Document:
            asked = {"check": "prometheus", "url": given[url], "label_value": "t1", "scrape_within": 5, **keys}
            return suite(*before, validate(asked))

        planted, right = LETTERS[letter]
        return Case(system="prometheus", what=what, look=look, planted=planted, right=right, document=document,
                    around=_prometheus, backend="prometheus", words=words)  # fmt: skip

    yield row("nothing", "P", "query", query="sum(orders_total) == 3")
    yield row("the value is another", "F", "query", query="sum(orders_total) == 43", words="is 3, expected == 43")
    yield row("the value is 0 as expected", "P", "equals", query="errors_now", equals=0)
    yield row("there is no data", "U", "equals", query="refunds_total", equals=0, words="refunds_total has no series")
    yield row("only another run has data", "U", "query", query="others_total == 1", words="1 other runs")
    yield row("its program is down", "U", "query", query="orders_total == 3", label_value="t3", words="is stale")
    yield row("the label is missing", "F", "query", query="bare_total == 3", words="carries no label e2e_run_id")
    yield row("the label is missing", "F", "query with a default", query="bare_total or vector(0)", equals=0)
    yield row("nothing of the trial is scraped", "U", "query with a default", query="sum(orders_total) or vector(0)",
              equals=0, label_value="nobody")  # fmt: skip
    yield row("nothing of the trial is scraped", "U", "query of before with a default", label_value="nobody", equals=0,
              query="sum(orders_total offset 1m) or vector(0)")  # fmt: skip
    yield row("nothing of the trial is scraped", "U", "always_for with a default", label_value="nobody", equals=0,
              query="sum(orders_total) or vector(0)", always_for=1, scrape_within=0.5)  # fmt: skip
    yield row("the label came out empty", "U", "label", query="sum(others_total) == 1", label=W, before=(EMPTY,))
    yield row("nobody listens", "U", "query", url="away", query="orders_total == 3")
    yield row("it is no Prometheus", "U", "query", url="program", query="orders_total == 3")
    yield row("the query is no PromQL", "R", "query", query="sum(orders_total == 3")
    yield row("it was not scraped in time", "U", "scraped_since", query="errors_now == 0", scraped_since=9e9,
              scrape_within=0.5, words="not scraped since")  # fmt: skip
    yield row("nothing grew", "P", "increase_since", query="orders_total == 0", increase_since="${{ trial.start }}")
    yield row("too little grew", "F", "increase_since", query="orders_total == 3", increase_since="${{ trial.start }}")
    yield row(
        "it is older than its data", "U", "always_for", query="level == 5", always_for=86400, words="no data before"
    )
    yield row("the alert is not firing", "P", "alert", alert="Errors", state="inactive")
    yield row("the alert that must fire is silent", "F", "alert", alert="Errors")
    yield row("the alert has no data", "U", "alert", alert="Errors", state="inactive", label_value="t2")
    yield row("there is no such alert", "U", "alert", alert="Eror", state="inactive", words="did you mean 'Errors'")


CASES = list(_rows())
