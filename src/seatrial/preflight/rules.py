"""Rules between the parts of a pipeline: valid names, needs without cycles, a budget large enough for each check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from seatrial.errors import nearest
from seatrial.loading.merge.matrix import expand
from seatrial.loading.read.positions import Place
from seatrial.model.graph import closure, cycle
from seatrial.preflight.cache.patterns import MOST, alternatives
from seatrial.preflight.document import Check, Limits, Pipeline, SecretSource, Service, Stage
from seatrial.preflight.job import row_name
from seatrial.preflight.problem_matchers import MATCHERS

Broken = Iterator[tuple[Place, str, str]]
"""The place in the pipeline, the problem, and the hint."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLES = re.compile(r"(?!\d)(?:[A-Za-z0-9_*?]|\[!?[A-Za-z0-9_-]+\])+")

OF_THE_RUN = ("whole", "only", "from", "changed_since")
"""Names the run itself records beside the pipeline's parameters."""


def broken(pipeline: Pipeline, source: Path) -> Broken:
    """All broken rules of a pipeline with well-formed values."""
    if not source.is_dir():
        yield ("source",), f"the folder {str(source)!r} does not exist", "the path is relative to the document's folder"
    if not pipeline.stages:
        yield ("stages",), "the pipeline has no stages", "add a stage with at least one check"
    yield from _needs(pipeline.stages, ("stages",), "stage")
    for name, stage in pipeline.stages.items():
        place: Place = ("stages", name)
        if not stage.checks:
            yield (*place, "checks"), "the stage has no checks", "write `checks:` with a name for each"
        yield from _needs(stage.checks, (*place, "checks"), "check", beside=pipeline.stages)
        yield from _variables(stage.env, (*place, "env"))
        for check_name, check in stage.checks.items():
            yield from _check(pipeline, check, (*place, "checks", check_name))
    for name, service in pipeline.services.items():
        yield from _service(service, ("services", name))
        if not _HOST.fullmatch(name):
            hint = "allowed: letters, digits and dashes, at most 63; checks use it as a host name"
            yield ("services", name), f"invalid service name {name!r}", hint
    for name, folder in pipeline.caches.items():
        if not _NAME.fullmatch(name):
            yield ("caches", name), f"invalid cache name {name!r}", "allowed: letters, digits, _, - and ."
        if not PurePosixPath(folder).is_absolute() or ":" in folder:
            hint = "write the absolute path, for example /root/.cache/pip"
            yield ("caches", name), f"{folder!r} is not a folder of a container", hint
    yield from _variables(pipeline.parameters, ("parameters",), "expressions cannot use the name")
    for name in OF_THE_RUN:
        if name in pipeline.parameters:
            yield ("parameters", name), f"the run itself uses the name {name!r}", "use another name"
    yield from _limits(pipeline.budget)
    for at, name in enumerate(pipeline.secrets.required):
        if not _VARIABLE.fullmatch(name):
            yield ("secrets", "required", at), f"invalid secret name {name!r}", "allowed: letters, digits and _"
    for at, origin in enumerate(pipeline.secrets.from_):
        if isinstance(origin, SecretSource) and bool(origin.file) == bool(origin.command):
            hint = "write exactly one of them"
            yield ("secrets", "from", at), "a source needs either a `file` or a `command`", hint
    yield from _variables(pipeline.env, ("env",))


def names(raw: Mapping[str, object]) -> Broken:
    """All invalid names of stages and checks (for a command line), whatever other problems there are."""
    stages = raw.get("stages")
    for stage, one in stages.items() if isinstance(stages, Mapping) else ():
        yield from _named(stage, ("stages", stage), "stage")
        checks = one.get("checks") if isinstance(one, Mapping) else None
        for check in checks if isinstance(checks, Mapping) else ():
            yield from _named(check, ("stages", stage, "checks", check), "check")


def _named(name: str, place: Place, what: str) -> Broken:
    if not _NAME.fullmatch(name):
        yield place, f"invalid {what} name {name!r}", "allowed: letters, digits, _, - and .; no spaces"


def _variables(named: Iterable[str], place: Place, what: str = "invalid environment variable name") -> Broken:
    for name in named:
        if not _VARIABLE.fullmatch(name):
            yield (*place, name), f"{what} {name!r}", "allowed: letters, digits and _"


