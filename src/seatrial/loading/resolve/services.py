"""The shared services of a suite: those its document names, those its expressions use, and those they need."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial import expressions
from seatrial.errors import nearest
from seatrial.loading.merge.levels import Merged, merge, outermost
from seatrial.loading.read.positions import Place, texts_at
from seatrial.loading.settings import Settings
from seatrial.loading.site import Located, Problems
from seatrial.model.scenario import Location, ServicePlan
from seatrial.model.service import Service

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

ROOTS = ("env", "secrets", "service", "services")
"""The first words of expressions in a service."""

ARGUMENTS = (
    "command", "start", "stop", "prepare", "kustomize", "charts", "kubeconfig", "context", "namespace",
)  # fmt: skip
"""Keys with arguments of programs."""


@dataclass(slots=True)
class Services:
    """The services of all suites; each definition is checked once."""

    settings: Settings
    problems: Problems
    environ: Mapping[str, str]
    _secrets: dict[int, tuple[Service, tuple[str, ...]]] = field(default_factory=dict)
    """The secrets of each checked definition, by its identity."""

    def known(self, merged: Merged) -> dict[str, Service]:
        """All services that a suite may use: the project's, overridden by those of its document."""
        own = {name: service for name, service in (merged.get("services") or {}).items() if service is not None}
        return {**self.settings.value("services"), **own}

    def plans(self, merged: Merged, used: Iterable[str]) -> tuple[ServicePlan, ...]:
        """The services of a suite, each after those it needs; empty if one is invalid."""
        known, before = self.known(merged), self.problems.count
        named = merged.get("services") or {}
        for name in named:
            if name not in known:
                document, place = merged.where("services", name)
                hint = f"define it here or in [services.{name}] of seatrial.toml; {nearest(name, known)}"
                self.problems.add(document, place, f"the service {name!r} is not defined", hint, key=True)
        plans: dict[str, ServicePlan] = {}
        for name in [*named, *sorted(set(used) - set(named))]:
            self._add(merged, name, known, plans, ())
        return tuple(plans.values()) if self.problems.count == before else ()

    def check(self) -> tuple[ServicePlan, ...]:
        """Check every service of the settings, used by a suite or not; returns them as for a suite that uses all."""
        return self.plans(merge([outermost(self.settings)]), self.settings.value("services"))

    def _add(
        self, merged: Merged, name: str, known: Mapping[str, Service], plans: dict[str, ServicePlan],
        above: tuple[str, ...],
    ) -> None:  # fmt: skip
        if name in plans or name not in known:
            return
        document, place = self._where(merged, name)
        if name in above:
            way = " -> ".join((*above[above.index(name) :], name))
            self.problems.add(document, (*place, "needs"), f"the services need each other in a loop: {way}")
            return
        service = known[name]
        for at, need in enumerate(service.needs):
            if need not in known:
                hint = nearest(need, known, what="services")
                self.problems.add(document, (*place, "needs", at), f"unknown service {need!r}", hint)
            self._add(merged, need, known, plans, (*above, name))
        path = getattr(document, "path", None)
        folder = Path(path).parent.resolve() if path is not None else self.settings.folder
        source = Location(file=document.file, path=place)
        if service.kind == "kubernetes" or service.forward is not None:
            for path, message, hint in _cluster_problems(service, folder, self.environ):
                self.problems.add(document, (*place, *path), message, hint)
        secrets = self._checked(name, service, document, place, _with_secret_urls(known))
        plans[name] = ServicePlan(name=name, service=service, folder=folder, source=source, secrets=secrets)

    def _where(self, merged: Merged, name: str) -> tuple[Located, Place]:
        if (merged.get("services") or {}).get(name) is not None:
            return merged.where("services", name)
        return self.settings, ("services", name)

    def _checked(
        self, name: str, service: Service, document: Located, place: Place, with_secrets: frozenset[str]
    ) -> tuple[str, ...]:
        """Check the name and the expressions of a definition; returns the names of its secrets."""
        if id(service) in self._secrets:
            return self._secrets[id(service)][1]
        if not NAME.fullmatch(name):
            hint = "allowed: a small letter, then small letters, digits and dashes, at most 40"
            self.problems.add(document, place, f"invalid name of a service {name!r}", hint, key=True)
        scope = expressions.Scope(extras=("service",), services=frozenset(service.needs), environment=self.environ)
        for text, where in texts_at(dataclasses.asdict(service), place):
            paths = [path for formula in expressions.expressions(text) for path in expressions.references(formula)]
            alien = sorted({str(path[0]) for path in paths} - set(ROOTS))
            here = "in a service: only env, secrets, service and the services that it needs"
            wrong = [(f"`{root}` cannot be used here", here) for root in alien]
            wrong = wrong or expressions.check_template(text, scope)
            own = ("services", name, "url")
            hidden = any(_is_secret(own if path[:2] == ("service", "url") else path, with_secrets) for path in paths)
            if hidden and _is_argument(where[len(place) :]):
                why = "a secret in an argument can be read by every user of this machine"
                wrong.append((why, "put it into `env` or `files`, or into `set` of a chart"))
            for message, hint in wrong:
                self.problems.add(document, where, message, hint)
        made = tuple(sorted(scope.secrets))
        self._secrets[id(service)] = (service, made)
        return made


def _cluster_problems(
    service: Service, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[Place, str, str]]:
    """What can be refused before the run of a service in a cluster or of a forward into one: place, message, hint."""
    from seatrial.links.kubernetes.deploying import problems
    from seatrial.links.kubernetes.forwarding import target

    forward = service.forward
    if forward is not None and not expressions.templated(forward.to):
        try:
            target(forward.to)
        except ValueError as error:
            yield ("forward", "to"), str(error), ""
    if service.kind == "kubernetes":
        for path, message, hint in problems.problems(service, folder, environment):
            yield tuple(int(part) if part.isdigit() else part for part in path), message, hint
    elif forward is not None:
        for path, message, hint in problems.of_context(forward.kubeconfig, forward.context, folder, environment):
            yield ("forward", *path), message, hint


def _is_argument(below: Place) -> bool:
    """Whether what is at this place of a definition becomes an argument of a program."""
    if below[0] == "charts" and "set" in below[2:3]:
        return False
    return below[0] in ARGUMENTS or below[:2] == ("health", "command")


def _with_secret_urls(known: Mapping[str, Service]) -> frozenset[str]:
    """The services with a secret in their URL, of their own or of a service that they need."""
    paths = {name: expressions.names_in([service.url or service.endpoint]) for name, service in known.items()}
    secret: frozenset[str] = frozenset()
    while more := {name for name in paths if any(_is_secret(path, secret) for path in paths[name])} - secret:
        secret |= more
    return secret


def _is_secret(path: tuple[str | int, ...], with_secrets: frozenset[str]) -> bool:
    return path[0] == "secrets" or (path[0] == "services" and path[1:3] in {(name, "url") for name in with_secrets})
