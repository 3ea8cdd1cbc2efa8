"""Rows of the system `command`: what a deployer's status and health say, and what its verbs do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.acceptance.harness import Document, suite, validate
from tests.truth.case import Case, Outcome, Planted
from tests.truth.documents import crossed, says

NODES = ("n11", "n12", "n13")
INI = "".join(f"{name} ansible_connection=local\n" for name in NODES)
"""Three nodes without a way in: only the deployer's health measures them."""


def health(**of: object) -> str:
    """What `health` prints: all are well but those that are named."""
    return says({name: {"db": of.get(name, "ok")} for name in NODES if of.get(name, "ok") != "-"})


def status(state: object, **of: str) -> str:
    return says({"state": state, **({"nodes": of} if of else {})})


WELL = {"status.sh": status("running"), "health.sh": health()}
GONE = {"status.sh": status("destroyed"), "health.sh": health(n11="down", n12="down", n13="down")}
DOWN = health(n11="down", n12="down", n13="down")
OFF = dict.fromkeys(NODES, "stopped")
FLOOD = "head -c 3000000 /dev/zero | tr '\\0' x; "

SYSTEM: Document = {
    "kind": "command",
    "cwd": ".",
    "parameters_as_flags": [],
    "deploy": "cp well/* .",
    "status": "sh ./status.sh",
    "health": "sh ./health.sh",
    "destroy": "cp gone/* .",
    "inventory": {"file": "inventory.ini"},
    "poll": 0.05,
    "timeouts": {"status": 1, "health": 1},
}
DEADLINES = {"deploy": 2, "start": 2, "stop": 2}


def files(**worlds: Mapping[str, str]) -> dict[str, str]:
    """The deployer's answers in each of its worlds: `cp WORLD/* .` goes there."""
    every = {"well": WELL, "gone": GONE, **worlds}
    return {f"{world}/{name}": text for world, texts in every.items() for name, text in texts.items()} | {
        "inventory.ini": INI
    }


def turn(world: str) -> Document:
    """The world turns while the deployment stands."""
    return {"step": "custom_command", "custom_command": f"cp {world}/* .", "description": f"plant {world}"}


def system(*steps: Document | str, more: Mapping[str, Any] | None = None, **settings: Any) -> Document:
    mapping = {key: value for key, value in {**SYSTEM, **settings}.items() if value is not None}
    return suite(*steps, system=mapping, deadlines=DEADLINES, **(more or {}))


LOOKS = {
    name: name
    for name in (
        "cluster_status", "all_nodes_running", "database_running", "database_down",
        "health_status[*].db==ok", "health_status[*].db!=ok", "node_status:n12", "node_status:n12:stopped",
        "cluster_degraded", "cluster_critical", "vms_powered_off", "cluster_status!=running",
    )
}  # fmt: skip

# What the deployer says once its deployment stands, and what each look at it is worth.
WORLDS: dict[str, tuple[tuple[str, str], str]] = {
    "nothing": ((status("running"), health()), "PPPF PFP- F-F-"),
    "the database of one node is down": ((status("degraded"), health(n12="down")), "F-FF F-U- PF--"),
    "every database is down": ((status("critical"), DOWN), "F-FP FP-- -PUP"),
    "status says running, every database is down": ((status("running"), DOWN), "XUFX FP-- -X-X"),
    "status says critical, every database is up": ((status("critical"), health()), "X-XX ---- XXF-"),
    "status says stopped, every database is up": ((status("stopped", **OFF), health()), "XXXF -FXX --XX"),
    "the system is stopped": ((status("stopped", **OFF), DOWN), "FFFP -P-P -FP-"),
    "one machine is terminated": (
        (status("degraded", n11="running", n12="terminated", n13="running"), health(n12="down")), "FFF- F--P P-F-"),
    "status prints no JSON": (("echo '{'", health()), "U--U -U-- ---U"),
    "status has no state": ((says({"db_version": "8.1"}), health()), "UUU- UU-- ----"),
    "status does not end": (("sleep 30", health()), "U--- ---- ---U"),
    "health does not end": ((status("running"), "sleep 30"), "U-U- -U-- ----"),
    "health is killed": ((status("running"), "kill -9 $$"), "UUUU UU-U --UU"),
    "health ends with 3": ((status("running"), f"{health()}; exit 3"), "U-U- -U-- U---"),
    "the program of health is missing": ((status("running"), "no-such-program-of-ours"), "U--U -U-- -U--"),
    "health prints no object": ((status("running"), says(["n11", "n12", "n13"])), "U--- -U-- ---U"),
    "health prints more than is kept": ((status("running"), FLOOD + health()), "U-U- U--- ---U"),
    "health says nothing of one node": ((status("running"), health(n12="-")), "UUU- U-UU XX-X"),
    "health has null for one node": ((status("running"), health(n12=None)), "U--F U--- ---X"),
    "health has n/a for one node": ((status("running"), health(n12="n/a")), "--U- U--- -X--"),
    "health is of other nodes": ((status("running"), says({"n21": {"db": "ok"}})), "UUUX -U-- --UX"),
}  # fmt: skip


