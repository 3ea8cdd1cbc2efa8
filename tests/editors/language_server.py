"""A client of a language server, for tests: opens a text, and asks for diagnostics and completion as an editor does."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = "yaml-language-server@1.25.0"
"""The server behind the YAML extension of VS Code."""

CARET = "▌"
"""The place of the cursor in a text."""

PATIENCE = 60.0
"""Seconds for one answer; a busy machine is slow."""


def installed(package: str, program: str) -> Path:
    """A program of an npm package, such as `name@1.2.3`, installed into the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "seatrial-tests" / package.replace("/", "-")
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder), package]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
        (folder / "done").touch()
    return folder / "node_modules" / package.rpartition("@")[0] / program


class LanguageServer:
    """One process of the server; each text is a document of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._last = self._opened = 0
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Introduce ourselves, with the server's settings."""
        self._settings = dict(settings)
        text = {
            "completion": {"completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}},
            "publishDiagnostics": {},
        }
        self.ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": {"textDocument": text}})
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": self._settings}})

    def open(self, folder: Path, text: str) -> str:
        """Open a document; the address by which it is asked about."""
        self._opened += 1
        uri = (folder / f"{self._opened}.yaml").as_uri()  # of a closed document the server still publishes problems
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def complete(self, folder: Path, text: str) -> dict[str, str]:
        """The proposals at the caret: each label with its description, empty without one."""
        before, _, after = text.partition(CARET)
        uri = self.open(folder, before + after)
        lines = before.split("\n")
        place = {"line": len(lines) - 1, "character": len(lines[-1])}
        answer = self.ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": place})
        self.close(uri)
        return {item["label"]: _text(item.get("documentation")) for item in answer["items"]}

    def diagnose(self, folder: Path, text: str) -> list[str]:
        """The problems that it marks, each as `line: message`; lines count from 0."""
        uri = self.open(folder, text)
        while uri not in self._diagnostics:
            self._take()
        self.close(uri)
        return [f"{one['range']['start']['line']}: {one['message']}" for one in self._diagnostics[uri]]

    def close(self, uri: str) -> None:
        """Close a document."""
        self._send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": uri}}})

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """The answer to a request."""
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, "params": params})
        while (message := self._take()).get("id") != number or "method" in message:
            pass
        assert "error" not in message, message
        return message["result"]

    def _take(self) -> dict[str, Any]:
        """The next message; the server's own questions are answered on the way."""
        message = self._messages.get(timeout=PATIENCE)
        assert message is not None, "the language server ended"
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif message.get("method") == "workspace/configuration":
            result = [self._settings.get(item.get("section", "")) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": result})
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message: Mapping[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while head := stream.readline():
            if head.lower().startswith(b"content-length:"):
                length = int(head.partition(b":")[2])
                while stream.readline().strip():
                    pass
                self._messages.put(json.loads(stream.read(length)))
        self._messages.put(None)


def _text(documentation: Any) -> str:
    return documentation["value"] if isinstance(documentation, dict) else documentation or ""


@contextmanager
def running() -> Iterator[LanguageServer]:
    """A server for one test module; it never fetches a schema from elsewhere."""
    argv = ["node", str(installed(PACKAGE, "bin/yaml-language-server")), "--stdio"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        server = LanguageServer(process)
        yaml = {"schemaStore": {"enable": False}, "validate": True, "completion": True}
        server.begin({"yaml": yaml, "[yaml]": {}, "editor": {}, "files": {}, "http": {}})
        try:
            yield server
        finally:
            process.kill()
