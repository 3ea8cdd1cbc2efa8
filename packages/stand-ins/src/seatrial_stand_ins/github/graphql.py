"""GraphQL, as far as `gh` asks for it: the repository, its default branch, who asks, and no pull requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.shapes import node_id, number

if TYPE_CHECKING:
    from seatrial_stand_ins.github.asked import Asked
    from seatrial_stand_ins.github.repository import Repository

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\.\.\.|\$\w+|-?\d[\d.]*|[{}()\[\]:!=@|&]')


class BadQuery(ValueError):
    """The query is not GraphQL, or requests something unsupported."""


@dataclass(slots=True)
class Field:
    """One field of a selection."""

    name: str
    alias: str
    arguments: dict[str, Any] = field(default_factory=dict)
    inside: list[Field] = field(default_factory=list)


class _Reader:
    """Reads an operation and its fragments into fields."""

    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        self.words = _WORD.findall(re.sub(r"#[^\n]*", "", text))
        self.variables = dict(variables)
        self.at = 0
        self.fragments: dict[str, list[Field]] = {}

    def document(self) -> list[Field]:
        # Fragments may be before or after their use, so they are read first.
        starts = [self.at]
        while self._peek():
            self._skip_to("{")
            self._skip_block()
            starts.append(self.at)
        operation = 0
        for start in starts[:-1]:
            self.at = start
            if self._peek() != "fragment":
                operation = start
                continue
            self.at += 1
            name = self._next()
            self._skip_to("{")
            self.fragments[name] = self._selection()
        self.at = operation
        if self._peek() == "mutation":
            raise BadQuery("mutations are not served")
        self._skip_to("{")
        return self._selection()

    def _skip_block(self) -> None:
        depth = 0
        while True:
            word = self._next()
            depth += (word == "{") - (word == "}")
            if not depth:
                return

    def _peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _next(self) -> str:
        word = self._peek()
        if not word:
            raise BadQuery("the query ends too early")
        self.at += 1
        return word

    def _skip_to(self, wanted: str) -> None:
        depth = 0
        while self._peek() != wanted or depth:
            word = self._next()
            depth += (word == "(") - (word == ")")

    def _selection(self) -> list[Field]:
        assert self._next() == "{"
        found: list[Field] = []
        while self._peek() != "}":
            word = self._next()
            if word == "...":
                if self._peek() == "on" or self._peek() == "{":
                    self._skip_to("{")
                    found += self._selection()
                else:
                    found += self.fragments.get(self._next(), [])
                continue
            name = alias = word
            if self._peek() == ":":
                self._next()
                name = self._next()
            one = Field(name, alias)
            if self._peek() == "(":
                one.arguments = self._arguments()
            while self._peek() == "@":
                self.at += 2
                if self._peek() == "(":
                    self._arguments()
            if self._peek() == "{":
                one.inside = self._selection()
            found.append(one)
        self._next()
        return found

    def _arguments(self) -> dict[str, Any]:
        self._next()
        found = {}
        while self._peek() != ")":
            name = self._next()
            self._next()
            found[name] = self._value()
        self._next()
        return found

    def _value(self) -> Any:
        word = self._next()
        if word.startswith("$"):
            return self.variables.get(word[1:])
        if word.startswith('"'):
            return word[1:-1]
        if word in "[{":
            end = "]" if word == "[" else "}"
            inside = []
            while self._peek() != end:
                inside.append(self._value())
            self._next()
            return inside
        return word


async def answer_query(asked: Asked) -> Answer:
    """Like GitHub: 200 with `data`, and `errors` for anything missing."""
    body = asked.body()
    try:
        fields = _Reader(str(body.get("query", "")), body.get("variables") or {}).document()
        errors: list[dict[str, Any]] = []
        data = {one.alias: await _root(asked, one, errors) for one in fields}
    except BadQuery as error:
        return Answer(json={"errors": [{"message": str(error)}]})
    return Answer(json={"data": data, **({"errors": errors} if errors else {})})


async def _root(asked: Asked, one: Field, errors: list[dict[str, Any]]) -> Any:
    if one.name == "viewer":
        return _pick({"login": asked.login, "id": node_id("User", number(asked.login))}, one)
    if one.name == "__type":
        return None
    if one.name == "repository":
        name = f"{one.arguments.get('owner')}/{one.arguments.get('name')}"
        found = asked.forge.repositories.get(name)
        if found is None or (found.private and asked.token is None):
            said = f"Could not resolve to a Repository with the name '{name}'."
            errors.append({"type": "NOT_FOUND", "path": [one.alias], "message": said})
            return None
        return _pick(_repository(asked, found, await found.refs()), one)
    raise BadQuery(f"Field '{one.name}' doesn't exist on type 'Query'")


def _repository(asked: Asked, it: Repository, refs: Mapping[str, str]) -> dict[str, Any]:
    sha = refs.get(f"refs/heads/{it.default_branch}")
    pushes = asked.token is not None and asked.token.may("contents", "write")
    owner = {"id": node_id("User", number(it.owner)), "login": it.owner, "name": it.owner}
    return {
        "id": node_id("Repository", it.repository_id), "databaseId": it.repository_id, "name": it.short_name,
        "nameWithOwner": it.name, "owner": owner, "description": "", "isPrivate": it.private, "isFork": False,
        "isArchived": False, "parent": None, "url": f"{asked.shapes.site}/{it.name}",
        "viewerPermission": "ADMIN" if pushes else "READ", "hasIssuesEnabled": True, "hasWikiEnabled": False,
        "hasDiscussionsEnabled": False, "hasProjectsEnabled": False, "mergeCommitAllowed": True,
        "rebaseMergeAllowed": True, "squashMergeAllowed": True, "sshUrl": f"git@localhost:{it.name}.git",
        "defaultBranchRef": {"name": it.default_branch, "target": {"oid": sha}} if sha else None,
        "pullRequests": {"nodes": [], "totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}},
    }  # fmt: skip


def _pick(known: Any, one: Field) -> Any:
    if not one.inside or known is None:
        return known
    if isinstance(known, list):
        return [_pick(item, one) for item in known]
    picked = {}
    for inner in one.inside:
        if inner.name not in known:
            raise BadQuery(f"Field '{inner.name}' doesn't exist on '{one.name}'")
        picked[inner.alias] = _pick(known[inner.name], inner)
    return picked
