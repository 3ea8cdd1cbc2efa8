"""Reads a deployer's `status` and `health` in Seatrial's words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from seatrial.errors import CannotTell
from seatrial.links.output import beginning, end
from seatrial.model import json_text
from seatrial.model.cluster import OFF, SAME_STATE, STATES, NodeHealth, PowerState
from seatrial.model.reading import Health, Reading, Source, absent, measured, reported
from seatrial.spi import Finished
from seatrial.systems.command import complaints
from seatrial.systems.command.complaints import Words
from seatrial.systems.command.settings import StatusSettings

T = TypeVar("T")

TAIL = 4000
"""Characters of output in an error's evidence."""

Answer = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""The JSON of a measuring verb."""

STATUS = "the deployer's status"
HEALTH = "the deployer's health"

WELL = ("ok", "healthy", "running", "up", "true", "pass", "passed", "passing", "active", "ready", "online", "available",
        "green", "serving", "alive", "normal", "reachable", "connected", "success", "succeeded")  # fmt: skip
"""Words for a healthy part of a node."""

_ROLES = ("leader", "follower", "primary", "secondary", "replica", "standby", "master", "slave", "voter", "observer",
          "arbiter", "member", "manager", "worker", "joined", "streaming", "synced", "in_sync", "in_service",
          "inservice")  # fmt: skip
"""Words for a node that takes part, in place of a state."""

UNMEASURED = ("", "unknown", "n/a", "na", "none", "null", "skipped", "not_measured")
"""Words for a part without a measurement."""

GONE = ("", "destroyed", "initialized", "absent", "deleted", "gone", "none", "not_deployed", "not_found", "removed")
"""States of a whole after its removal."""

POWERS: Words = {
    **dict.fromkeys(("on", "up", "active", "started", "poweredon", "powered_on", "power_on"), "running"),
    **dict.fromkeys(("off", "down", "terminated", "halted", "shutoff", "shutdown", "deallocated", "deleted",
                     "destroyed", "poweredoff", "powered_off", "power_off"), "stopped"),
    **dict.fromkeys(("suspended", "frozen"), "paused"),
}  # fmt: skip
"""Words of clouds and hypervisors for the power state of a machine."""

ANSWERS = ("running", "degraded")
"""States of a whole with a working service, if the deployer reports only a state."""

SILENT = ("critical", "stopped", "destroyed", "initialized")


EXAMPLES = {
    "status": 'print for example {"state": "running", "nodes": {"n1": "running"}}, or remove `status`',
    "health": 'print for example {"n1": {"service": "ok"}}, or write a probe in its place: `health: {tcp: PORT}`',
}
"""Measuring verb to what it may print."""


def document(verb: str, said: Finished) -> Answer:
    """The JSON on a verb's standard output: an object, a list of objects, or lines with an object each; CannotTell if
    there is none."""
    if said.dropped:
        raise CannotTell(f"{verb} printed too much: {said.dropped} bytes of its answer were not kept")
    try:
        found = json_text.loads(said.stdout)
    except ValueError as error:
        found = _lines(said.stdout)
        if found is None:
            text = f"{verb} did not print JSON: {error}; {EXAMPLES[verb]}"
            raise CannotTell(text, evidence=end(said.stdout, TAIL)) from None
    items = found if isinstance(found, list) else [found]
    if wrong := next((item for item in items if not isinstance(item, dict)), None):
        what = type(wrong).__name__ if isinstance(found, list) else type(found).__name__
        kind = f"a list with {what}" if isinstance(found, list) else what
        text = f"{verb} printed {kind}; allowed: an object, a list of objects, or lines with an object each"
        raise CannotTell(text, evidence=beginning(said.stdout, 500))
    return found  # type: ignore[no-any-return]


def _lines(text: str) -> list[Any] | None:
    """The values of JSON lines, at least two; None if it is something else."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json_text.loads(line) for line in lines] if len(lines) > 1 else None
    except ValueError:
        return None


