"""What a deployer, an inventory, a page, a command or a record says is data: templates in it are never filled in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest
from tests.acceptance.harness import Project

HOST, KEY = "hunter2secret", "k3y-of-the-deployer"
EVIL = "${{ env.SHIP_SECRET }} ${{ secrets.SHIP_KEY }} ${{ 1 + 1 }} $deployment_dir ${provider}"

DEPLOYER = f"""
import glob, json, os, shutil, sys
verb, *rest = sys.argv[1:]
with open(os.environ["LOG"], "a") as log:
    log.write(json.dumps([verb, *rest]) + "\\n")
EVIL = {EVIL!r}
if verb == "deploy":
    json.dump([{{"name": "n1", "ansible_connection": "local", "address": EVIL}}], open("inventory.json", "w"))
elif verb == "status":
    state = EVIL if os.path.exists("odd") else "destroyed" if os.path.exists("gone") else "running"
    print(json.dumps({{"state": state, "nodes": {{"n1": "gone" if os.path.exists("gone") else "running"}}}}))
elif verb == "destroy":
    open("gone", "w").close()
elif verb == "health":
    word = "gone" if os.path.exists("gone") else "ok"
    print(json.dumps({{"n1": {{"service": word, EVIL: word}}}}))
    for file in glob.glob(os.environ["PROJECT"] + "/.seatrial/ledger/*"):
        shutil.copy(file, os.environ["PROJECT"] + "/seen-ledger-" + os.path.basename(file))
"""


class Echo(BaseHTTPRequestHandler):
    """Answers with templates, and remembers what it was asked."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        said: list[Any] = self.server.said  # type: ignore[attr-defined]
        said.append([unquote(self.path), dict(self.headers), body])
        text = json.dumps({"told": EVIL, "url": f"/told?{EVIL}"}).encode()
        self.send_response(200)
        self.send_header("X-Told", EVIL)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    made.said = []  # type: ignore[attr-defined]
    thread = Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def document(url: str, folder: Path) -> dict[str, Any]:
    def asked(*words: str) -> list[str]:
        return [sys.executable, str(folder / "deployer.py"), *words]

    def request(path: str, value: str) -> dict[str, Any]:
        return {"url": f"{url}/{path}/{value}", "method": "PUT", "headers": {"X-Sent": value}, "body": value}

    (folder / "says.py").write_text(f"print({EVIL!r}, end='')\n")
    says = [sys.executable, str(folder / "says.py")]
    shows = [sys.executable, "-c", "import sys; print(repr(sys.argv[1:]))"]
    steps: list[Any] = [
        {"step": "custom_command", "id": "said", "custom_command": says},
        {"step": "set", "values": {"v": "${{ steps.said.outputs.stdout }}", "l": ["${{ steps.said.outputs.stdout }}"]}},
        {"step": "deploy"},
        {"step": "stop_node", "target_node": "n1", "allow_failure": True, "timeout": "10s"},
        {"step": "custom_command", "id": "again", "custom_command": [*shows, "${{ vars.v }}", "<${{ vars.l[0] }}>"],
         "env": {"V": "${{ vars.v }}"}, "stdin": "${{ vars.v }}", "outputs": {"size": "size(outputs.stdout)"}},
        {"step": "validate", "checks": [
            {"check": "http", "url": f"{url}/check/${{{{ vars.v }}}}", "headers": {"X-Sent": "${{ vars.v }}"},
             "json": {"sent": "${{ vars.v }}"}, "method": "POST", "that": "json.told == vars.v",
             "then": {"url_from": "json.url", "headers": {"X-Sent": "${{ vars.l[0] }}"}}},
            {"check": "sql", "url": "sqlite://", "query": "SELECT '${{ vars.v }}'", "value": "${{ vars.v }}"},
            "admin_ui_accessible",
        ]},
        {"step": "validate", "checks": ["data_integrity"], "allow_failure": True},
    ]  # fmt: skip
    return {
        "provider": "local",
        "deadlines": {"deploy": "120s", "stop": "6s", "destroy": "120s"},
        "system": {
            "kind": "command",
            "deploy": asked("deploy", "${{ vars.v }}"),
            "destroy": asked("destroy", "${{ vars.v }}", "${{ vars.l[0] }}!"),
            "health": asked("health"),
            "status": asked("status"),
            "stop_node": asked("stop", "${{ node.name }}", "${{ node.address }}"),
            "inventory": {"file": "inventory.json"},
            "env": {"LOG": str(folder / "argv.log"), "PROJECT": str(folder), "KEY": "${{ secrets.SHIP_KEY }}",
                    "V": "${{ vars.v }}"},
            "parameters_as_flags": ["deploy", "destroy"],
            "admin": f"{url}/admin/${{{{ node.name }}}}/${{{{ node.address }}}}",
            "data": {"write": {"http": request("write", "${{ node.address }}")},
                     "read": {"http": request("read", "${{ node.address }}"), "contains": "${{ node.address }}"},
                     "count": 2},
        },
        "parameters": {"flavour": "${{ env.FLAVOUR }}"},
        "test_suites": {"one": {"workflow": steps}},
    }  # fmt: skip


def test_templates_in_values_stay_as_they_are_at_every_door(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "seatrial.toml").write_text("")
    (tmp_path / "deployer.py").write_text(DEPLOYER)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    path = project.write("trial.json", document(url, tmp_path))
    environment = {**project.environment, "SHIP_SECRET": HOST, "SHIP_KEY": KEY, "FLAVOUR": EVIL}
    done = project.seatrial("run", path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = project.results()["results"]
    assert row["verdict"] == "passed", (row, done.stdout, done.stderr)

    calls = [json.loads(line) for line in (tmp_path / "argv.log").read_text().splitlines()]
    assert ["stop", "n1", EVIL] in calls
    assert next(call for call in calls if call[0] == "deploy")[1] == EVIL
    assert [call for call in calls if call[0] == "destroy"][-1][1:] == [EVIL, f"{EVIL}!", "--flavour", EVIL]

    said: list[Any] = server.said  # type: ignore[attr-defined]
    for door in ("check", "told", "admin", "write", "read"):
        assert any(where.startswith(f"/{door}") and EVIL in where for where, _, _ in said), door
    for where, headers, body in said:
        assert EVIL in where
        assert headers.get("X-Sent", EVIL) == EVIL
        assert body in ("", EVIL) or json.loads(body) == {"sent": EVIL}

    everything = [done.stdout, done.stderr, json.dumps(said), json.dumps(calls)]
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert any(file.name.startswith("seen-ledger-") for file in files)
    everything += [file.read_text(errors="replace") for file in files]
    for text in everything:
        assert HOST not in text
        assert KEY not in text
    assert project.left() == []
