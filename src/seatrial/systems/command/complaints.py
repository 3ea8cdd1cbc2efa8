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

_ERRORS = ("error", "errors", "err", "errmsg", "err_msg", "error_message", "error_messages", "exception", "exceptions",
           "fatal", "failure", "failures", "failed", "failed_nodes", "unhealthy", "unhealthy_nodes", "unreachable",
           "unreachable_nodes", "degraded", "timed_out")  # fmt: skip
"""Keys whose value, if there is one, is trouble."""

_AFFIRMING = ("healthy", "ok", "success", "ready", "passed", "alive", "available", "online", "reachable", "up",
              "quorum", "has_quorum", "has_leader")  # fmt: skip
"""Keys that are true where all is well."""

_NOT_ZERO = ("healthy", "ok", "success", "ready", "alive")
"""Those of them that are not 0 where all is well: a number of nodes, or 1 for true."""

_WHOLE = (
    "status", "state", "health", "result", *_AFFIRMING, "overall", "overall_status", "overall_state", "overall_health",
    "cluster", "cluster_status", "cluster_state", "cluster_health", "summary",
)  # fmt: skip
"""Keys beside the nodes whose value is about the whole."""

_CHECKS = ("check", "checks", "component", "components", "health_check", "health_checks", "healthchecks")
"""Keys with what a server has checked of itself, as in a Spring Boot or MicroProfile answer: a mapping of names, or a
list."""

_UNWELL = ("unhealthy", "nok", "ko", "degraded", "impaired", "critical", "fail", "failed", "failing", "failure",
           "error", "fatal", "down", "dead", "lost", "broken", "crashed", "unreachable", "unavailable", "offline",
           "inactive", "stopped", "exited", "timeout", "unready", "yellow", "red", "false")  # fmt: skip
"""Words for what is not well, alone or at the end of a few others: `start failed`."""

_DENIED = re.compile(r"not_(ok|healthy|ready|well|running|available|reachable)")
_IN_BRACKETS = re.compile(r"\((\w+)\)$")
_LONGEST = 4
"""Words of a state; a longer text is a sentence, and one with a number is a sum."""

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
        name = _snake(str(key))
        if key in without:
            continue
        if name in _WHOLE and isinstance(said, Mapping):
            yield from (f"{key}.{inner}" for inner in of(said, words, without))
        elif (name in _WHOLE and is_unwell(name, said, words)) or (names_error(key) and is_error(said)):
            yield f"{key}: {said}"
        elif name in _CHECKS:
            yield from (f"{key}.{inner}" for inner in _checked(said, words))
        elif name == "conditions" and isinstance(said, list):
            yield from _conditions(said)


def _checked(told: object, words: Words) -> Iterator[str]:
    """The checks that did not pass; numbers in them are sums or measurements."""
    listed = [(_name_of(one), one) for one in told] if isinstance(told, list) else []
    for name, said in told.items() if isinstance(told, Mapping) else listed:
        for one in said if isinstance(said, list) else [said]:
            if isinstance(one, Mapping):
                worded = {key: word for key, word in one.items() if isinstance(word, bool | str | list | Mapping)}
                yield from (f"{name}.{inner}" for inner in of(worded, words))
            elif is_unwell("ok", one, words):
                yield f"{name}: {one}"


def _name_of(check: object) -> str:
    named = (str(check[key]) for key in ("name", "check", "id") if key in check) if isinstance(check, Mapping) else ()
    return next(iter(named), "?")


def is_unwell(key: str, said: object, words: Words) -> bool:
    """Whether the value of a key is a word of trouble; false is one only where true means well."""
    if isinstance(said, bool):
        return key in _AFFIRMING and words.get(str(said), str(said)).lower() in _UNWELL
    if isinstance(said, int | float):
        return key in _NOT_ZERO and said == 0
    return isinstance(said, str) and _is_bad(words.get(said, said))


def _is_bad(state: str) -> bool:
    """Whether a state is a word of trouble, ends with one, or has one in brackets, as in `Up 5 minutes (unhealthy)`."""
    if within := _IN_BRACKETS.search(state.strip()):
        return within[1].lower() in _UNWELL
    word = _snake(state)
    parts = word.split("_")
    short = len(parts) <= _LONGEST and not any(map(str.isdigit, parts))
    ends = short and parts[-1] in _UNWELL and parts[0] not in ("no", "not", "without")
    return ends or bool(_DENIED.fullmatch(word)) or word == "timed_out"


def _snake(text: str) -> str:
    """`hasLeader` and `has-leader` as `has_leader`."""
    return re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.strip())).lower()


def names_error(key: object) -> bool:
    """Whether the value of this key, if there is one, is trouble."""
    return _snake(str(key)) in _ERRORS


def errors(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys of an object with an error, and their values."""
    return {key: said for key, said in item.items() if names_error(key) and is_error(said)}


def is_error(said: object) -> bool:
    """Whether the value of such a key is an error: a text, a number other than 0, or a list or mapping with one."""
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