def once(by: str, items: Sequence[tuple[Any, T]]) -> dict[Any, T]:
    """The items of a list by their names; CannotTell when two have one name, as either may be the true one."""
    found = dict(items)
    if len(found) < len(items):
        names = [name for name, _ in items]
        twice = next(name for name in found if names.count(name) > 1)
        raise CannotTell(f"{by} has more than one item for {twice!r}: print one for each node")
    return found


def state_of(told: Answer, where: StatusSettings, absent: object = None) -> Any:
    """The deployer's word for the whole; None if the answer is only about nodes."""
    if not where.state:
        found = next((key for key in ("state", "status") if isinstance(told, Mapping) and key in told), "")
        if not found and (isinstance(told, Sequence) or nodes_of(told, where)):
            return None
        return at(told, found or "state", "status", absent=absent)
    return at(told, where.state, "status", absent=absent)


def trouble(told: Answer, where: StatusSettings, words: Words, by_word: Collection[str] | None = None) -> str:
    """What the answer says of trouble beside the state of the whole: another word, an error, a grave problem, a node
    with a bad word, or one that is off; in words. Inventories often leave out a machine that is off. Where nothing else
    speaks, `by_word` are the known nodes: the answer lacks none of them, and calls each node well."""
    nodes = nodes_of(told, where)
    items = nodes if isinstance(nodes, list) else list(nodes.items()) if isinstance(nodes, Mapping) else []
    found: list[str] = []
    if isinstance(told, Mapping):
        chosen = ("state",) if "state" in told else ("status",)
        other = [key for key in told if not complaints.names_error(key)]
        without = other if where.state else [*chosen, where.nodes]
        found += complaints.of(told, words, without)
        problems = complaints.problems(told.get("issues"))
        found += [f"issues: {complaints.in_words(one)}" for one in problems if complaints.is_grave(one)]
    for item in items:
        name, value = item if isinstance(item, tuple) else (at(item, where.name, "status", absent="an item"), item)
        if isinstance(value, Mapping):
            bad = list(complaints.of(value, words))
            state = at(value, where.node_state, "status", absent="")
        else:
            bad, state = [], value
        bad += [str(state)] if not bad and _is_unwell(state, words) else []
        found += [f"{name}: {one}" for one in bad]
    off = {name: one.value for name, one in powers(nodes, where, words).items() if one.value in OFF}
    if by_word is not None:
        found += filter(None, [_unlisted(told, where, by_word)])
        found += [] if found or off else _unclear(items, where, words)
    return ", ".join([*found, *(f"{name} is {power}" for name, power in off.items())])


def _unlisted(told: Answer, where: StatusSettings, known: Collection[str]) -> str:
    """The known nodes that the list of nodes lacks, in words; none where there is no list, or one with other names."""
    listed = at(told, where.nodes, "status", absent="no list")
    items = listed if isinstance(listed, list) else list(listed) if isinstance(listed, Mapping) else None
    names = {at(item, where.name, "status", absent="") if isinstance(item, Mapping) else item for item in items or ()}
    lost = [name for name in known if name not in names]
    other = items is None or (names and len(lost) == len(known))
    return f"its nodes lack {', '.join(lost)}" if lost and not other else ""


def _unclear(items: Sequence[Any], where: StatusSettings, words: Words) -> list[str]:
    """The nodes without a word for a well one (`pending`, `maintenance`) beside their names, or alone without any."""

    def state(item: Any) -> tuple[str, object]:
        name, value = item if isinstance(item, tuple) else (at(item, where.name, "status", absent="an item"), item)
        return str(name), at(value, where.node_state, "status", absent="") if isinstance(value, Mapping) else value

    states = [state(item) for item in items if isinstance(item, tuple | Mapping)]
    if all(told in ("", None) for _, told in states):
        return []  # a list of names
    unclear = [f"{name}: {told or 'no state'}" for name, told in states if not _is_well(told, words)]
    return [f"{', '.join(unclear)} (say in `states` what a word means)"] if unclear else []