def _turned(world: tuple[str, str], check: str) -> dict[str, Any]:
    said, measured = world
    return {
        "files": files(planted={"status.sh": said, "health.sh": measured}),
        "document": system("deploy", turn("planted"), validate(check)),
    }


def _trusting() -> Iterator[Case]:
    """A deployer with a status alone: its word is a report."""
    cases = (
        ("cluster_status", "", Planted.TOOL), ("cluster_status", "suite", Planted.CLEAN),
        ("cluster_status", "check", Planted.CLEAN), ("database_running", "", Planted.TOOL),
        ("database_running", "suite", Planted.CLEAN), ("all_nodes_running", "", Planted.TOOL),
        ("cluster_degraded", "", Planted.PRODUCT), ("cluster_degraded", "suite", Planted.PRODUCT),
        ("cluster_status!=running", "suite", Planted.PRODUCT), ("database_down", "suite", Planted.PRODUCT),
    )  # fmt: skip
    for check, trust, planted in cases:
        look: Any = {"check": check, "trust": "reported"} if trust == "check" else check
        yield Case(
            system="command", what="only status speaks, and says running" + (f", trusted by the {trust}" * bool(trust)),
            look=check, planted=planted, files=files(),
            document=system("deploy", validate(look), health=None,
                            more={"trust": "reported"} if trust == "suite" else {}),
        )  # fmt: skip


def step(what: str, look: str, planted: Planted, document: Document, **more: Any) -> Case:
    more.setdefault("files", files())
    return Case(system="command", what=what, look=look, planted=planted, document=document, **more)


P, F, U, L = Planted.CLEAN, Planted.PRODUCT, Planted.TOOL, Planted.LEAK


