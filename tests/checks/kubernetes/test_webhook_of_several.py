"""`webhook_answers` judges one webhook of a configuration with several."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seatrial.checks.kubernetes.view import View
from seatrial.checks.kubernetes.webhook_answers import VALIDATING, WebhookAnswers
from seatrial.model.result import Verdict
from seatrial.spi import Context

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "raft"}}
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
CONFIGURATION = {
    "metadata": {"name": "harbour"},
    "webhooks": [
        {"name": "observes.example.org", "failurePolicy": "Ignore", "rules": [{**RULE, "resources": ["*"]}]},
        {"name": "decides.example.org", "failurePolicy": "Fail", "rules": [RULE]},
        {"name": "boats.example.org", "failurePolicy": "Fail", "rules": [{**RULE, "resources": ["boats"]}]},
    ],
}


class Admits:
    """A cluster whose API server admits everything."""

    async def kind_of(self, _: object) -> Any:
        return SimpleNamespace(group="", version="v1", plural="pods", namespaced=True)

    async def create(self, *_: object, **__: object) -> None:
        """Admitted."""


def judged(webhook: str) -> tuple[Verdict, str]:
    def one(kind: str, _: str) -> Any:
        return CONFIGURATION if kind == VALIDATING else None

    view = cast("View", SimpleNamespace(one=one, cluster=Admits(), namespace="default"))
    ctx = cast("Context", SimpleNamespace(masked=lambda text: text))
    check = WebhookAnswers(name="harbour", object=POD, webhook=webhook)
    observation = asyncio.run(check._judge(ctx, view))
    return observation.verdict, observation.why


@pytest.mark.parametrize(
    ("webhook", "verdict", "why"),
    [
        ("", Verdict.UNKNOWN, "also when observes.example.org does not answer (failurePolicy Ignore)"),
        ("observes.example.org", Verdict.UNKNOWN, "also when observes.example.org does not answer"),
        ("decides.example.org", Verdict.PASSED, ""),
        ("boats.example.org", Verdict.UNKNOWN, "the rules of boats.example.org do not match"),
        ("nobody.example.org", Verdict.FAILED, "harbour has no webhook nobody.example.org"),
    ],
)
def test_only_the_named_webhook_is_judged(webhook: str, verdict: Verdict, why: str) -> None:
    found, said = judged(webhook)
    assert found is verdict
    assert why in said
