"""What an answer of a deployer says of trouble beside its states and parts: a word of the whole, an error, a condition,
a grave problem. None of it is forgotten where all else is well."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

Words = Mapping[str, str]
"""The deployer's word for a state to Seatrial's."""

NODE_WORDS = ("host", "node", "name")
"""Keys with the name of a node."""

ERRORS = ("error", "errors")
"""Keys whose value, if there is one, is trouble."""

_AFFIRMING = ("healthy", "ok", "success", "ready", "passed", "alive")
"""Keys that are true where all is well."""

_WHOLE = (
    "status", "state", "health", "result", *_AFFIRMING, "overall", "overall_status", "overall_state", "overall_health",
    "cluster", "cluster_status", "cluster_state", "cluster_health", "summary",
)  # fmt: skip
"""Keys beside the nodes whose value is about the whole."""

_UNWELL = ("unhealthy", "not_ok", "nok", "degraded", "critical", "failed", "failing", "failure", "error", "fatal",
           "down", "dead", "broken", "crashed", "unreachable", "red", "false")  # fmt: skip
"""Words for what is not well."""

_NO_ERROR = ("", "0", "false", "none", "null", "nil", "no", "n/a", "ok", "success", "no error", "no errors")

_GRAVE = ("critical", "crit", "error", "err", "fatal", "severe", "emergency", "emerg", "alert", "panic")
"""Severities of problems that what is well does not have."""

_SAYS_GRAVE = re.compile(rf"\W*({'|'.join(_GRAVE)})\b\W*[:\])]", re.IGNORECASE)
"""A problem that is a text: `CRITICAL: …`, `[error] …`."""

_CONDITIONS = {
    **dict.fromkeys(("ready", "available", "healthy"), ("false", "unknown")),
    **dict.fromkeys(("degraded", "failed", "stalled"), ("true",)),
}
"""Conditions as in Kubernetes, each with its values of trouble; those of all other types may mean anything."""


def of(item: object, words: Words, without: Collection[str] = ()) -> Iterator[str]:
    """The trouble in the keys of one object, and of the objects in those of the whole. Keys of `without` mean something
    else: names of nodes, or the state itself."""
    for key, said in item.items() if isinstance(item, Mapping) else ():
        name = str(key).lower()
        if key in without:
            continue
        if name in _WHOLE and isinstance(said, Mapping):
            yield from (f"{key}.{inner}" for inner in of(said, words, without))
        elif (name in _WHOLE and is_unwell(name, said, words)) or (name in ERRORS and is_error(said)):
            yield f"{key}: {said}"
        elif name == "conditions" and isinstance(said, list):
            yield from _conditions(said)


def is_unwell(key: str, said: object, words: Words) -> bool:
    """Whether the value of a key is a word of trouble; false is one only where true means well."""
    if isinstance(said, bool):
        return key in _AFFIRMING and words.get(str(said), str(said)).lower() in _UNWELL
    return isinstance(said, str) and words.get(said, said).lower() in _UNWELL


def is_error(said: object) -> bool:
    """Whether the value of `error` or `errors` is one: a text, a number other than 0, or a list or mapping with one."""
    if isinstance(said, Mapping | list):
        return any(map(is_error, said.values() if isinstance(said, Mapping) else said))
    return said is not None and str(said).strip().lower() not in _NO_ERROR


def _conditions(told: list[Any]) -> Iterator[str]:
    for one in told:
        if isinstance(one, Mapping):
            bad = _CONDITIONS.get(str(one.get("type", "")).lower(), ())
            if str(one.get("status", "")).lower() in bad:
                yield f"{one['type']} is {one['status']}"


def problems(told: object) -> list[Mapping[str, Any]]:
    """The problems in a list, or in a mapping of node to its own; a text that begins with its severity is one too."""
    if isinstance(told, Mapping):
        inner = [(name, one) for name, each in told.items() for one in (each if isinstance(each, list) else [each])]
        return [{"host": str(name), **problem} for name, one in inner for problem in problems([one])]
    found: list[Mapping[str, Any]] = []
    for one in told if isinstance(told, list) else ():
        if isinstance(one, Mapping):
            found.append(one)
        elif isinstance(one, str) and (severity := _SAYS_GRAVE.match(one)):
            found.append({"severity": severity[1], "message": one})
    return found


def is_grave(problem: Mapping[str, Any]) -> bool:
    return any(str(problem.get(key, "")).lower() in _GRAVE for key in ("severity", "level"))


def in_words(problem: Mapping[str, Any]) -> str:
    hidden = ("severity", "level")
    return " ".join(str(value) for key, value in problem.items() if key not in hidden and isinstance(value, str | int))
