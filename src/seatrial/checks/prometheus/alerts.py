"""The state of an alert, from the rules of Prometheus; without data, or with a broken rule, it tells nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from seatrial.checks.prometheus.asking import Asking, clock
from seatrial.errors import CannotTell, Overrun, nearest
from seatrial.links.prometheus.promql import selectors
from seatrial.model.result import Category, Observation, failed, passed, unknown


async def observe_alert(asking: Asking, name: str, state: str, since: float, within: float) -> Observation:
    """The verdict over the alerts of this trial, by an evaluation of the rule after a time of the server's clock."""
    rules: list[Mapping[str, Any]] = []

    async def look() -> bool | None:
        rules[:] = await asking.server.alert_rules(name)
        return True if all(_evaluated(rule) > since for rule in rules) else None

    try:
        await asking.ctx.poll(look, deadline=within, what=f"the next evaluation of the alert {name}")
    except Overrun:
        last = f"the last one was at {clock(min(map(_evaluated, rules)))}" if rules else "no answer came"
        return unknown(f"the alert {name} was not evaluated since {clock(since)}, within {within:g} s: {last}", state)
    if not rules:
        known = await asking.server.alert_names()
        return replace(unknown(f"no alerting rule {name!r}: {nearest(name, known)}", state), category=Category.TEST)
    for rule in rules:
        if rule.get("health") != "ok":
            return unknown(
                f"the rule of the alert {name} does not work: {rule.get('lastError') or rule.get('health')}", state
            )
    return await _judged(asking, name, state, rules)


async def _judged(asking: Asking, name: str, state: str, rules: list[Mapping[str, Any]]) -> Observation:
    alerts = [alert for rule in rules for alert in rule.get("alerts") or ()]
    mine = [alert for alert in alerts if not asking.label or alert["labels"].get(asking.label) == asking.value]
    states = {str(alert["state"]) for alert in mine}
    if unclear := [alert for alert in alerts if asking.label and asking.label not in alert["labels"]]:
        why = f"the alert {name} is {unclear[0]['state']} without the label {asking.label}: keep it in the rule's query"
        return failed("no label", state, why, Category.TEST)
    seen = "firing" if "firing" in states else "pending" if "pending" in states else "inactive"
    if seen == "inactive" and (nothing := await _no_data(asking, rules)):
        return replace(nothing, expected=state)
    if seen == state:
        return passed(seen, state)
    began = ", ".join(sorted({f"since {alert.get('activeAt', '')}" for alert in mine}))
    return failed(seen, state, f"the alert {name} is {seen} {began}".strip() + f", expected {state}")


async def _no_data(asking: Asking, rules: list[Mapping[str, Any]]) -> Observation | None:
    """Why an inactive alert says nothing: a selector of its rule has no series of this trial."""
    for rule in rules:
        for selector in selectors(str(rule["query"])):
            if not selector.absence and not await asking.server.query(asking.own(selector.text)):
                return await asking.no_data_of(selector.text)
    return None


def _evaluated(rule: Mapping[str, Any]) -> float:
    """When a rule was last evaluated; 0: never."""
    text = str(rule.get("lastEvaluation", ""))
    try:
        # Go writes nanoseconds.
        whole, _, rest = text.partition(".")
        zone = rest.lstrip("0123456789") or "+00:00"
        fraction = rest[: len(rest) - len(zone)] if rest else ""
        moment = datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}{zone}" if rest else text)
    except ValueError as error:
        raise CannotTell(f"Prometheus names a time in another form: {text!r}") from error
    return max(0.0, moment.timestamp())
