"""YAML 1.2 core types from libyaml's events: data and positions in one pass, without recursion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.yaml_scalars import core_value
from seatrial.loading.read.positions import Flawed, Mark, Place, Position
from seatrial.model.written import plain_number, written

_QUOTE = "put it in quotes if you mean text"

MOST_COPIES = 100_000
"""Maximum number of values from aliases; more would be a YAML bomb."""

DEEPEST = 100
"""Maximum levels of nesting."""

_CORE = "tag:yaml.org,2002:"
_CONTAINERS = {"Sequence": "seq", "Mapping": "map"}
_INDENT = "check that this line is indented like its neighbours and every bracket before it is closed"
_HINTS = {
    "mapping values are not allowed": "is the `:` of an earlier key missing? Put text with `: ` in quotes",
    "could not find expected ':'": "write a key as `key: value` and an item of a list as `- item`",
    "did not find expected key": _INDENT,
    "did not find expected '-' indicator": _INDENT,
    "did not find expected ',' or": "is a `,` missing, or is a bracket not closed?",
    "unexpected end of stream": "is a quote not closed?",
    "did not find expected alphabetic": 'put text in quotes if it begins with * or &: "*"',
    "cannot start any token": "put text in quotes if it begins with @, %, ` or a tab",
    "unknown escape character": "double each backslash in double quotes, or use single quotes",
}
"""Messages of libyaml, and their usual cause."""


@dataclass(slots=True)
class _Open:
    """A container being filled."""

    data: Any
    place: Place
    anchor: str | None
    nodes: int = 1
    key: str | None = None
    keys: dict[str, Position] = field(default_factory=dict)
    key_at: Position = (1, 1)

    @property
    def wants_key(self) -> bool:
        return isinstance(self.data, dict) and self.key is None


@dataclass(slots=True)
class _Builder:
    marks: dict[Place, Mark] | None
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    flaws: list[tuple[Position, str, str]] = field(default_factory=list)
    copies: int = 0
    root: Any = None
    documents: int = 0

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        at = (event.start_mark.line + 1, event.start_mark.column + 1)
        if kind == "ScalarEvent":
            self.scalar(event, at)
        elif kind == "AliasEvent":
            self.alias(event.anchor, at)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self.open(event, kind.removesuffix("StartEvent"), at)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.close()
        elif kind == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                hint = "a file may contain only one document: remove `---`"
                raise Flawed((at, "a second document begins here", hint))

    def scalar(self, event: Any, at: Position) -> None:
        value = self.resolve(event, at)
        if self.stack and self.stack[-1].wants_key:
            if value == "<<" and event.implicit[0]:
                hint = "write the keys out, or repeat a whole value with *NAME"
                self.flaws.append((at, "YAML 1.2 has no `<<` merge key", hint))
            self.key(value, event.value, at)
            return
        self.put(value, at, 1)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)

    def resolve(self, event: Any, at: Position) -> Any:
        text, tag = event.value, event.tag
        if tag in (None, "!") and not (event.implicit[0] and tag is None):
            return text  # quoted, a block, or `!`
        if tag is None or tag == _CORE + "str":
            return text if tag else self.plain(text, at)
        wanted = {_CORE + "int": int, _CORE + "float": float, _CORE + "bool": bool, _CORE + "null": type(None)}.get(tag)
        if wanted is None:
            return self.unknown_tag(tag, at)
        value = self.plain(text, at)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            return written(float(value), text)
        if type(plain_number(value)) is not wanted:
            self.flaws.append((at, f"{text!r} is not {tag.removeprefix(_CORE)}, but its tag requires it", ""))
        return value

    def plain(self, text: str, at: Position) -> Any:
        try:
            value = core_value(text)
        except ValueError as error:
            self.flaws.append((at, str(error), _QUOTE))
            return text
        return value if isinstance(value, str | bool) or value is None else written(value, text)

    def unknown_tag(self, tag: str, at: Position) -> None:
        shown = tag.replace(_CORE, "!!")
        self.flaws.append((at, f"unknown tag {shown}", "allowed: !!str, !!int, !!float, !!bool, !!null, !!map, !!seq"))

    def key(self, value: Any, text: str, at: Position) -> None:
        top = self.stack[-1]
        if not isinstance(value, str):
            shown = text or "an empty key"
            self.flaws.append((at, f"a key must be text; {shown} is not", f'put it in quotes: "{text}"'))
            value = text
        if value in top.keys:
            self.flaws.append((at, f"duplicate key {value!r}", f"the first is on line {top.keys[value][0]}"))
        top.keys.setdefault(value, at)
        top.key, top.key_at = value, at

    def alias(self, anchor: str, at: Position) -> None:
        if any(one.anchor == anchor for one in self.stack):
            raise Flawed((at, f"*{anchor} contains itself", "put the alias after the end of the repeated value"))
        if anchor not in self.anchors:
            raise Flawed((at, f"unknown alias *{anchor}", f"write &{anchor} at the value, above this line"))
        value, nodes = self.anchors[anchor]
        self.copies += nodes
        if self.copies > MOST_COPIES:
            message = f"the aliases expand to more than {MOST_COPIES:,} values"
            raise Flawed((at, message, "write them out, or use parameters"))
        if self.stack and self.stack[-1].wants_key:
            self.key(value, f"*{anchor}", at)
        else:
            self.put(value, at, nodes)

    def open(self, event: Any, kind: str, at: Position) -> None:
        if event.tag not in (None, "!", _CORE + _CONTAINERS[kind]):
            self.unknown_tag(event.tag, at)
        if len(self.stack) >= DEEPEST:
            raise Flawed((at, f"the document is nested more than {DEEPEST} levels deep", ""))
        if self.stack and self.stack[-1].wants_key:
            raise Flawed((at, "a key must be text, not a list or a mapping", ""))
        data: Any = {} if kind == "Mapping" else []
        place = self.put(data, at, 0)
        self.stack.append(_Open(data, place, event.anchor, key_at=at))

    def close(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.data, done.nodes)
        if self.stack:
            self.stack[-1].nodes += done.nodes

    def put(self, value: Any, at: Position, nodes: int) -> Place:
        if not self.stack:
            self.root = value
            return self._marked((), at, at)
        top = self.stack[-1]
        top.nodes += nodes
        name: str | int
        if isinstance(top.data, list):
            name, key_at = len(top.data), at
            top.data.append(value)
        else:
            name, key_at = str(top.key), top.key_at
            top.key = None
            top.data.setdefault(name, value)
        return self._marked((*top.place, name), at, key_at)

    def _marked(self, place: Place, at: Position, key_at: Position) -> Place:
        if self.marks is None:
            return ()
        self.marks.setdefault(place, Mark(at, key_at))
        return place


def parse(text: str) -> Any:
    """The data of a YAML text; Flawed for all problems in it."""
    built = _build(text, None)
    if built.flaws:
        raise Flawed(*built.flaws)
    if built.documents == 0 or built.root is None:
        raise Flawed(((1, 1), "the document is empty", "write at least a mapping with `test_suites:`"))
    return built.root


def marks(text: str) -> Iterable[tuple[Place, Mark]]:
    """The position of every value and key of a valid YAML text (for an aliased value, the position of the alias)."""
    found: dict[Place, Mark] = {}
    _build(text, found)
    return found.items()


def _build(text: str, into: dict[Place, Mark] | None) -> _Builder:
    import yaml

    builder = _Builder(into)
    try:
        parser: Any = yaml.CLoader(text) if yaml.__with_libyaml__ else yaml.Loader(text)
        while parser.check_event():
            builder.take(parser.get_event())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = str(error.problem or error.context)
        raise Flawed((at, f"invalid YAML: {problem}", _hint(problem, text, at))) from None
    except yaml.reader.ReaderError as error:
        raise Flawed((_offset(text, error), f"invalid YAML: {error.reason}", "")) from None
    return builder


def _hint(problem: str, text: str, at: Position) -> str:
    lines = text.split("\n")
    line = lines[at[0] - 1] if at[0] <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent YAML with spaces, not with tabs"
    return next((hint for words, hint in _HINTS.items() if words in problem), "")


def _offset(text: str, error: Any) -> Position:
    # libyaml counts bytes; searching for the rejected character is the safest way to the position.
    bad = error.character if isinstance(error.character, int) else -1
    at = text.find(chr(bad)) if bad >= 0 else -1
    if at < 0:
        at = min(max(int(error.position or 0), 0), len(text))
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
