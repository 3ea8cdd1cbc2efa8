"""The health of each node in a deployer's JSON: given by node, or as sums of nodes with a list of problems."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, absent, measured
from seatrial.systems.command import status_parsing
from seatrial.systems.command.settings import HealthSettings
from seatrial.systems.command.status_parsing import HEALTH, Answer, Words

_NODE_WORDS = ("host", "node", "name")

_GRAVE = ("critical", "error", "fatal")
"""Severities of problems that a node which is well does not have."""

_WHOLE = ("status", "state", "health", "healthy", "ok")
"""Keys beside the nodes whose value is about the whole."""

_UNWELL = ("unhealthy", "not_ok", "degraded", "critical", "failed", "failing", "failure", "error", "down", "false")
"""Words for a whole that is not well."""

MOST = 10
"""Names of nodes in a reason."""

Parts = dict[str, Reading[Health]]


def by_node(told: Answer, where: HealthSettings, nodes: Sequence[str], service: str, words: Words) -> dict[str, Parts]:
    """Each node with the parts of its health; `service` is the part of this name, or concluded from the others."""
    found, problems = _listed(told, where, nodes), _problems(told, where)
    if found is not None:
        others = ", ".join(sorted(str(name) for name in found if name not in nodes)[:MOST])
        each = {name: status_parsing.parts(found.get(name), name, words, others) for name in nodes}
    else:
        each = {name: {} for name in nodes}
        for part, count in sums(told, where).items():
            for name, reading in _spread(part, count, nodes, problems).items():
                each[name][part] = reading
    for name, parts in each.items():
        parts |= _grave(name, parts, problems, where)
    return {name: status_parsing.with_service(parts, name, service) for name, parts in each.items()}


def unplaced(told: Answer, where: HealthSettings, nodes: Sequence[str], words: Words, *, all_well: bool = True) -> str:
    """The failures that no known node has for certain, in words: of other nodes or in sums. If all nodes are well, also
    of other things, and of the whole: beside a lost node they say nothing new."""
    found, problems = _listed(told, where, nodes), _problems(told, where)

    def known(part: str, count: _Count) -> bool:
        return any(reading.value is Health.NOT_OK for reading in _spread(part, count, nodes, problems).values())

    counts = sums(told, where) if found is None else {}
    failures = [
        f"{part}: {count}" for part, count in counts.items()
        if count.failed and (all_well or count.passed is not None) and not known(part, count)
    ]  # fmt: skip
    others: list[str] = []
    if all_well:
        strays = (one for one in problems if _is_grave(one) and not _troubled([one], nodes))
        others = [*(f"{_problem_part(where)}: {_words(one)}" for one in strays), *_whole(told, nodes, words)]
    return ", ".join([*_strangers(found or {}, where, nodes, words), *failures, *others])


def _whole(told: Answer, nodes: Sequence[str], words: Words) -> Iterator[str]:
    """What the answer says of the whole, if the word is one of trouble."""
    whole = told if isinstance(told, Mapping) else {}
    for key in _WHOLE:
        said = whole.get(key)
        if key not in nodes and isinstance(said, str | bool) and words.get(str(said), str(said)).lower() in _UNWELL:
            yield f"{key}: {said}"


def _grave(name: str, parts: Parts, problems: Sequence[Mapping[str, Any]], where: HealthSettings) -> Parts:
    """The grave problems of a node whose parts have no failure, as one more part."""
    if any(reading.value is Health.NOT_OK for reading in parts.values()):
        return {}
    why = "; ".join(_words(one) for one in problems if _is_grave(one) and _troubled([one], [name]))
    return {_problem_part(where): measured(Health.NOT_OK, f"{_problem_part(where)}: {why}", by=HEALTH)} if why else {}


def _is_grave(problem: Mapping[str, Any]) -> bool:
    return str(problem.get("severity", "")).lower() in _GRAVE


def _words(problem: Mapping[str, Any]) -> str:
    return " ".join(str(value) for key, value in problem.items() if key != "severity" and isinstance(value, str | int))


def _problem_part(where: HealthSettings) -> str:
    return where.problems.rpartition(".")[2]


def _strangers(found: Mapping[str, Any], where: HealthSettings, nodes: Sequence[str], words: Words) -> Iterator[str]:
    """The failed parts under other names than those of the nodes. Without a path to the nodes, what shares a part with
    one of them is a node too."""
    known = {part for name in nodes if isinstance(item := found.get(name), Mapping) for part in item}
    for name, item in found.items():
        if name not in nodes and isinstance(item, Mapping) and (where.nodes or known & item.keys()):
            parts = {part: status_parsing.reading(value, str(part), words) for part, value in item.items()}
            yield from (f"{name}: {one.why}" for one in parts.values() if one.value is Health.NOT_OK)


def listed(told: Answer, where: HealthSettings) -> Mapping[str, Any] | None:
    """What the JSON has of each node, or of other things under their names; None if it is of another shape."""
    found = status_parsing.at(told, where.nodes, "health")
    if isinstance(found, list):
        items = [item for item in found if isinstance(item, Mapping)]
        found = status_parsing.once(HEALTH, [(_named(item, where), item) for item in items])
        if not where.parts:
            found = {name: _without_name(item, where) for name, item in found.items()}
    if not isinstance(found, Mapping) or not where.parts:
        return found if isinstance(found, Mapping) else None
    return {
        name: {part: status_parsing.at(item, path, "health", absent="") for part, path in where.parts.items()}
        for name, item in found.items()
        if isinstance(item, Mapping)
    }


def _listed(told: Answer, where: HealthSettings, nodes: Sequence[str]) -> Mapping[str, Any] | None:
    """The health by node; None if there are sums instead."""
    found = listed(told, where)
    return found if found is not None and (any(name in found for name in nodes) or not sums(told, where)) else None


def _problems(told: Answer, where: HealthSettings) -> list[Mapping[str, Any]]:
    problems = status_parsing.at(told, where.problems, "health", absent=[])
    return [one for one in problems if isinstance(one, Mapping)] if isinstance(problems, list) else []


@frozen(kw_only=False)
class _Count:
    passed: int | None
    """Nodes; None: other things than nodes were counted."""
    failed: int

    def __str__(self) -> str:
        return f"{self.failed} failed" if self.passed is None else f"{self.passed} passed, {self.failed} failed"


def sums(told: Answer, where: HealthSettings) -> dict[str, _Count]:
    """The parts with numbers of nodes. Of other things (`active` services) only failures say something."""
    counts = status_parsing.at(told, where.sums, "health", absent={})
    found = {}
    for part, count in counts.items() if isinstance(counts, Mapping) else ():
        if not isinstance(count, Mapping) or (failed := _number(count.get("failed"))) is None:
            continue
        passed = _number(count.get("passed"))
        if passed is not None or (failed and "passed" not in count):
            found[str(part)] = _Count(passed, failed)
    return found


def _number(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _spread(
    part: str, count: _Count, nodes: Sequence[str], problems: Sequence[Mapping[str, Any]]
) -> dict[str, Reading[Health]]:
    """The part of each node. Where passed and failed nodes are mixed, the problems have to name as many nodes as
    failed; else only some, or none, of the nodes are known."""

    def some(names: Collection[str], reading: Reading[Health]) -> dict[str, Reading[Health]]:
        return dict.fromkeys(names, reading)

    ok = measured(Health.OK, by=HEALTH)
    not_ok = measured(Health.NOT_OK, f"{part}: {count}", by=HEALTH)
    which = f"{HEALTH} does not tell which of {len(nodes)} nodes: {part}: {count}"
    unclear = absent(Health.UNKNOWN, which, by=HEALTH)
    about_part = [one for one in problems if str(one.get("type", "")).startswith(part.removesuffix("s"))]
    if count.passed is None:
        named = _troubled(about_part, nodes) or _troubled(problems, nodes)
        return some(nodes if len(nodes) == 1 else named, not_ok)
    total = count.passed + count.failed
    if count.passed >= len(nodes) and not count.failed:
        return some(nodes, ok)
    if count.failed >= len(nodes) and not count.passed:
        return some(nodes, not_ok)
    if not total:
        return some(nodes, absent(Health.UNKNOWN, f"{HEALTH} measured {part} on no node", by=HEALTH))
    for named in (_troubled(about_part, nodes), _troubled(problems, nodes)):
        others = [name for name in nodes if name not in named]
        if total == len(nodes) and len(named) == count.failed:
            return {**some(others, ok), **some(named, not_ok)}
    return some(nodes, unclear)


def _troubled(problems: Sequence[Mapping[str, Any]], nodes: Sequence[str]) -> set[str]:
    """The nodes named by problems; `n11-cos` belongs to `n11`."""
    named = {_node_of(problem) for problem in problems}
    return {node for node in nodes if any(re.fullmatch(rf"{re.escape(node)}([-.:/].*)?", name) for name in named)}


def _node_of(told: Mapping[str, Any]) -> str:
    return str(next((told[word] for word in _NODE_WORDS if told.get(word)), ""))


def _named(told: Mapping[str, Any], where: HealthSettings) -> str:
    return str(status_parsing.at(told, where.name, "health")) if where.name else _node_of(told)


def _without_name(told: Mapping[str, Any], where: HealthSettings) -> dict[str, Any]:
    names = (where.name,) if where.name else _NODE_WORDS
    return {key: value for key, value in told.items() if key not in names}
