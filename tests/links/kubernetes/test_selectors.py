"""Label selectors as kubectl writes them."""

from __future__ import annotations

import pytest

from seatrial.links.kubernetes.selectors import Selector, of_spec

LABELS = {"app": "web", "tier": "front", "example.org/owner": "me"}


@pytest.mark.parametrize("text", [
    "", "app=web", "app==web", "app=web,tier=front", " app = web , tier!=back ", "app", "!old", "none!=x",
    "app in (web, api)", "tier notin (back)", "example.org/owner=me", "app,!old,tier in (front)",
])  # fmt: skip
def test_labels_that_fulfil_it(text):
    assert Selector(text).matches(LABELS)


@pytest.mark.parametrize(
    "text", ["app=api", "app!=web", "old", "!app", "app in (api)", "app notin (web)", "app=web,old"]
)
def test_labels_that_do_not(text):
    assert not Selector(text).matches(LABELS)


@pytest.mark.parametrize("text", ["=web", "app=we b", "app in web", "app in (a", "app=web;tier=x", "app>1", "-app"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match="invalid selector"):
        Selector(text)


def test_the_selectors_of_objects():
    expressions = [{"key": "tier", "operator": "In", "values": ["front"]}, {"key": "old", "operator": "DoesNotExist"}]
    assert of_spec({"matchLabels": {"app": "web"}, "matchExpressions": expressions}).matches(LABELS)
    assert of_spec({"app": "web"}).matches(LABELS)
    assert not of_spec({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}).matches(LABELS)
    assert of_spec(None).matches({})
