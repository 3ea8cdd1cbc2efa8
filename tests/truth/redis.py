"""Rows of the system `command` over a real product: the example of Redis with Sentinel, with faults in its deployer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.acceptance.harness import Document, validate
from tests.truth.case import Case, Outcome, Planted

EXAMPLE = Path(__file__).parents[2] / "examples" / "redis"
SCRIPT = (EXAMPLE / "cluster.sh").read_text()
SYSTEM: Document = yaml.safe_load((EXAMPLE / "redis.yaml").read_text())["system"]
SOON = {"timeout": 4, "delay": 0.3}
AT_LAST = {"timeout": 30, "delay": 0.3}
"""For what must come: on a busy machine the sentinels take their time."""

P, F, U, L = Planted.CLEAN, Planted.PRODUCT, Planted.TOOL, Planted.LEAK
BEGIN = "nodes="
"""The first line of the script in which a verb is known."""
PRINTED = SCRIPT[SCRIPT.index("inventory)\n") : SCRIPT.index("status) ")]
LOCAL = "ansible_host=127.0.0.1 ansible_connection=local"
FILES = """\
inventory)
    mkdir -p host_vars
    for node in $nodes; do
        echo "redis_port: $(port "$node" redis)" >"host_vars/$node.yml"
        echo "$node ansible_host=127.0.0.1 ansible_connection=local"
    done >hosts.ini
"""
"""The same inventory as a file, with the ports in `host_vars/`."""


def document(*steps: Document | str, **settings: Any) -> Document:
    system = {**copy.deepcopy(SYSTEM), "timeouts": {"deploy": 8}, **settings}
    written = [{"step": step} if isinstance(step, str) else step for step in steps]
    return {"system": system, "test_suites": {"one": {"workflow": written}}}


def does(*words: str) -> Document:
    return {"step": "custom_command", "command": ["./cluster.sh", *words]}


def at_begin(plant: str) -> str:
    return SCRIPT.replace(BEGIN, f"{plant}\n{BEGIN}", 1)


def row(what: str, look: str, planted: Planted, script: str, *steps: Document | str, **more: Any) -> Case:
    assert planted is P or script != SCRIPT or len(steps) > 1, what
    settings: Mapping[str, Any] = more.pop("settings", {})
    return Case(system="command", what=f"Redis: {what}", look=look, planted=planted, files={"cluster.sh": script},
                document=document("deploy", *steps, **settings), backend="redis", **more)  # fmt: skip


def _cases() -> Iterator[Case]:
    up = validate("cluster_status", "data_integrity", retry=AT_LAST)
    crash = {"step": "crash_node", "target_node": "r1", "method": "destroy"}
    without_r1 = validate("cluster_degraded", "node_status:r1:stopped", "data_integrity", retry=AT_LAST)
    yield row("nothing", "after the loss of the primary", P, SCRIPT, up, crash, without_r1)
    yield row("a replica dies by itself", "cluster_status", F, SCRIPT, does("crash", "r2"), validate("cluster_status"))
    yield row("every node says that it is not healthy", "deploy", F, at_begin('[ "$1" != healthy ] || exit 1'))
    flush = 'flush) ask "$(the_primary)" flushall >/dev/null ;;'
    yield row(
        "its data is gone",
        "data_integrity",
        F,
        SCRIPT.replace("primary) the_primary ;;", f"primary) the_primary ;;\n{flush}"),
        does("flush"),
        validate("data_integrity"),
    )
    yield row(
        "a wrong answer",
        "command",
        F,
        SCRIPT.replace('get) ask "$2" get "$3"', "get) echo nothing"),
        does("write", "k", "here"),
        validate({"check": "command", "command": ["./cluster.sh", "get", "r1", "k"], "contains": "here"}),
    )
    yield row(
        "no sentinel chooses another primary",
        "after the loss of the primary",
        F,
        SCRIPT.replace(
            "sentinel failover-timeout redis 3000",
            "sentinel failover-timeout redis 3000\nsentinel down-after-milliseconds redis 600000",
        ),
        up,
        {"step": "custom_command", "id": "before", "command": ["./cluster.sh", "primary"]},
        crash,
        validate(
            {
                "check": "command",
                "command": ["./cluster.sh", "primary"],
                "that": "stdout != steps.before.outputs.stdout",
            },
            retry=SOON,
        ),
    )
    yield row("its server is not installed", "deploy", U, SCRIPT.replace("redis-server ", "no-such-redis-server "))
    yield row(
        "a lock is held while it is looked at",
        "cluster_status",
        U,
        at_begin('[ "$1" != status ] || [ ! -e held ] || { echo "locked by 4711" >&2; exit 1; }'),
        {"step": "custom_command", "command": "touch $deployment_dir/held"},
        validate("cluster_status"),
    )
    yield row("its status is broken JSON", "deploy", U, at_begin("[ $1 != status ] || { echo '{'; exit; }"))
    yield row("its inventory is empty", "deploy", U, SCRIPT.replace(PRINTED, "inventory) ;;\n"))
    yield row(
        "a machine cannot be reached",
        "deploy",
        F,
        SCRIPT.replace(LOCAL, "ansible_host=127.0.0.1 ansible_port=1"),
        right=(Outcome.FAILED, Outcome.UNKNOWN),
    )
    in_files = SCRIPT.replace(PRINTED, FILES + "    cat hosts.ini ;;\n").replace(
        'do start "$node"; done ;;', 'do start "$node"; done\n    "$here" inventory >/dev/null ;;'
    )
    inventory = {"inventory": {"file": "$deployment_dir/hosts.ini"}, "health": {"tcp": "redis"}}
    yield row("host_vars name the ports", "cluster_status", P, in_files, up, settings=inventory)
    yield row(
        "host_vars name a port where nothing listens",
        "deploy",
        F,
        in_files.replace('"redis_port: $(port "$node" redis)"', '"redis_port: 1"'),
        settings=inventory,
    )
    yield row(
        "destroy leaves its servers",
        "destroy",
        L,
        SCRIPT.replace('do end KILL "$node"; rm -rf "$node"; done; rm -f cluster.sh', "do :; done"),
        leaves=True,
        right=(Outcome.LEFT, Outcome.PASSED),
    )


CASES = list(_cases())
