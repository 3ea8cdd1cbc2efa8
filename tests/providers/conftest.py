"""What the tests of all clouds share."""

from __future__ import annotations

import pytest

from seatrial.providers.clouds.provider import CloudProvider


@pytest.fixture
def prompt_lists(monkeypatch):
    """The clouds' lists show at once what there is: nothing need be waited for before they are believed."""
    monkeypatch.setattr(CloudProvider, "lag", 0.2)
