"""One request and its answer, as endpoints see them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.records import RunRecord, Token
from seatrial_stand_ins.github.repository import Repository
from seatrial_stand_ins.github.shapes import Json, Shapes

if TYPE_CHECKING:
    from seatrial_stand_ins.github.forge import Forge

DOCUMENTED = "https://docs.github.com/rest"


class Refused(Exception):
    """The request is answered with an error, in GitHub's form."""

    def __init__(self, status: int, message: str, *, documented: str = "", **headers: str) -> None:
        super().__init__(message)
        self.answer = refusal(status, message, documented=documented, headers=headers)


def refusal(status: int, message: str, *, documented: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An error as GitHub writes it."""
    said = {"message": message, "documentation_url": DOCUMENTED + documented, "status": str(status)}
    named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
    return Answer(status=status, json=said, headers=named)


def not_found() -> Refused:
    """It does not exist, or the token must not see it."""
    return Refused(404, "Not Found")


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request."""

    forge: Forge
    method: str
    path: str
    """Without `/api/v3`."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case names."""
    content: bytes
    shapes: Shapes
    version: str
    """The API version requested, such as `2022-11-28`."""
    enterprise: bool
    token: Token | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variable parts of the path."""
    repository_or_none: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository in the path; the door has checked it."""
        assert self.repository_or_none is not None
        return self.repository_or_none

    @property
    def login(self) -> str:
        """Who asks."""
        return self.token.login if self.token else ""

    def body(self) -> Json:
        """The JSON object of the request."""
        if not self.content.strip():
            return {}
        try:
            read = json.loads(self.content)
        except ValueError as error:
            raise Refused(400, "Problems parsing JSON") from error
        if not isinstance(read, dict):
            raise Refused(400, "Body should be a JSON object")
        return read

    def number(self, name: str) -> int:
        """A number of the path."""
        try:
            return int(self.variables[name])
        except ValueError as error:
            raise not_found() from error

    def run(self) -> RunRecord:
        """The run in the path."""
        wanted = self.number("run_id")
        for run in self.repository.runs:
            if run.run_id == wanted and self.forge.known(run):
                return run
        raise not_found()

    def page(self, items: Sequence[Any], shape: Callable[[Any], Any], key: str = "") -> Answer:
        """One page of a list: an array, or an object with `total_count` and the array under `key`."""
        size = min(100, max(1, self._count("per_page", 30)))
        current = max(1, self._count("page", 1))
        last = max(1, -(-len(items) // size))
        shown = [shape(item) for item in items[(current - 1) * size : current * size]]
        links = []
        places = {"prev": current - 1, "next": current + 1, "last": last, "first": 1}
        for name, place in places.items():
            beyond = current <= 1 if name in ("prev", "first") else current >= last
            if not beyond:
                query = urlencode({**self.query, "page": str(place)})
                links.append(f'<{self.shapes.api}{self.path}?{query}>; rel="{name}"')
        answer = Answer(json={"total_count": len(items), key: shown} if key else shown)
        if links:
            answer.headers["link"] = ", ".join(links)
        return answer

    def _count(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default


Handler: TypeAlias = Callable[[Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the API, by its name in the published description."""

    method: str
    template: str
    handler: Handler
    needs: str = ""
    """`actions:write`: the permission required of a fine-grained token; empty: read access to the repository is enough.
    """
    signed_in: bool = False
    """Whether it is refused to those without a token, even on a public repository."""