def _is_well(state: object, words: Words) -> bool:
    """Whether a node's state is a word for a well one, as `Up 5 minutes (healthy)` is too."""
    said = word(state, words).lower().strip()
    if said.startswith("up "):
        return "(" not in said or said.endswith("(healthy)")
    said = said.replace(" ", "_").replace("-", "_")
    return said in (*WELL, *_ROLES) or POWERS.get(said) == "running"


def _is_unwell(state: object, words: Words) -> bool:
    """Whether the state of a node is a word of trouble; those for its power are none."""
    return str(state).lower() not in (*POWERS, *OFF) and complaints.is_unwell("state", state, words)


def nodes_of(told: Answer, where: StatusSettings) -> object:
    """The part of the JSON about the nodes; empty: there is none."""
    own = where.nodes == StatusSettings.nodes
    if isinstance(told, Sequence) and own:
        return told
    if own and where.name != StatusSettings.name and where.nodes not in told and is_item(told, where.name):
        return [told]
    return at(told, where.nodes, "status", absent={})


def is_item(told: object, name: str) -> bool:
    """Whether an object is itself the item of one node: a tool that prints a line for each prints one for one."""
    return isinstance(at(told, name, "status", absent={}), str)


def word(told: object, words: Words) -> str:
    """A state in Seatrial's words; an unknown one is kept: a system may have states of its own."""
    ours = words.get(str(told), str(told))
    return SAME_STATE.get(ours, ours)


def parts(told: object, node: str, words: Words, others: str = "") -> dict[str, Reading[Health]]:
    """The parts of a node's health; `others` are the names that the answer has besides."""
    if not isinstance(told, Mapping):
        why = f"the deployer's health does not report {node}" + (f", but {others}" if others else "")
        return {"service": absent(Health.UNKNOWN, why, by=HEALTH)}
    return {
        str(name): reading(value, str(name), words)
        for name, value in told.items()
        if not complaints.names_error(name) or complaints.is_error(value)
    }


def with_service(found: dict[str, Reading[Health]], node: str, service: str) -> dict[str, Reading[Health]]:
    """The parts with their `service`: the part of this name, else the worst of all but `ssh`."""
    if service in found:
        return {**found, "service": found[service]}
    others = [one for name, one in found.items() if name != "ssh"]
    order = (Health.NOT_OK, Health.UNKNOWN, Health.OK)
    nothing = absent(Health.UNKNOWN, f"the deployer's health reports no part of {node}", by=HEALTH)
    return {**found, "service": min(others, key=lambda one: order.index(one.value), default=nothing)}


def reading(value: object, part: str, words: Words) -> Reading[Health]:
    """One part: a word, true or false, or a mapping with `status`, `state` or `ok`; null is not measured. A mapping
    that contradicts itself tells nothing."""
    if isinstance(value, Mapping):
        return _agreed(value, part, words)
    said = words.get(str(value), str(value)).lower()
    said = words.get(said, said)
    if value is None or said in UNMEASURED:
        return absent(Health.UNKNOWN, f"the deployer's health has no value of {part}: {value}", by=HEALTH)
    well = said in WELL
    return measured(Health.OK, by=HEALTH) if well else measured(Health.NOT_OK, f"{part} is {value}", by=HEALTH)


def _agreed(value: Mapping[str, Any], part: str, words: Words) -> Reading[Health]:
    """The reading of a mapping: all of its words together, and an error beside them."""
    said = [reading(value[key], part, words) for key in ("status", "state", "ok") if key in value]
    said = [one for one in said if one.value is not Health.UNKNOWN] or said
    if not said:
        return reading(None, part, words)
    wrong = next(iter(complaints.errors(value).values()), None)
    if said[0].ok and wrong is not None:
        return absent(Health.UNKNOWN, f"a contradiction: {part} is well, with the error {wrong}", by=HEALTH)
    trouble = ", ".join(complaints.of(value, words, ("status", "state", "ok")))
    if said[0].ok and trouble:
        return absent(Health.UNKNOWN, f"a contradiction: {part} is well, with {trouble}", by=HEALTH)
    if any(one.value is not said[0].value for one in said):
        return absent(Health.UNKNOWN, f"a contradiction: {part} is {dict(value)}", by=HEALTH)
    return said[0]