def _check(pipeline: Pipeline, check: Check, place: Place) -> Broken:
    yield from _function(check, place)
    if check.image and check.build is not None:
        yield (*place, "build"), "`image` and `build` exclude each other", "keep one of them"
    yield from _uses(pipeline, check, place)
    yield from _services(pipeline, check, place)
    if check.artifacts and check.contained and not check.copied:
        hint = "leave `source` out: it then gets a copy of the sources"
        yield (*place, "artifacts"), "a container cannot write into sources that are mounted read-only", hint
    if check.problems and check.problems not in MATCHERS:
        yield (*place, "problems"), f"unknown tool {check.problems!r}", nearest(check.problems, MATCHERS)
    for code in check.pass_exit_codes:
        if not code.isdecimal() or int(code) > 255:
            hint = "allowed: a number from 0 to 255, in quotes"
            yield (*place, "pass_exit_codes", code), f"invalid exit code {code!r}", hint
    if not check.passing:
        yield (*place, "expect_exit_code"), "the list is empty: no exit code could pass", ""
    for at, pattern in enumerate(check.artifacts):
        if not pattern or _leads_out(pattern):
            yield (*place, "artifacts", at), f"{pattern!r} leads out of the check's folder", "name files inside it"
    if "${{" not in check.cwd and _leads_out(check.cwd):
        yield (*place, "cwd"), f"{check.cwd!r} leads out of the source", "name a folder inside it"
    yield from _variables(check.env, (*place, "env"))
    for at, name in enumerate(check.env_inputs):
        if "${{" not in name and not _VARIABLES.fullmatch(name):
            hint = "allowed: a name of letters, digits and _, or a pattern with * and ?, for example `VITE_*`"
            yield (*place, "env_inputs", at), f"no environment variable can have the name {name!r}", hint
    for at, pattern in enumerate(check.inputs):
        if "${{" not in pattern and len(alternatives(pattern)) > MOST:
            yield (*place, "inputs", at), f"its braces make more than {MOST} patterns", "write shorter patterns"
    yield from _matrix(check, place)
    for key, limit in (("cpus", pipeline.budget.cpus), ("memory_gb", pipeline.budget.memory_gb)):
        wanted: float = getattr(check, key) or 0.0
        if wanted < 0:
            yield (*place, key), f"{wanted:g} is negative", "allowed: a number from 0"
        if limit is not None and wanted > limit:
            hint = f"raise the budget or lower this value: budget.{key} is {limit:g}"
            yield (*place, key), f"the check needs {wanted:g}, more than the budget of all checks", hint


def _function(check: Check, place: Place) -> Broken:
    if check.function is None:
        if not check.run:
            hint = "write a command under `run`, or a function of a Dagger module under `function`"
            yield place, "a check needs a `run`", hint
        if check.executor is not None and not check.contained:
            hint = "give it an `image`, or leave `executor` out: it runs on this host"
            yield (*place, "executor"), "`executor` needs an image", hint
        return
    for key in ("run", "image", "build", "services", "tools"):
        if getattr(check, key):
            yield (*place, key), f"`function` and `{key}` exclude each other", "the module decides what it needs"
    if check.executor == "containers":
        yield (*place, "executor"), "only Dagger can call a function of a Dagger module", "leave `executor` out"
    if _leads_out(check.function.module):
        hint = "name a folder inside it"
        yield (*place, "function", "module"), f"{check.function.module!r} leads out of the source", hint


