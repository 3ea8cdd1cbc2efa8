"""Functions of a Dagger module, called by the names and with the plain values of `dagger call`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import CannotTell, nearest
from seatrial.expressions import as_text
from seatrial.links.dagger import without_trace
from seatrial.links.output import end

if TYPE_CHECKING:
    from seatrial.links.dagger.session import Session

CONFIG = "dagger.json"
"""The file in the folder of each module."""

ID = "ID"
"""The end of the type of an argument that takes an object: `DirectoryID`."""

Value = Callable[[str, str], Any]
"""From the kind of an object, such as `Directory`, and its text in the document, to the SDK's object."""


@dataclass(frozen=True)
class Result:
    """A called function; the engine runs it when its value is read."""

    kind: str
    """Its type: `Directory`, `String`, `Void`, or one of the module's own."""
    many: bool
    """Whether it is a list."""
    context: Any
    """The SDK's query."""


@dataclass(frozen=True)
class Module:
    """A loaded module."""

    name: str
    client: Any
    schema: Any
    """The engine's types, with those of the module."""

    def call(self, words: Sequence[str], arguments: Mapping[str, object], value: Value) -> Result:
        """The functions `words`, each called on the result of the one before. CannotTell for unknown names, for
        missing arguments, and for values that do not fit."""
        from graphql import get_named_type

        kind, steps = self.schema.query_type, list[tuple[str, str, Any]]()
        for word in (self.name, *words):
            fields = getattr(kind, "fields", {})
            if (name := _same(word, fields)) is None:
                if not steps:
                    why = "its code does not compile, or its main object has another name than the module"
                    raise CannotTell(f"the Dagger module {self.name} has no functions: {why}")
                known = [one for one in fields if one not in ("id", "sync")]
                raise CannotTell(f"the Dagger module {self.name} has no function {word!r}: {nearest(word, known)}")
            steps.append((kind.name, name, fields[name]))
            kind = get_named_type(fields[name].type)
        given = self._shared_out([(name, field.args) for _, name, field in steps], arguments)
        context = self.client._ctx
        for (owner, name, field), own in zip(steps, given, strict=True):
            context = context.select(owner, name, _arguments(name, field.args, own, value))
        return Result(kind.name, _is_list(steps[-1][2].type), context)

    def _shared_out(
        self, steps: Sequence[tuple[str, Mapping[str, Any]]], arguments: Mapping[str, object]
    ) -> list[dict[str, object]]:
        """The arguments of each function; the module's constructor is the first."""
        given: list[dict[str, object]] = [{} for _ in steps]
        for written, content in arguments.items():
            function, _, name = written.rpartition(".")
            places = [
                (at, own) for at, (step, known) in enumerate(steps)
                if (own := _same(name, known)) is not None and (not function or _same(function, (step,)))
            ]  # fmt: skip
            if not places:
                known = [name for _, each in steps for name in each]
                raise CannotTell(f"unknown argument {written!r}: {nearest(written, known, what='arguments')}")
            if len(places) > 1:
                ways = " or ".join(f"`{steps[at][0]}.{own}`" for at, own in places)
                raise CannotTell(f"several functions have the argument {written!r}: write {ways}")
            at, own = places[0]
            given[at][own] = content
        return given


async def loaded(session: Session, folder: Path) -> Module:
    """Load a module of this host, once for a session unless its files change. CannotTell when there is none, or when it
    does not build: its check is unknown."""
    import dagger

    _there(folder)
    source = session.client.module_source(str(folder))
    try:
        async with session.loading:
            found = await source._select_multiple(name="moduleName", digest="digest").execute(dict[str, Any])
            key = f"{folder} {found['digest']}"
            if key not in session.modules:
                await source.as_module().serve()
                session.modules[key] = Module(str(found["name"]), session.client, await session.schema())
            module: Module = session.modules[key]
            return module
    except dagger.DaggerError as error:
        text = without_trace(str(error))
        said = f"{getattr(error, 'stderr', '')}\n{text}".strip()
        raise CannotTell(f"the Dagger module in {folder} cannot be loaded: {end(text, 300)}", evidence=said) from error


async def digest(session: Session, folder: Path) -> str:
    """A digest of a module's files; CannotTell when it cannot be read."""
    import dagger

    _there(folder)
    try:
        return str(await session.client.module_source(str(folder)).digest())
    except dagger.DaggerError as error:
        why = end(without_trace(str(error)), 300)
        raise CannotTell(f"the Dagger module in {folder} cannot be read: {why}") from error


def _there(folder: Path) -> None:
    if not (folder / CONFIG).is_file():
        raise CannotTell(f"no Dagger module in {folder}: it has no {CONFIG}")


def _arguments(function: str, known: Mapping[str, Any], given: Mapping[str, object], value: Value) -> list[Any]:
    from dagger.client._core import Arg
    from graphql import is_required_argument

    if missing := [name for name, one in known.items() if name not in given and is_required_argument(one)]:
        raise CannotTell(f"{function} needs the argument {missing[0]!r}: add it to `args`")
    return [Arg(name, _converted(known[name].type, content, name, value)) for name, content in given.items()]


def _converted(kind: Any, content: object, name: str, value: Value) -> Any:
    """A plain value as the argument's type; CannotTell when it does not fit."""
    from graphql import get_nullable_type, is_enum_type, is_list_type

    from seatrial.links.dagger.queries import Word

    kind = get_nullable_type(kind)
    if is_list_type(kind):
        items = content if isinstance(content, list | tuple) else (content,)
        return [_converted(kind.of_type, item, name, value) for item in items]
    text = as_text(content)
    if is_enum_type(kind):
        if (member := _same(text, kind.values)) is None:
            raise CannotTell(f"{name}: unknown value {text!r}: {nearest(text, kind.values)}")
        return Word(member)
    if kind.name.endswith(ID) and kind.name != ID:
        return value(kind.name.removesuffix(ID), text)
    if kind.name not in ("Int", "Float", "Boolean"):
        return text
    try:
        number = json.loads(text)
        return kind.serialize(number)
    except Exception:  # noqa: BLE001  whatever the library says of it
        raise CannotTell(f"{name}: {text!r} is not of the type {kind.name}") from None


def _is_list(kind: Any) -> bool:
    from graphql import get_nullable_type, is_list_type

    return bool(is_list_type(get_nullable_type(kind)))


def _same(word: str, known: Iterable[str]) -> str | None:
    """The known name for a word: `build-site`, `build_site` and `buildSite` are one."""
    return next((name for name in known if _plain(name) == _plain(word)), None)


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()
