"""The control plane: etcd, API server, controllers and scheduler in one space, on a bridge that the nodes join."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.cluster import credentials
from scripts.cluster.spaces import Broken, Program, Space, last_words, run

PORT = 6443
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
GATEWAY = 254
"""The last number of the host's address in the cluster's network."""
START = 240.0
"""Seconds for the API server to answer."""


class ControlPlane:
    """Its programs by name; `address` is the API server's, `gateway` the host's in the cluster's network."""

    def __init__(self, folder: Path, programs: Path, number: int) -> None:
        self._folder, self.keys = folder, folder / "keys"
        self.address, self.gateway = f"10.250.{number}.1", f"10.250.{number}.{GATEWAY}"
        self.kubeconfig = folder / "kubeconfig"
        self.interface = f"seatrial-k8s{number}"
        """The host's side of the way into the network."""
        self._number = number
        self._space = Space()
        keys, config = self.keys, f"--kubeconfig={self.kubeconfig}"
        self.programs = {
            program.name: program
            for argv in (
                [str(programs / "etcd"), f"--data-dir={folder}/etcd", "--unsafe-no-fsync"],
                [
                    str(programs / "kube-apiserver"),
                    "--etcd-servers=http://127.0.0.1:2379",
                    f"--advertise-address={self.address}",
                    f"--secure-port={PORT}",
                    f"--client-ca-file={keys}/ca.crt",
                    f"--tls-cert-file={keys}/server.crt",
                    f"--tls-private-key-file={keys}/server.key",
                    f"--kubelet-client-certificate={keys}/admin.crt",
                    f"--kubelet-client-key={keys}/admin.key",
                    "--kubelet-preferred-address-types=InternalIP",
                    f"--service-account-key-file={keys}/service-accounts.key",
                    f"--service-account-signing-key-file={keys}/service-accounts.key",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-cluster-ip-range={SERVICES}",
                    "--authorization-mode=RBAC",
                    # No kube-proxy runs here: webhooks in the cluster are reached by their pods' addresses.
                    "--enable-aggregator-routing=true",
                    "--allow-privileged",
                ],
                [
                    str(programs / "kube-controller-manager"),
                    config,
                    f"--service-account-private-key-file={keys}/service-accounts.key",
                    f"--root-ca-file={keys}/ca.crt",
                    "--use-service-account-credentials",
                    "--bind-address=127.0.0.1",
                    f"--cert-dir={keys}",
                    "--leader-elect=false",
                    "--node-monitor-grace-period=10s",
                    "--node-monitor-period=2s",
                ],
                [
                    str(programs / "kube-scheduler"),
                    config,
                    "--bind-address=127.0.0.1",
                    f"--cert-dir={keys}",
                    "--leader-elect=false",
                ],
            )
            for program in [Program(self._space, folder, argv)]
        }

    def start(self) -> None:
        """Start the network, etcd and the API server."""
        credentials.write(self.keys, self.address)
        credentials.kubeconfig(self.kubeconfig, self.keys, f"https://{self.address}:{PORT}", self._folder.name)
        self._space.network("link", "set", "lo", "up")
        self._space.network("link", "add", "cluster", "type", "bridge")
        self._space.network("address", "add", f"{self.address}/24", "dev", "cluster")
        self._space.network("link", "set", "cluster", "up")
        run("ip", "link", "add", self.interface, "type", "veth", "peer", "name", "host", "netns", str(self._space.pid))
        run("ip", "address", "add", f"{self.gateway}/24", "dev", self.interface)
        run("ip", "link", "set", self.interface, "up")
        self._space.network("link", "set", "host", "master", "cluster", "up")
        self.programs["etcd"].start()
        self.programs["kube-apiserver"].start()

    def join(self, node: Space, name: str, number: int) -> str:
        """Connect a node's network with the cluster's; its address."""
        address = f"10.250.{self._number}.{10 + number}"
        node.network("link", "set", "lo", "up")
        node.network("link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", str(self._space.pid))
        node.network("address", "add", f"{address}/24", "dev", "eth0")
        node.network("link", "set", "eth0", "up")
        node.network("route", "add", "default", "via", self.gateway)
        self._space.network("link", "set", name, "master", "cluster", "up")
        self.route(self._space, number, address)
        return address

    @staticmethod
    def route(space: Space, number: int, address: str) -> None:
        """Let a space reach the pods of a node."""
        space.network("route", "add", f"10.244.{number}.0/24", "via", address)

    def finish(self) -> None:
        """Wait for the API server, and start the rest."""
        deadline = time.monotonic() + START
        while not (answer := self.ready()):
            for name in ("etcd", "kube-apiserver"):
                self.programs[name].require()
            if time.monotonic() > deadline:
                raise Broken(f"the API server is not ready: {last_words(self.programs['kube-apiserver'].log)}")
            time.sleep(0.1)
        del answer
        self.programs["kube-controller-manager"].start()
        self.programs["kube-scheduler"].start()

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        return self.get("/readyz") is not None

    def get(self, path: str) -> bytes | None:
        """The API server's answer, or None."""
        return self._ask("GET", path, None, 200)

    def expect(self, node: str) -> None:
        """Make a node's object before its kubelet looks for it: a busy one would wait minutes to look again."""
        thing = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
        if self._ask("POST", "/api/v1/nodes", json.dumps(thing), 201) is None:
            raise Broken(f"the API server does not make the node {node}")

    def _ask(self, method: str, path: str, body: str | None, status: int) -> bytes | None:
        context = ssl.create_default_context(cafile=self.keys / "ca.crt")
        # Python 3.13 wants more of a certificate than Kubernetes' own have.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.load_cert_chain(self.keys / "admin.crt", self.keys / "admin.key")
        connection = http.client.HTTPSConnection(self.address, PORT, timeout=5, context=context)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.read() if answer.status == status else None
        except OSError:
            return None
        finally:
            connection.close()

    def run(self, *argv: str) -> None:
        """Run a program beside etcd and the API server to its end; Broken when it fails."""
        self._space.run(*argv)

    def stop(self) -> None:
        """End all of it."""
        self._space.stop()


NETWORKS = Path("/sys/class/net")


@contextlib.contextmanager
def free_number() -> Iterator[int]:
    """The first number of a network that this host does not have. Clusters that start at the same time take turns: the
    caller makes the network meanwhile."""
    folder = os.open(NETWORKS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        taken = set(os.listdir(NETWORKS))
        yield next(number for number in range(250) if f"seatrial-k8s{number}" not in taken)
    finally:
        os.close(folder)
