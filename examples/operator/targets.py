#!/usr/bin/env python3
"""The pods that Prometheus scrapes, for its `http_sd_configs`: Debian's Prometheus cannot ask a cluster itself."""

from __future__ import annotations

import argparse
import json
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PODS = "/api/v1/pods?labelSelector=app%3Dnoticeboard&fieldSelector=status.phase%3DRunning"


def targets(api: str) -> list[dict[str, object]]:
    """The pods as targets; each is scraped through the API server, so no way into the pods' network is needed."""
    with urllib.request.urlopen(f"http://{api}{PODS}", timeout=10) as answer:
        pods = [pod["metadata"] for pod in json.load(answer)["items"]]
    return [
        {
            "targets": [api],
            "labels": {
                "__metrics_path__": f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}:8080/proxy/metrics",
                "namespace": pod["namespace"],
                "pod": pod["name"],
            },
        }
        for pod in pods
        if "deletionTimestamp" not in pod
    ]


class Handler(BaseHTTPRequestHandler):
    """One list, whatever the path."""

    api: str

    def do_GET(self) -> None:
        """The targets now; an error where the API server does not answer: Prometheus then keeps the last ones."""
        try:
            status, content = 200, json.dumps(targets(self.api)).encode()
        except (OSError, ValueError) as error:
            status, content = 502, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api", required=True, help="HOST:PORT of `kubectl proxy`")
    options = parser.parse_args()
    Handler.api = options.api
    with ThreadingHTTPServer(("127.0.0.1", options.port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
