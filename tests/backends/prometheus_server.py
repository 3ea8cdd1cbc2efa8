"""A real Prometheus that scrapes small programs of a test, with alerting and recording rules."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

INTERVAL = "500ms"

TRIALS = [f"t{number}" for number in range(1, 31)]
"""Targets with these labels are there from the start, because Prometheus takes seconds to notice new ones."""
BARE = [f"bare{number}" for number in range(1, 4)]
"""Targets without a label."""

CONFIGURATION = """
global: {{scrape_interval: {interval}, scrape_timeout: {interval}, evaluation_interval: {interval}}}
rule_files: [rules.yml]
scrape_configs:
- job_name: runs
  honor_labels: true
  file_sd_configs: [{{files: [targets.json]}}]
"""

RULES = """
groups:
- name: all
  rules:
  - {record: "all:orders:sum", expr: sum(orders_total)}
  - {alert: Errors, expr: errors_now > 0}
  - {alert: ErrorsForLong, expr: errors_now > 0, for: 1h}
  - {alert: ErrorsOfAll, expr: sum(bare_errors_now) > 0}
  - {alert: Missing, expr: 'absent(heartbeat_now{e2e_run_id="missing"})'}
  - {alert: Broken, expr: twice_now * on () twice_now > 0}
"""


class Scraped:
    """The programs that are scraped, by their names, and the server that scrapes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs: dict[str, str | None] = dict.fromkeys((*TRIALS, *BARE), "")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                text = outer.programs.get(self.path.strip("/"))
                body = (text or "").encode()
                self.send_response(500 if text is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self) -> None:
                size = int(self.headers["Content-Length"])
                outer.programs[self.path.strip("/")] = self.rfile.read(size).decode()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Prometheus hangs up when it ends, or loses patience."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        (folder / "prometheus.yml").write_text(CONFIGURATION.format(interval=INTERVAL))
        (folder / "rules.yml").write_text(RULES)
        host, port = self._server.server_address[:2]
        self.door = f"http://{host!s}:{port}"
        """Where a program's text is put to: `PUT /bare1`."""
        labels = {**{name: {"e2e_run_id": name} for name in TRIALS}, **{name: {} for name in BARE}}
        targets = [
            {"targets": [f"{host!s}:{port}"], "labels": {"__metrics_path__": f"/{name}", "program": name, **own}}
            for name, own in labels.items()
        ]
        (folder / "targets.json").write_text(json.dumps(targets))
        self.start()
        self.until(f"count(up) == {len(targets)}")

    def start(self) -> None:
        argv = [
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--web.listen-address=127.0.0.1:{self._port}",
            f"--storage.tsdb.path={self.folder}/data",
            "--log.level=warn",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv], stdout=log, stderr=log, start_new_session=True
            )
        self._until(self._ready, "ready")

    def _ready(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
            return int(answer.status) == 200

    def shows(self, name: str, text: str | None) -> None:
        """What a program shows from now on, in Prometheus' format, None: it answers 500. It was scraped when this
        ends."""
        self.programs[name] = text
        self.until(f'timestamp(up{{program="{name}"}}) > {time.time():.3f}')

    def asked(self, query: str) -> list[Any]:
        """The answer to a query."""
        with urllib.request.urlopen(f"{self.url}/api/v1/query?query={quote(query)}", timeout=30) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
            return result

    def until(self, query: str) -> None:
        """Wait until a query has a result."""
        self._until(lambda: self.asked(query), query)

    def until_not(self, query: str) -> None:
        """Wait until a query has no result."""
        self._until(lambda: not self.asked(query), query)

    def end(self) -> None:
        self.stop()
        self._server.shutdown()
        self._server.server_close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(120)

    def _until(self, holds: Any, what: str, seconds: float = 180.0) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                if holds():
                    return
            except OSError:
                pass
            assert time.monotonic() < end, f"{what}: {(self.folder / 'log').read_text()[-500:]}"
            assert self._process.poll() is None, (self.folder / "log").read_text()[-500:]
            time.sleep(0.02)


@contextmanager
def scraping() -> Iterator[Scraped]:
    """A Prometheus of the test's own."""
    with tempfile.TemporaryDirectory(prefix="seatrial-prometheus-") as folder:
        scraped = Scraped(Path(folder))
        try:
            yield scraped
        finally:
            scraped.end()
