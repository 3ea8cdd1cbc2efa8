"""One Prometheus for all tests of the check; each has programs and a label of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.backends import session
from tests.backends.prometheus_server import Scraped, scraping


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Scraped]:
    if why := session.missing("prometheus"):
        pytest.skip(why)
    with scraping() as scraped:
        yield scraped
