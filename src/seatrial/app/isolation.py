"""`check --isolation`: what makes flows collide, in documents, scripts, Makefiles and manifests.

It reads text, line by line, and runs nothing. A line that must stay has `isolation: allow REASON` in a comment, on
itself or on the line above.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from seatrial.app.project import from_here
from seatrial.errors import Problem, UsageError
from seatrial.model.frozen import frozen

SCRIPTS = (".sh", ".bash", ".mk")
DOCUMENTS = (".yaml", ".yml", ".json")
MAKEFILES = ("Makefile", "makefile", "GNUmakefile", "Justfile", "justfile")
SKIPPED = ("node_modules", "vendor", "venv", "site-packages", "testdata")
LARGEST = 1024 * 1024
"""Bytes of a file; larger ones are data."""

_ALLOW = re.compile(r"isolation: allow \S")
_FILLED = re.compile(r"\$|\{\{")
"""A part that differs between trials: a variable or a template."""
_RUN = re.compile(r"E2E_RUN_ID|SEATRIAL_(?:RUN|TRIAL)_ID|(?:run|trial)\.id")


@frozen
class Rule:
    """One way to collide, in one line."""

    pattern: re.Pattern[str]
    """Its group `what` is the part in the message; a match with a variable or a template in it is fine."""
    message: str
    hint: str
    unless: re.Pattern[str] = _FILLED
    """In `what`: then it is fine."""
    not_with: str = ""
    """Text in the line: then it is fine."""
    of_host: bool = False
    """Whether it is about this machine, so that the inside of a container is fine."""


def _rule(
    pattern: str, message: str, hint: str, *,
    unless: re.Pattern[str] = _FILLED, not_with: str = "", of_host: bool = False,
) -> Rule:  # fmt: skip
    return Rule(
        pattern=re.compile(pattern), message=message, hint=hint, unless=unless, not_with=not_with, of_host=of_host
    )


_NAME = r"""["']?(?P<what>[^\s"';&|)]+)"""

RULES = (
    _rule(
        r"""(?<![\w$}{/.-])(?P<what>/(?:var/)?tmp/[^\s"'`;&|),:\]}]+)""",
        "the fixed temporary file {what}: two trials write to the same one",
        'write "$TMPDIR/NAME", or a folder by `mktemp -d`: commands of a trial have a TMPDIR of their own',
        not_with="mktemp",
        of_host=True,
    ),
    _rule(
        r"(?P<what>\b(?:pkill|killall)\s.*\S)",
        "`{what}` ends processes of other trials",
        'end your own by its number: `kill "$pid"`; or describe the program as a service (`services:`)',
        unless=_RUN,
    ),
    _rule(
        r"(?P<what>\bgit\s+(?:-C\s+\S+\s+)?config\s+--(?:global|system))",
        "`{what}` changes the settings of every trial, and yours",
        "write `git -c NAME=VALUE COMMAND`, or `git config --local` in a clone; commands of a trial have settings of "
        "their own for `--global` (GIT_CONFIG_GLOBAL), from Git 2.32 on",
    ),
    _rule(
        r"\b(?:kubectl|helm|oc|flux|kustomize)\b.*?\s(?:-n|--namespace)[\s=]" + _NAME,
        "the fixed namespace {what!r}",
        'write `-n "$E2E_TEST_NAMESPACE"`: each trial has its own',
    ),
    _rule(
        r"\bkubectl\b.*\bdelete\b.*?\s(?P<what>--all(?:-namespaces)?|-A)(?=[\s=;&|]|$)",
        "`kubectl delete … {what}` removes objects of other trials",
        'name the objects, or select yours: -l "LABEL=$E2E_RUN_ID"',
    ),
    _rule(
        r"\bkubectl\b.*\bdelete\b.*?\s(?:-l|--selector)[\s=]" + _NAME,
        "`kubectl delete` by the label {what!r} removes objects of other trials",
        'add the trial to the selector: -l "…,LABEL=$E2E_RUN_ID"',
    ),
    _rule(
        r"\b(?P<what>delete\s+(?:crds?|customresourcedefinitions?)\b)",
        "`{what}` removes the objects of all trials with it",
        "leave definitions to Seatrial: the last trial that uses one removes it",
        unless=_RUN,
    ),
    _rule(
        r"\b(?:docker|podman)\b.*\s(?:-p|--publish)[\s=]" + r"""["']?(?P<what>(?:[\d.]+:)?[1-9]\d*):\d+""",
        "the fixed port {what} of this machine",
        "publish a free one (`-p 127.0.0.1::PORT`), or describe it as a service (`services:`)",
    ),
    _rule(
        r"\bkubectl\b.*\bport-forward\b.*?\s(?P<what>[1-9]\d*)(?::\d+)?(?=[\s;&|]|$)",
        "a port-forward on the fixed port {what}",
        "describe it as a service (`services:`): all trials share it at `${{{{ services.NAME.url }}}}`",
    ),
    _rule(
        r"(?P<what>\bhostPort:\s*[1-9]\d*|\bnodePort:\s*[1-9]\d*)",
        "`{what}`: one trial at a time can have this port",
        "leave it out, and use a port-forward or a Service",
    ),
    _rule(
        r"(?P<what>/api/v1/query(?:_range)?\b.*)",
        "a query of Prometheus without the trial's label sees the metrics of other trials",
        "use the check `prometheus`, which adds the label, or write {{e2e_run_id=\"$E2E_RUN_ID\"}} in each selector",
        unless=_RUN,
    ),
)  # fmt: skip

CLUSTER_SCOPED = frozenset({
    "APIService", "ClusterRole", "ClusterRoleBinding", "IngressClass", "MutatingWebhookConfiguration", "Namespace",
    "PersistentVolume", "PriorityClass", "StorageClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
})  # fmt: skip

_OF_CONTAINERS = re.compile(r"(?P<indent>\s*(?:- )?)(?:patches|patch|set):(?:\s|$)")
"""A key for patches of objects, or for the values of a chart."""
_KIND = re.compile(r"kind:\s*[\"']?(\w+)")
_METADATA = re.compile(r"metadata:\s*(?:#.*)?$")
_FIELD = re.compile(r"(\s+)(name|namespace):\s*[\"']?([^\s\"'#]+)")


def scan(paths: Sequence[Path], project: Path) -> tuple[list[Problem], int]:
    """Every collision in these files and folders (default: the project), and the number of files. UsageError for a path
    that does not exist."""
    problems: list[Problem] = []
    files = list(dict.fromkeys(_files(paths or [project])))
    for file in files:
        try:
            if file.stat().st_size > LARGEST:
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"could not read {file}: {error.strerror}") from error
        problems += _in_text(file, text)
    return problems, len(files)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            for file in sorted(path.resolve().rglob("*")):
                inner = file.relative_to(path.resolve()).parts
                skipped = any(part.startswith(".") or part in SKIPPED for part in inner)
                if not skipped and file.is_file() and _is_read(file):
                    yield file
        elif path.is_file():
            yield path.resolve()
        else:
            raise UsageError(f"{path}: file not found")


