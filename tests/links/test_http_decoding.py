"""A compressed body that was cut is not taken for a whole one."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from tests.links.web_server import serving

from seatrial.errors import LinkLost
from seatrial.links.http import Answer, request

TEXT = bytes(range(256)) * 4096
"""Many pieces where it is stored without compression."""
RAW = zlib.compressobj(0, zlib.DEFLATED, -15)
RAW_DEFLATE = RAW.compress(TEXT) + RAW.flush()
STORED = gzip.compress(TEXT, 0)


def answered(body: bytes, coding: str, method: str = "GET") -> Answer:
    with serving() as server:
        server.bodies["/body"] = (body, {"content-encoding": coding})
        return asyncio.run(request(method, f"{server.url}/body"))


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(TEXT), "gzip"),
        (STORED, "GZIP"),
        (gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:]), "gzip"),
        (STORED + b"\0" * 512, "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (zlib.compress(TEXT, 0), "deflate"),
        (RAW_DEFLATE, "deflate"),
        (TEXT, "identity"),
    ],
)
def test_a_whole_body_is_decoded(body: bytes, coding: str) -> None:
    assert answered(body, coding).body == TEXT


def test_no_body_is_no_broken_one() -> None:
    assert answered(b"", "gzip").body == b""
    assert answered(STORED, "gzip", "HEAD").body == b""


@pytest.mark.parametrize(
    ("body", "coding", "why"),
    [
        (gzip.compress(TEXT)[:-12], "gzip", "gzip data end too soon"),
        (STORED[:100_000], "gzip", "gzip data end too soon"),
        (STORED[:4], "gzip", "gzip data end too soon"),
        (STORED + STORED[:100_000], "gzip", "gzip data end too soon"),
        (STORED[:-8] + bytes(8), "gzip", "incorrect data check"),
        (STORED + b"<html>", "gzip", "something follows its gzip data"),
        (TEXT, "gzip", "incorrect header check"),
        (zlib.compress(TEXT)[:-3], "deflate", "deflate data end too soon"),
        (zlib.compress(TEXT, 0)[:70_000], "deflate", "deflate data end too soon"),
        (RAW_DEFLATE[:70_000], "deflate", "deflate data end too soon"),
        (zlib.compress(TEXT) * 2, "deflate", "something follows its deflate data"),
    ],
)
def test_a_cut_or_broken_body_is_not_an_answer(body: bytes, coding: str, why: str) -> None:
    with pytest.raises(LinkLost, match=f"a body that contradicts its headers: .*{why}"):
        answered(body, coding)