def _deploying() -> Iterator[Case]:
    stays = {"files": files(gone=WELL)}
    yield step(
        "the deployer ends with 1",
        "deploy",
        F,
        system("deploy", deploy="echo no such image; exit 1"),
        category="product",
        words="no such image",
    )
    yield step("the deployer ends with 1 after 3 MB", "deploy", F, system("deploy", deploy=FLOOD + "exit 1"))
    yield step("the deployer hangs", "deploy", F, system("deploy", deploy="sleep 60"), category="timeout")
    yield step("the deployer is killed", "deploy", U, system("deploy", deploy="kill -9 $$"))
    yield step("the deployer is ended by SIGTERM", "deploy", U, system("deploy", deploy="kill -TERM $$"))
    yield step("the deployer crashes", "deploy", F, system("deploy", deploy="kill -SEGV $$"))
    yield step("the deployer is missing", "deploy", U, system("deploy", deploy=["no-such-deployer"]))
    yield step("a tool of the deployer is missing", "deploy", U, system("deploy", deploy="no-such-tool-of-ours apply"))
    yield step("the first line of the deployer fails", "deploy", F, system("deploy", deploy="false\ncp well/* ."))
    yield step(
        "the deployer never gets up",
        "deploy",
        F,
        system("deploy", deploy="cp sick/* ."),
        files=files(sick={**WELL, "status.sh": status("starting")}),
        right=(Outcome.FAILED, Outcome.UNKNOWN),
    )
    yield step(
        "every database is down after the deployer's 0",
        "deploy",
        F,
        system("deploy", deploy="cp sick/* ."),
        files=files(sick={"status.sh": status("critical"), "health.sh": DOWN}),
    )
    yield step(
        "status prints no JSON from the start",
        "deploy",
        U,
        system("deploy", deploy="cp sick/* ."),
        files=files(sick={**WELL, "status.sh": "echo '{'"}),
    )
    yield step("the inventory is empty", "deploy", U, system("deploy"), files={**files(), "inventory.ini": "[all]\n"})
    yield step("the inventory is missing", "deploy", U, system("deploy", inventory={"file": "nowhere.ini"}))
    yield step(
        "the inventory is broken",
        "deploy",
        U,
        system("deploy", inventory={"file": "i.json", "format": "json"}),
        files={**files(), "i.json": "{"},
    )
    yield step(
        "the inventory's command is killed",
        "deploy",
        U,
        system("deploy", inventory={"command": "kill -9 $$", "format": "ini"}),
    )
    yield step(
        "the inventory's command ends with 1",
        "deploy",
        U,
        system("deploy", inventory={"command": f"echo '{INI}'; exit 1", "format": "ini"}),
    )
    for name in ("../../n11", "a b", "n11;touch x", "-rf"):
        yield step(
            f"the inventory has a node {name!r}",
            "deploy",
            U,
            system("deploy"),
            files={**files(), "inventory.ini": f'[all]\n"{name}" ansible_connection=local\n'},
        )
    yield step(
        "one node of three is missing",
        "all_nodes_running",
        F,
        system("deploy", validate("all_nodes_running"), more={"parameters": {"cluster_size": 3}}),
        files={**files(), "inventory.ini": "n11 ansible_connection=local\nn12 ansible_connection=local\n"},
    )
    yield step(
        "a node that was named is missing",
        "database_running",
        F,
        system("deploy", validate("database_running"), nodes=[*NODES, "n14"]),
    )
    yield step("init ends with 1", "init", F, system("init", "deploy", init="exit 1"))
    yield step("init is killed", "init", U, system("init", "deploy", init="kill -9 $$"))
    yield step(
        "init ends with 0 and status says error",
        "cluster_status==initialized",
        F,
        system("init", validate("cluster_status==initialized"), init="cp sick/* ."),
        files=files(sick={**GONE, "status.sh": status("error")}),
    )
    yield step(
        "nothing is deployed yet", "database_down", U, system("init", validate("database_down"), init="cp gone/* .")
    )
    yield step(
        "nothing is deployed yet",
        "cluster_status!=running",
        U,
        system("init", validate("cluster_status!=running"), init="cp gone/* ."),
    )
    yield step("only deploy ran", "deploy", P, system("init", "deploy", init="cp gone/* ."))
    yield step("only init ran", "init", Planted.NOTHING, system("init", init="cp gone/* ."))
    yield step("nothing", "destroy", P, system("deploy", "destroy", validate("cluster_status==destroyed")))
    yield step(
        "destroy destroys nothing", "the end of the suite", L, system("deploy", validate("cluster_status")), **stays
    )
    yield step("destroy destroys nothing", "destroy", F, system("deploy", "destroy"), **stays, leaves=True)
    yield step(
        "destroy destroys nothing",
        "cluster_status==destroyed",
        F,
        system("deploy", {"step": "destroy", "allow_failure": True}, validate("cluster_status==destroyed")),
        **stays,
        leaves=True,
    )
    yield step(
        "destroy only says so",
        "destroy",
        F,
        system("deploy", "destroy"),
        leaves=True,
        files=files(gone={**GONE, "health.sh": health()}),
    )
    yield step(
        "destroy only says so",
        "the end of the suite",
        L,
        system("deploy"),
        files=files(gone={**GONE, "health.sh": health()}),
    )
    for end, text in (("with 1", "exit 1"), ("by SIGKILL", "kill -9 $$"), ("too late", "sleep 30"),
                      ("without its tool", "no-such-tool-of-ours")):  # fmt: skip
        yield step(
            f"destroy ends {end}", "the end of the suite", L, system("deploy", destroy=text, timeouts={"destroy": 1})
        )
    yield step(
        "status after destroy prints no JSON, health says down",
        "the end of the suite",
        P,
        system("deploy"),
        files=files(gone={**GONE, "status.sh": "echo '{'"}),
    )