def _leads_out(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts


def _services(pipeline: Pipeline, check: Check, place: Place) -> Broken:
    earlier = _earlier(pipeline, place) if check.returned_services else []
    for at, name in enumerate(check.services):
        here: Place = (*place, "services", at)
        if "/" not in name:
            if name not in pipeline.services:
                hint = nearest(name, pipeline.services, what="services of this pipeline")
                yield here, f"unknown service {name!r}", hint
            continue
        if name not in earlier:
            hint = nearest(name, earlier, what="checks before it")
            yield here, f"the check {name!r} does not end before this one", hint
            continue
        other, host = pipeline.checks[name], name.partition("/")[2]
        if other.function is None or other.matrix:
            hint = "name a check with a `function` and without a `matrix`"
            yield here, f"the check {name!r} returns no service", hint
        if not _HOST.fullmatch(host):
            hint = "allowed: letters, digits and dashes, at most 63"
            yield here, f"{host!r} cannot be the host name of a service", hint
        if not check.contained or check.executor == "containers":
            hint = "give it an `image`, and `executor: dagger`"
            yield here, "only a check in Dagger reaches a service of a Dagger module", hint
    for host, times in Counter(name.rpartition("/")[2] for name in check.services).items():
        if times > 1:
            yield (*place, "services"), f"several services have the host name {host!r}", "rename one of them"


def _earlier(pipeline: Pipeline, place: Place) -> list[str]:
    """The checks that end before the check at a place."""
    stage, name = str(place[1]), str(place[3])
    stages = closure(stage, {other: one.needs for other, one in pipeline.stages.items()})
    within = closure(name, {other: one.needs for other, one in pipeline.stages[stage].checks.items()})
    return [id for id in pipeline.checks if id.partition("/")[0] in stages or id.removeprefix(f"{stage}/") in within]


def _uses(pipeline: Pipeline, check: Check, place: Place) -> Broken:
    if not check.uses:
        return
    earlier = _earlier(pipeline, place)
    for at, used in enumerate(check.uses):
        here: Place = (*place, "uses", at)
        if used not in earlier:
            hint = nearest(used, earlier, what="checks before it")
            yield here, f"the check {used!r} does not end before this one", hint
            continue
        other = pipeline.checks[used]
        if not other.artifacts:
            yield here, f"{used} has no artifacts", "declare them there: `artifacts: [...]`"
        if "${{" in other.cwd:
            yield here, f"the folder of {used} is known only at runtime", "write its `cwd` without `${{ }}`"
    if check.contained and not check.copied:
        hint = "leave `source` out: the artifacts are put into a copy of the sources"
        yield (*place, "uses"), "artifacts cannot be added to sources mounted read-only", hint


def _matrix(check: Check, place: Place) -> Broken:
    yield from _variables(check.matrix, (*place, "matrix"), "expressions cannot use the name")
    for name, values in check.matrix.items():
        for at, value in enumerate(values):
            if isinstance(value, Mapping | list | tuple):
                yield (*place, "matrix", name, at), "a matrix value must be text, a number or a boolean", ""
    try:
        rows = [row_name(row) for row in expand({name: list(v) for name, v in check.matrix.items()}, "full")]
    except ValueError as error:
        yield (*place, "matrix"), str(error).replace("the parameter", "the name"), ""
        return
    for row in sorted(row for row, times in Counter(rows).items() if times > 1):
        hint = 'each row is a check named by its values: `1` and `"1"` look alike'
        yield (*place, "matrix"), f"two rows have the name {row}", hint


def _service(service: Service, place: Place) -> Broken:
    if not service.image and service.host is None:
        yield place, "a service needs an `image` or programs under `host`", "write at least one of them"
    health = service.health
    if health is not None and sum(map(bool, (health.command, health.tcp, health.http))) != 1:
        yield (*place, "health"), "`health` needs exactly one of `command`, `tcp` and `http`", "keep one"
    if health is not None and health.tcp and health.tcp not in service.ports:
        hint = nearest(health.tcp, service.ports, what="its ports")
        yield (*place, "health", "tcp"), f"unknown port {health.tcp!r}", hint
    for name, port in service.ports.items():
        if not 0 < port < 65536:
            yield (*place, "ports", name), f"invalid port {port}", "allowed: 1 to 65535"


def _limits(limits: Limits) -> Broken:
    if limits.parallel is not None and limits.parallel < 1:
        yield ("budget", "parallel"), f"invalid limit {limits.parallel}", "allowed: a whole number from 1"
    for key, value in (("cpus", limits.cpus), ("memory_gb", limits.memory_gb)):
        if value is not None and value <= 0:
            yield ("budget", key), f"invalid limit {value:g}", "allowed: a number above 0"


def _needs(
    named: Mapping[str, Stage] | Mapping[str, Check], place: Place, what: str, beside: Mapping[str, Stage] | None = None
) -> Broken:
    unknown = [
        (name, at, need) for name, one in named.items() for at, need in enumerate(one.needs) if need not in named
    ]
    for name, at, need in unknown:
        hint = nearest(need, named, what=f"other {what}s")
        stage = need.partition("/")[0]
        if beside is not None and stage in beside:
            hint = f"to wait for another stage, write `needs: [{stage}]` at the stage"
        yield (*place, name, "needs", at), f"unknown {what} {need!r}", hint
    circle = [] if unknown else cycle({name: one.needs for name, one in named.items()})
    if circle:
        way = " -> ".join(circle)
        yield (*place, circle[0], "needs"), f"cycle in the needs of {what}s: {way}", "remove one of these needs"
