"""Label selectors, as kubectl writes them: `app=web,tier!=cache,env in (a,b),!old`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?(?:/[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_VALUE = r"[-A-Za-z0-9_.]*"
_TERM = re.compile(
    rf"\s*(?:(?P<key>{_NAME})\s*(?:(?P<same>==?|!=)\s*(?P<value>{_VALUE})"
    rf"|(?P<in>in|notin)\s*\((?P<values>[^()]*)\))?|!\s*(?P<lacks>{_NAME}))\s*(?:,|$)"
)


class Selector:
    """Which labels an object must have; ValueError for another text. Empty: any."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._terms: list[re.Match[str]] = []
        place = 0
        while place < len(self.text):
            term = _TERM.match(self.text, place)
            if term is None:
                rest = self.text[place:]
                raise ValueError(f"invalid selector {rest!r}; allowed: app=web, app!=web, app in (a,b), app, !app")
            self._terms.append(term)
            place = term.end()

    @property
    def names_values(self) -> bool:
        """Whether it asks for a value of a label, and not only for the absence of some."""
        return any(term["in"] == "in" or term["same"] in ("=", "==") for term in self._terms)

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether labels fulfil all its terms."""
        return all(_holds(term, labels or {}) for term in self._terms)


def of_spec(selector: Mapping[str, Any] | None) -> Selector:
    """The selector in an object: `matchLabels` and `matchExpressions`, or the plain labels of a Service."""
    given = selector or {}
    plain = given.get("matchLabels") if "matchLabels" in given or "matchExpressions" in given else given
    terms = [f"{key}={value}" for key, value in (plain or {}).items()]
    for one in given.get("matchExpressions") or ():
        key, values = one["key"], ",".join(one.get("values") or ())
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        terms.append(words.get(one["operator"], f"!{key}"))
    return Selector(",".join(terms))


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["lacks"]:
        return term["lacks"] not in labels
    value = labels.get(term["key"])
    if term["same"]:
        return (value == term["value"]) is (term["same"] != "!=")
    if term["in"]:
        return (value in [word.strip() for word in term["values"].split(",")]) is (term["in"] == "in")
    return value is not None
