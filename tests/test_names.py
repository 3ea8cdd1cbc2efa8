"""A test has one name in all processes of a run: workers that name one differently run nothing."""

from __future__ import annotations

import time

import pytest


@pytest.mark.parametrize("stamp", [time.time_ns().to_bytes(8)])
def test_a_row_with_bytes_is_named_by_its_argument(stamp: bytes, request: pytest.FixtureRequest) -> None:
    assert request.node.name == f"{request.node.originalname}[stamp]"
