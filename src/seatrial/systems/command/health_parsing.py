"""The health of each node in a deployer's JSON: given by node, or as sums of nodes with a list of problems."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, absent, measured
from seatrial.systems.command import complaints, status_parsing
from seatrial.systems.command.complaints import Words
from seatrial.systems.command.settings import HealthSettings
from seatrial.systems.command.status_parsing import HEALTH, Answer

_UNPASSED = ("error", "errors", "errored", "unreachable", "unknown", "timeout", "timed_out", "missing", "not_measured")
"""Numbers in sums of what did not pass, and did not fail either."""

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
        parts |= _erring(name, told, where)
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
        strays = (one for one in problems if complaints.is_grave(one) and not _troubled([one], nodes))
        others = [f"{_problem_part(where)}: {complaints.in_words(one)}" for one in strays]
        others += _whole(told, where, nodes, words)
    return ", ".join([*_strangers(found or {}, where, nodes, words), *failures, *others])


def _whole(told: Answer, where: HealthSettings, nodes: Sequence[str], words: Words) -> Iterator[str]:
    """What the answer says of the whole, around the nodes or in an item without a name, if it is trouble; and what it
    says of a node beside its chosen parts."""
    here: Any = told
    yield from complaints.of(here, words, nodes)
    for name in where.nodes.split(".") if where.nodes else ():
        here = here.get(name) if isinstance(here, Mapping) else None
        yield from complaints.of(here, words, nodes)
    for item in _unnamed(told, where):
        yield from ([complaints.in_words(item)] if complaints.is_grave(item) else complaints.of(item, words))
    for name, item in (_items(told, where) or {}).items() if where.parts else ():
        if name in nodes:
            yield from (f"{name}: {one}" for one in complaints.of(item, words))


def _unnamed(told: Answer, where: HealthSettings) -> Iterator[Mapping[str, Any]]:
    """The items of the list of nodes that name none: a line with an error, for example."""
    found = status_parsing.at(told, where.nodes, "health")
    for item in found if isinstance(found, list) else ():
        name = status_parsing.at(item, where.name, "health", absent="") if where.name else _node_of(item)
        if not name:
            yield item


def _grave(name: str, parts: Parts, problems: Sequence[Mapping[str, Any]], where: HealthSettings) -> Parts:
    """The grave problems of a node whose parts have no failure, as one more part."""
    if any(reading.value is Health.NOT_OK for reading in parts.values()):
        return {}
    own = [one for one in problems if complaints.is_grave(one) and _troubled([one], [name])]
    why = "; ".join(map(complaints.in_words, own))
    return {_problem_part(where): measured(Health.NOT_OK, f"{_problem_part(where)}: {why}", by=HEALTH)} if why else {}


def _erring(name: str, told: Answer, where: HealthSettings) -> Parts:
    """The errors of a node beside the parts that the settings choose; without a choice they are parts themselves."""
    item = (_items(told, where) or {}).get(name) if where.parts else None
    errors = complaints.errors(item) if isinstance(item, Mapping) else {}
    return {key: measured(Health.NOT_OK, f"{key}: {said}", by=HEALTH) for key, said in errors.items()}


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
    found = _items(told, where)
    if found is None or not where.parts:
        return found
    return {
        name: {part: status_parsing.at(item, path, "health", absent="") for part, path in where.parts.items()}
        for name, item in found.items()
        if isinstance(item, Mapping)
    }


def _items(told: Answer, where: HealthSettings) -> Mapping[str, Any] | None:
    """The items of the nodes by their names, whole."""
    found = status_parsing.at(told, where.nodes, "health")
    if isinstance(found, Mapping) and where.name and status_parsing.is_item(found, where.name):
        found = [found]
    if isinstance(found, list):
        items = [item for item in found if isinstance(item, Mapping)]
        found = status_parsing.once(HEALTH, [(_named(item, where), item) for item in items])
        if not where.parts:
            found = {name: _without_name(item, where) for name, item in found.items()}
    return found if isinstance(found, Mapping) else None


def _listed(told: Answer, where: HealthSettings, nodes: Sequence[str]) -> Mapping[str, Any] | None:
    """The health by node; None if there are sums instead."""
    found = listed(told, where)
    return found if found is not None and (any(name in found for name in nodes) or not sums(told, where)) else None


def _problems(told: Answer, where: HealthSettings) -> list[Mapping[str, Any]]:
    return complaints.problems(status_parsing.at(told, where.problems, "health", absent=[]))


@frozen(kw_only=False)
class _Count:
    passed: int | None
    """Nodes; None: other things than nodes were counted."""
    failed: int
    others: str = ""
    """What neither passed nor failed, in words."""

    def __str__(self) -> str:
        passed = () if self.passed is None else (f"{self.passed} passed",)
        return ", ".join([*passed, f"{self.failed} failed", *filter(None, [self.others])])


def sums(told: Answer, where: HealthSettings) -> dict[str, _Count]:
    """The parts with numbers of nodes. Of other things (`active` services) only failures say something."""
    counts = status_parsing.at(told, where.sums, "health", absent={})
    found = {}
    for part, count in counts.items() if isinstance(counts, Mapping) else ():
        if not isinstance(count, Mapping) or (failed := _number(count.get("failed"))) is None:
            continue
        passed = _number(count.get("passed"))
        if passed is not None or (failed and "passed" not in count):
            found[str(part)] = _Count(passed, failed, _others(count) if passed is not None else "")
    return found


def _others(count: Mapping[str, Any]) -> str:
    """The numbers of nodes that neither passed nor failed, in words."""
    numbers = {str(key): _number(value) or 0 for key, value in count.items()}
    beyond = numbers.pop("total", 0) - sum(numbers.values())
    found = [f"{numbers[key]} {key}" for key in _UNPASSED if numbers.get(key)]
    return ", ".join([*found, *([f"{beyond} more in total"] if beyond > 0 else [])])


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
        return some(nodes, unclear if count.others else ok)
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
    return str(next((told[word] for word in complaints.NODE_WORDS if told.get(word)), ""))


def _named(told: Mapping[str, Any], where: HealthSettings) -> str:
    return str(status_parsing.at(told, where.name, "health")) if where.name else _node_of(told)


def _without_name(told: Mapping[str, Any], where: HealthSettings) -> dict[str, Any]:
    names = (where.name,) if where.name else complaints.NODE_WORDS
    return {key: value for key, value in told.items() if key not in names}
