"""The filter of lists: `labels.team = blue`, `(status != RUNNING) AND (name eq "web.*")`, with OR, NOT, parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from seatrial_stand_ins.gcp.refusals import Refused

TOKEN = re.compile(r"""\s*(?:(\()|(\))|(!=|>=|<=|=|:|<|>)|("(?:[^"\\]|\\.)*"|'[^']*')|([^\s()=!<>:"']+))""")

Test = Callable[[Mapping[str, Any]], bool]


def parsed(text: str) -> Test:
    """The test for one resource; an empty filter takes all."""
    tokens, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            raise wrong(text)
        tokens.append(match[0].strip())
        at = match.end()
    if not tokens:
        return lambda resource: True
    parser = _Parser(tokens, text)
    test = parser.either()
    if parser.tokens:
        raise wrong(text)
    return test


def wrong(text: str) -> Refused:
    return Refused(400, "invalid", f"Invalid value for field 'filter': '{text}'. Invalid list filter expression.")


class _Parser:
    def __init__(self, tokens: list[str], text: str) -> None:
        self.tokens, self._text = tokens, text

    def either(self) -> Test:
        tests = [self._all()]
        while self.tokens and self.tokens[0] == "OR":
            self.tokens.pop(0)
            tests.append(self._all())
        return lambda resource: any(test(resource) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self.tokens and self.tokens[0] not in ("OR", ")"):
            if self.tokens[0] == "AND":
                self.tokens.pop(0)
            tests.append(self._one())
        return lambda resource: all(test(resource) for test in tests)

    def _one(self) -> Test:
        first = self._next()
        if first == "NOT":
            test = self._one()
            return lambda resource: not test(resource)
        if first == "(":
            inner = self.either()
            if self._next() != ")":
                raise wrong(self._text)
            return inner
        return _comparison(first, self._next(), self._next().strip("\"'"), self._text)

    def _next(self) -> str:
        if not self.tokens:
            raise wrong(self._text)
        return self.tokens.pop(0)


def _comparison(field: str, operator: str, value: str, text: str) -> Test:
    def values(resource: Mapping[str, Any]) -> list[str]:
        place: Any = resource
        for part in field.split("."):
            place = place.get(part) if isinstance(place, Mapping) else None
        return [] if place is None else [str(item) for item in (place if isinstance(place, list) else [place])]

    if operator == "=":
        return lambda resource: _same(values(resource), value)
    if operator == "!=":
        return lambda resource: not _same(values(resource), value)
    if operator == ":":
        return lambda resource: any(value == "*" or value in item for item in values(resource))
    if operator in ("eq", "ne"):
        pattern = re.compile(value)
        return lambda resource: any(map(pattern.fullmatch, values(resource))) == (operator == "eq")
    raise wrong(text)


def _same(values: list[str], value: str) -> bool:
    """Whether one is the value; `*` stands for any text."""
    pattern = ".*".join(map(re.escape, value.split("*")))
    return any(re.fullmatch(pattern, item, re.IGNORECASE) for item in values)
