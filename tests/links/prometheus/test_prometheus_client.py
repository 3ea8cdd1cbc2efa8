"""Answers that are no measurement, whoever sits behind the URL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.links.web_server import serving

from seatrial.errors import CannotTell
from seatrial.links.http import Answer, Web
from seatrial.links.prometheus import InvalidQuery, Prometheus, Series


class Answering(Web):
    """Answers all requests alike."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__()
        self.answer = Answer(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode())

    async def request(self, method: str, url: str, **_: Any) -> Answer:
        return self.answer


def query(status: int, body: Any) -> list[Series]:
    return asyncio.run(Prometheus(web=Answering(status, body), url="http://user:hidden@p").query("up"))


def success(kind: str, result: Any, **more: Any) -> Any:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **more}


def test_answers_are_series() -> None:
    assert query(200, success("scalar", [1.5, "2"])) == [Series(points=((1.5, 2.0),))]
    assert query(200, success("vector", [])) == []
    (one,) = query(
        200, success("matrix", [{"metric": {"__name__": "up", "a": "b"}, "values": [[1, "2"], [2, "+Inf"]]}])
    )
    assert (str(one), one.points) == ("up{a=b}", ((1.0, 2.0), (2.0, float("inf"))))


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>login</html>", "without Prometheus' JSON"), (401, b"", "asks for a login"), (502, b"", "502"),
        (200, [], "without"), (200, {}, "status 200"), (200, {"status": "success"}, "another form"),
        (200, {"status": "success", "data": []}, "another form"),
        (200, success("vector", [{"metric": {}}]), "histogram"),
        (200, success("vector", [{"metric": {}, "value": [1, "x"]}]), "another form"),
        (200, success("string", [1, "x"]), "returns a string"), (404, b"not here", "is the URL right"),
        (503, {"status": "error", "errorType": "unavailable", "error": "starting"}, "503: starting"),
        (200, success("vector", [], warnings=["a store is away"]), "may be incomplete: a store is away"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_measurement_is_never_a_value(status: int, body: Any, says: str) -> None:
    with pytest.raises(CannotTell, match=says) as caught:
        query(status, body)
    assert "hidden" not in str(caught.value)


def test_an_invalid_query_is_a_mistake_of_the_document() -> None:
    with pytest.raises(InvalidQuery, match="parse error"):
        query(400, {"status": "error", "errorType": "bad_data", "error": "parse error"})


def test_a_server_that_is_away_or_silent_is_no_verdict() -> None:
    async def asked(url: str) -> None:
        async with Web() as web:
            await Prometheus(web=web, url=url, timeout=0.3).query("up")

    with pytest.raises(CannotTell):
        asyncio.run(asked("http://127.0.0.1:1"))
    with serving() as server:
        server.release.clear()
        with pytest.raises(CannotTell):
            asyncio.run(asked(f"{server.url}/slow"))
        server.release.set()
