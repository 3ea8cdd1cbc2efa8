"""A call of a method, and the methods by their names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial_stand_ins.gcp.cloud import Cloud, Thing
from seatrial_stand_ins.gcp.filters import parsed
from seatrial_stand_ins.gcp.operations import Operations, Work
from seatrial_stand_ins.gcp.refusals import Refused, invalid, not_allowed

MOST = 500


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of a method."""

    method: str
    path: str
    """Below `/compute/v1/`."""
    place: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]
    cloud: Cloud
    operations: Operations
    user: str

    @property
    def target(self) -> Thing:
        """The resource that the path names."""
        if self.method.endswith((".get", ".delete")):
            return self.cloud.get(self.path)
        return self.cloud.get(self.path.rpartition("/")[0])

    def need(self, right: str) -> None:
        """Refused without this permission."""
        if right in self.cloud.plants.rights_missing:
            raise not_allowed(right, self.path)

    def begin(self, target: Thing, work: Work) -> dict[str, Any]:
        """Start an operation; its first answer."""
        request = self.query.get("requestId", "")
        return dict(self.operations.begin(self.method, target, request, self.user, work).document)

    def listed(self, things: Iterable[Thing], kind: str) -> dict[str, Any]:
        """One page of those that the filter takes."""
        page, token = self.page(things)
        following = {"nextPageToken": token} if token else {}
        items = {"items": [thing.document for thing in page]} if page else {}
        return {"kind": kind, "id": self.path, **items, **following, "selfLink": self.cloud.link(self.path)}

    def page(self, things: Iterable[Thing]) -> tuple[list[Thing], str]:
        """One page, and the token of the next."""
        test = parsed(self.query.get("filter", ""))
        chosen = [thing for thing in things if test(thing.document)]
        size, token = int(self.query.get("maxResults", MOST)), self.query.get("pageToken", "")
        if not 0 <= size <= MOST:
            raise invalid("maxResults", size, f"Must be at most {MOST}")
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except ValueError:
            raise invalid("pageToken", token, "Invalid page token") from None
        rest = [thing for thing in chosen if thing.path > after]
        page = rest[: size or MOST]
        more = base64.urlsafe_b64encode(page[-1].path.encode()).decode() if len(rest) > len(page) else ""
        return page, more


Answer = Callable[[Call], Awaitable[dict[str, Any]]]

METHODS: dict[str, Answer] = {}
"""By their names, `instances.insert`."""


def method(*names: str) -> Callable[[Answer], Answer]:
    """Register the function of these methods."""

    def registered(answer: Answer) -> Answer:
        METHODS.update(dict.fromkeys(names, answer))
        return answer

    return registered


def require_name(name: object) -> str:
    """Refused for an invalid name."""
    text = str(name or "")
    if not re.fullmatch(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", text):
        pattern = "'(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'"
        raise invalid("resource.name", text, f"Must be a match of regex {pattern}")
    return text


def require_labels(labels: Mapping[str, str]) -> None:
    """Refused for labels that Google does not take."""
    for key, value in labels.items():
        if not re.fullmatch(r"[a-z][-_a-z0-9]{0,62}", key) or not re.fullmatch(r"[-_a-z0-9]{0,63}", value):
            raise invalid("resource.labels", "", f"Label '{key}:{value}' violates format constraints")


def fingerprint(values: object) -> str:
    """Of labels or metadata: who changes them has to know it."""
    digest = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).digest()
    return base64.urlsafe_b64encode(digest).decode()


def require_fingerprint(given: str, current: str) -> None:
    if given != current:
        raise Refused(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed")