def powers(told: object, where: StatusSettings, words: Words) -> dict[str, Reading[PowerState]]:
    """Node to its reported power, from a mapping (of states, or of mappings) or a list of mappings."""
    if isinstance(told, list):
        items = [one for one in told if isinstance(one, Mapping)]
        told = once(STATUS, [(at(one, where.name, "status", absent=""), one) for one in items])
    if not isinstance(told, Mapping):
        return {}

    def state(value: object) -> object:
        return at(value, where.node_state, "status", absent="") if isinstance(value, Mapping) else value

    states = {str(name): state(value) for name, value in told.items()}
    return {name: _power(one, words) for name, one in states.items() if one not in ("", None)}


def _power(told: object, words: Words) -> Reading[PowerState]:
    said = word(told, words)
    ours = said if said in tuple(PowerState) else POWERS.get(said.lower().replace(" ", ""), "")
    if ours:
        return reported(PowerState(ours), by=STATUS)
    why = f"the deployer reports {told!r}, no power state; say what it means in `states`"
    return absent(PowerState.UNKNOWN, why, by=STATUS)


def service_by_state(state: str) -> Reading[Health]:
    """Whether the service answers, by the state of the whole."""
    if state in ANSWERS:
        return reported(Health.OK, by=STATUS)
    why = f"the deployer reports {state}"
    return reported(Health.NOT_OK, why, by=STATUS) if state in SILENT else absent(Health.UNKNOWN, why, by=STATUS)


def settle(claim: Reading[str] | None, finding: Reading[str]) -> Reading[str]:
    """The state of the whole by the deployer's word and by the readings of its nodes: theirs where both agree. The word
    alone is reported. Bad nodes refute a good word, and confirm nothing; any other contradiction leaves no state."""
    if claim is None:
        return finding
    if finding.source not in (Source.MEASURED, Source.REPORTED) or not finding.value:
        return replace(claim, why="; ".join(filter(None, (claim.why, finding.why))))
    how = "Seatrial measured" if finding.source is Source.MEASURED else "reports of its nodes mean"
    both = f"{claim.why}, and {how} {finding.value}: {finding.why}"
    if claim.value not in STATES:  # a state of its own: only the deployer can know it
        return replace(claim, why=both)
    if claim.value == finding.value or (claim.value, finding.value) == ("running", "degraded"):
        return replace(finding, why=both)
    if claim.value in ANSWERS and finding.value not in ANSWERS:
        return replace(finding, why=f"a contradiction: {both}", disputed=claim.why)
    return absent("", f"a contradiction: {both}")


def disputed(
    state: str, nodes: Mapping[str, NodeHealth], service: Reading[Health]
) -> tuple[dict[str, NodeHealth], Reading[Health]]:
    """The nodes and the service as measured, with the deployer's word against them where it contradicts."""
    word = service_by_state(state)

    def against(reading: Reading[Health]) -> Reading[Health]:
        contradicts = Health.UNKNOWN not in (word.value, reading.value) and word.value is not reading.value
        return replace(reading, disputed=f"the deployer reports {state}") if contradicts else reading

    health = {}
    for name, node in nodes.items():
        parts = {part: against(reading) if part == "service" else reading for part, reading in node.parts.items()}
        health[name] = replace(node, parts=parts)
    return health, against(service)


def at(found: object, path: str, verb: str, absent: object = None) -> Any:
    """The value at a dotted path (empty: all of it); CannotTell when it is missing, unless `absent` gives a default."""
    here = found
    for name in path.split(".") if path else ():
        if isinstance(here, list) and name.isdigit() and int(name) < len(here):
            here = here[int(name)]
            continue
        if not isinstance(here, Mapping) or name not in here:
            if absent is not None:
                return absent
            known = ", ".join(map(str, here)) if isinstance(here, Mapping) else type(here).__name__
            raise CannotTell(
                f"the JSON of {verb} has no {path!r}; it has {known}; write the right path into `{verb}_json`"
            )
        here = here[name]
    return here