def _power() -> Iterator[Case]:
    halted = {"status.sh": status("stopped", **OFF), "health.sh": DOWN}
    liar = {"status.sh": status("stopped", **OFF), "health.sh": health()}
    stopping = {"stop": "cp halted/* .", "start": "cp well/* ."}
    stopped, started = "stop_cluster", "start_cluster"
    there = files(halted=halted, liar=liar)

    def row(what: str, look: str, planted: Planted, *steps: Document | str, **settings: Any) -> Case:
        return step(what, look, planted, system("deploy", *steps, **{**stopping, **settings}), files=there)

    yield row("nothing", "stop_cluster", P, stopped, validate("vms_powered_off", "cluster_status_stopped"))
    yield row("nothing", "start_cluster", P, stopped, started, validate("cluster_status", "database_running"))
    yield row("stop stops nothing", "stop_cluster", F, stopped, stop="true")
    yield row("stop only says so", "stop_cluster", F, stopped, stop="cp liar/* .")
    yield row("stop ends with 1", "stop_cluster", F, stopped, stop="exit 1")
    yield row("stop is killed", "stop_cluster", U, stopped, stop="kill -9 $$")
    yield row("stop hangs", "stop_cluster", F, stopped, stop="sleep 60")
    yield row("the tool of stop is missing", "stop_cluster", U, stopped, stop="no-such-tool-of-ours")
    yield row("start starts nothing", "start_cluster", F, stopped, started, start="true")
    yield row("start is killed", "start_cluster", U, stopped, started, start="kill -9 $$")
    yield row("it starts by itself", "vms_powered_off", F, stopped, turn("well"), validate("vms_powered_off"))
    yield row("it starts by itself", "database_down", F, stopped, turn("well"), validate("database_down"))
    yield row("it stops by itself", "cluster_status", F, turn("halted"), validate("cluster_status"))
    one: dict[str, Any] = {"stop_node": "cp one/* .", "start_node": "cp well/* ."}
    lame = {
        "status.sh": status("degraded", n11="running", n12="stopped", n13="running"),
        "health.sh": health(n12="down"),
    }
    for what, look, planted, steps, settings in (
        ("nothing", "stop_node", P, ("node_status:n12:stopped", "cluster_degraded"), {}),
        ("stop_node stops nothing", "stop_node", F, (), {"stop_node": "true"}),
        ("stop_node is killed", "stop_node", U, (), {"stop_node": "kill -9 $$"}),
        ("stop_node stops another one", "stop_node", F, (), {"stop_node": "cp other/* ."}),
    ):  # fmt: skip
        checks = [validate(*steps)] if steps else []
        document = system("deploy", {"step": "stop_node", "target_node": "n12"}, *checks, **{**one, **settings})
        other = {"status.sh": status("degraded", n11="stopped", n12="running"), "health.sh": health(n11="down")}
        yield step(what, look, planted, document, files=files(one=lame, other=other))
    for what, planted, text in (("nothing", P, "cp well/* ."), ("start_node starts nothing", F, "true")):
        document = system(
            "deploy",
            {"step": "stop_node", "target_node": "n12"},
            {"step": "start_node", "target_node": "n12"},
            **{**one, "start_node": text},
        )
        yield step(what, "start_node", planted, document, files=files(one=lame))


CASES = [
    *crossed("command", WORLDS, LOOKS, _turned),
    *_trusting(),
    *_deploying(),
    *_power(),
]
