"""Which checks ask programs and servers of other people."""

from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.checks.command import Command
from seatrial.checks.http import Http
from seatrial.checks.sql import Sql
from seatrial.checks.tcp import Tcp

CTX: Any = SimpleNamespace(
    system=SimpleNamespace(places_nodes=True), names=lambda: {"nodes": {"n11": {"address": "10.88.0.5"}}}
)


@pytest.mark.parametrize(
    ("check", "others"),
    [
        (Http(url="http://127.0.0.1:8080/"), False),
        (Http(url="http://[::1]:8080/"), False),
        (Http(url="http://localhost/"), False),
        (Http(url="http://10.88.0.5/"), False),
        (Http(url="http://10.88.0.6/"), True),
        (Http(url="https://shop.example.org/"), True),
        (Tcp(address="db.example.org:5432"), True),
        (Tcp(address="127.1.2.3:5432"), False),
        (Sql(url="sqlite:///a.db", query="select 1"), False),
        (Sql(url="postgresql://db.example.org/x", query="select 1"), True),
        (Command(command=("true",)), True),
        (Command(command=("true",), on="n11"), False),
    ],
)
def test_a_server_that_is_neither_this_machines_nor_a_node_is_other_peoples(check: Any, others: bool) -> None:
    assert check.asks_others(CTX) is others