def _is_read(file: Path) -> bool:
    return file.suffix in (*SCRIPTS, *DOCUMENTS) or file.name in MAKEFILES


def _in_text(file: Path, text: str) -> Iterator[Problem]:
    name, lines = str(from_here(file)), text.splitlines()
    in_cluster = _for_a_cluster(file, lines) if file.suffix in DOCUMENTS else frozenset()

    def allowed(at: int) -> bool:
        return any(_ALLOW.search(line) for line in lines[max(0, at - 1) : at + 1])

    for at, line in enumerate(lines):
        if line.lstrip().startswith("#") or allowed(at):
            continue
        for rule in RULES:
            for match in rule.pattern.finditer(line):
                what = match["what"]
                if rule.unless.search(what) or (rule.not_with and rule.not_with in line):
                    continue
                if rule.of_host and at in in_cluster and not _of_host(lines, at):
                    continue
                column = match.start("what") + 1
                yield Problem(name, at + 1, column, rule.message.format(what=what.strip()), rule.hint.format())
    if file.suffix in DOCUMENTS:
        yield from _in_manifests(name, lines, allowed)


def _for_a_cluster(file: Path, lines: Sequence[str]) -> frozenset[int]:
    """The numbers of the lines whose paths are those of containers: all of a file with objects of Kubernetes and of a
    part of a chart; else the patches of an overlay, and the values of a chart."""
    starts = {line.partition(":")[0] for line in lines if line[:1].isalpha()}
    if {"apiVersion", "kind"} <= starts or any((folder / "Chart.yaml").is_file() for folder in file.parents[:4]):
        return frozenset(range(len(lines)))
    found: set[int] = set()
    depth: int | None = None  # that of the key whose lines these are
    for at, line in enumerate(lines):
        if line.strip() and depth is not None and not _is_below(line, depth):
            depth = None
        if depth is None and (match := _OF_CONTAINERS.match(line)):
            depth = len(match["indent"])
        if depth is not None:
            found.add(at)
    return frozenset(found)


def _is_below(line: str, depth: int) -> bool:
    """Whether a line belongs to a key at this depth; the items of a list may stand below the key itself."""
    inner = len(line) - len(line.lstrip())
    return inner > depth or (inner == depth and line.lstrip().startswith("- "))


def _of_host(lines: Sequence[str], at: int) -> bool:
    """Whether a line is the path of a `hostPath`, which is one of a node."""
    return any("hostPath" in line for line in lines[max(0, at - 2) : at + 1])


def _in_manifests(name: str, lines: Sequence[str], allowed: Callable[[int], bool]) -> Iterator[Problem]:
    """Objects of a cluster with a fixed name or namespace: by lines: templates of Helm are not YAML."""
    kind, in_metadata, depth, is_object = "", False, "", False
    for at, line in enumerate(lines):
        if line.startswith("---"):
            kind, in_metadata, is_object = "", False, False
        elif line.startswith("apiVersion:"):
            is_object = True
        elif match := _KIND.match(line):
            kind = match[1]
        elif line[:1].strip():
            in_metadata, depth = bool(_METADATA.match(line)), ""
        elif in_metadata and is_object and line.strip():
            depth = depth or line[: len(line) - len(line.lstrip())]
            match = _FIELD.match(line)
            if match is None or match[1] != depth or _FILLED.search(match[3]) or allowed(at):
                continue
            column = match.start(3) + 1
            if match[2] == "namespace":
                yield Problem(
                    name, at + 1, column, f"an object in the fixed namespace {match[3]!r}",
                    "leave `namespace` out, and apply it to the trial's own",
                )  # fmt: skip
            elif kind == "CustomResourceDefinition":
                yield Problem(
                    name, at + 1, column, f"the CustomResourceDefinition {match[3]} is shared by all trials",
                    "install it once for all (a service with `start`), or take turns: `exclusive` with a `reason`",
                )  # fmt: skip
            elif kind in CLUSTER_SCOPED:
                yield Problem(
                    name, at + 1, column, f"the {kind} {match[3]!r} belongs to the whole cluster, and has a fixed name",
                    "put the trial's id into the name: $E2E_RUN_ID, or a template of your chart",
                )  # fmt: skip
