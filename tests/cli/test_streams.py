from __future__ import annotations

import io
import sys

import pytest

from seatrial.cli import streams


@pytest.mark.parametrize(("encoding", "as_json"), [("utf-8", True), ("utf-8", False), ("ascii", False)])
def test_half_a_character_is_printed_escaped(encoding: str, as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data, encoding))
    streams.prepare(as_json, owned=False)
    print('{"name": "\ud800"}', flush=True)
    assert data.getvalue() == b'{"name": "\\ud800"}\n'
