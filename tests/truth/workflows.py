"""Rows of the system `github-actions`: what happens to its workflows, over the GitHub server for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.acceptance.github_cases import CASES as FAULTS
from tests.acceptance.github_project import DEPLOY, REPOSITORY, TEARDOWN, provisioned, scripted, system
from tests.acceptance.github_project import Case as Fault
from tests.acceptance.harness import Document, Project, suite, validate
from tests.truth.case import Case
from tests.truth.documents import LETTERS, command

from seatrial_stand_ins.github import CancelledBySomebody, Fails, GitHubServer, QueuedForEver, Script, TimesOut
from seatrial_stand_ins.github.plants import Plant

Planting = Callable[[GitHubServer], Mapping[str, str] | None]
"""Plants something in a server; variables for the command, where it needs other ones."""


def serving(plant: Planting | None = None, script: Script | None = None) -> Callable[[Project], Any]:
    """A server with the repository, in which something is planted."""

    @contextlib.contextmanager
    def around(project: Project) -> Iterator[Mapping[str, Any]]:
        with GitHubServer(scripted(**({"deploy": script} if script else {})), check_answers=False) as server:
            files = {".github/workflows/deploy.yml": DEPLOY, ".github/workflows/teardown.yml": TEARDOWN}
            server.add_repository(REPOSITORY, files=files)
            env = {
                "GITHUB_API_URL": server.url,
                "GH_TOKEN": server.token,
                "HOME": str(project.folder),
                "GIT_CEILING_DIRECTORIES": str(project.folder.parent),
            }
            yield {"env": {**env, **((plant(server) if plant else None) or {})}}

    return around


def planted(*plants: Plant) -> Planting:
    """All these."""

    def plant(server: GitHubServer) -> None:
        for one in plants:
            server.plant(one)

    return plant


def row(
    what: str,
    look: str,
    letter: str,
    *steps: Document | str,
    around: Any = None,
    settings: Mapping[str, Any] | None = None,
    deadlines: Mapping[str, Any] | None = None,
    **more: Any,
) -> Case:
    kind, right = LETTERS[letter]
    keys: dict[str, Any] = {"deadlines": deadlines} if deadlines else {}
    document = suite(*steps, system=system(**(settings or {})), **keys)
    return Case(system="github-actions", what=what, look=look, planted=kind, right=right, document=document,
                around=around or serving(), **more)  # fmt: skip


def _from(name: str, fault: Fault) -> Case:
    """A fault of the acceptance tests as a row."""
    plants = [*fault.faults("deploy.yml", "provision-output"), *fault.weather(rf"^/repos/{REPOSITORY}/")]
    letter = {"passed": "P", "failed": "F", "unknown": "U"}[fault.verdict]
    settings = {"deploy": fault.deploy} if fault.deploy else {}
    around = serving(planted(*plants), fault.script)
    what = f"the plant {name.replace('_', ' ')}"
    return row(what, "deploy", letter, *fault.steps, category=fault.category, around=around, settings=settings)


def _teardowns() -> Iterator[Case]:
    end, still = "the end of the suite", Fails("teardown.yml", message="the VM is still there")
    short = {"teardown": {"deadlines": {"queue": 1, "run": 2, "visible": 5, "settle": 1}}}
    yield row("the teardown fails", end, "L", "deploy", around=serving(planted(still)))
    yield row("the teardown fails", "destroy", "F", "deploy", "destroy", around=serving(planted(still)), leaves=True)
    once = serving(planted(Fails("teardown.yml", times=1)))
    yield row("the teardown fails once", "destroy", "F", "deploy", "destroy", around=once)
    yield row("the teardown times out", end, "L", "deploy", around=serving(planted(TimesOut("teardown.yml"))))
    never = serving(planted(QueuedForEver("teardown.yml")))
    yield row("the teardown never begins", end, "L", "deploy", around=never, settings=short)
    both = serving(planted(Fails("deploy.yml"), still))
    yield row("deploy and teardown fail", end, "F", "deploy", leaves=True, around=both)
    gone = validate("cluster_status==destroyed")
    yield row("nobody can say what is left", "cluster_status==destroyed", "U", "deploy", "destroy", gone)


def _doors() -> Iterator[Case]:
    def token(**rights: str) -> Any:
        return serving(lambda server: {"GH_TOKEN": server.add_token("ada", permissions=rights)})

    def revoked(server: GitHubServer) -> Mapping[str, str]:
        name = server.add_token("ada")
        server.revoke(name)
        return {"GH_TOKEN": name}

    def stands(server: GitHubServer) -> None:
        run = server.dispatch(REPOSITORY, "deploy.yml", actor="grace")
        server.wait_for(lambda: run.status == "completed")

    nobody = serving(lambda server: {"GITHUB_API_URL": "http://127.0.0.1:1"})
    yield row("the token may not write actions", "deploy", "U", "deploy", around=token(actions="read", contents="read"))
    yield row("the token may not read contents", "deploy", "U", "deploy", around=token(actions="write"))
    yield row("the token is revoked", "deploy", "U", "deploy", around=serving(revoked))
    yield row("nobody listens", "deploy", "U", "deploy", around=nobody)
    yield row("nobody listens", "deploy, with a short deadline", "U", "deploy", around=nobody, deadlines={"deploy": 2})
    yield row("the branch is missing", "deploy", "U", "deploy", settings={"ref": "nowhere"})
    yield row("the workflow is missing", "deploy", "U", "deploy", settings={"deploy": {"workflow": "nowhere.yml"}})
    yield row("somebody else's deployment stands", "deploy", "U", "deploy", around=serving(stands))
    yield row("somebody else's deployment stands", "deploy, replace_existing", "P", "deploy", around=serving(stands),
              settings={"replace_existing": True})  # fmt: skip


def _nodes() -> Iterator[Case]:
    """A deployment that passed, and a node that nobody answers on, or that nobody knows."""
    nodes = {"nodes": {"web": "${{ outputs.web_ip }}"}}
    reached = {**nodes, "ssh": {"accept": True}}
    silent = serving(script=Script(artifacts={"provision-output": {"o.json": {"web_ip": "127.0.0.1:1"}}}))
    unnamed = serving(script=Script(artifacts={"provision-output": {"o.json": {"web_ip": ""}}}))
    tried = {"step": "deploy", "allow_failure": True}
    short = {"deploy": 3}
    for check, letter in (
        ("all_nodes_running", "X"), ("ssh_connectivity", "X"), ("node_status:web:unreachable", "P"),
        ("health_status[web].ssh!=ok", "P"), ("vms_powered_off", "X"),
    ):  # fmt: skip
        yield row("nobody listens on the node", check, letter, tried, validate(check), around=silent, settings=reached,
                  deadlines=short)  # fmt: skip
    yield row("nobody listens on the node", "deploy", "X", "deploy", around=silent, settings=reached, deadlines=short)
    for check in ("all_nodes_running", "cluster_status", "database_running"):
        yield row("the workflow names no address", check, "U", tried, validate(check), around=unnamed,
                  settings=reached, deadlines=short)  # fmt: skip
        yield row("nobody says how to reach a node", check, "U", tried, validate(check), around=silent, settings=nodes,
                  deadlines=short)  # fmt: skip
    size, colour = "${{ steps.deploy.outputs.size }}", "${{ steps.deploy.outputs.colour }}"
    deployed = serving(script=Script(artifacts=provisioned))
    yield row("nothing", "an output", "P", "deploy", command(["test", size, "=", "small"]), around=deployed)
    yield row(
        "the output is another", "an output", "F", "deploy", command(["test", size, "=", "large"]), around=deployed
    )
    yield row("the artifact lacks the output", "an output", "X", "deploy", command(["test", colour, "=", ""]))


def _steps() -> Iterator[Case]:
    step = {"step": "dispatch_workflow", "workflow": "deploy.yml", "repository": REPOSITORY, "ref": "main"}
    fails = serving(planted(Fails("deploy.yml")))
    cancelled = serving(planted(CancelledBySomebody("deploy.yml", after=0.2)), Script(ends=False))
    for what, around, letter, expecting in (
        ("nothing", serving(), "P", "F"), ("it fails", fails, "F", "P"), ("somebody cancels it", cancelled, "U", "U"),
    ):  # fmt: skip
        for look, right, more in (("", letter, {}), (", expect: failure", expecting, {"expect": "failure"})):
            kind, outcomes = LETTERS[right]
            yield Case(system="github-actions", what=what, look="dispatch_workflow" + look, planted=kind,
                       right=outcomes, document=suite({**step, **more}), around=around)  # fmt: skip


CASES = [*(_from(name, fault) for name, fault in FAULTS.items()), *_teardowns(), *_doors(), *_nodes(), *_steps()]
