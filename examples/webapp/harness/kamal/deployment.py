"""Set up, deploy, remove: the work on the hosts, in Kamal's order."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path

from kamal.configuration import Accessory, Configuration, Role
from kamal.hosts import Failed, Host, at_once, engine, locally

PROXY = "kamal-proxy"
NETWORK = "kamal"
STEADY = f"""
bridge=$(podman network inspect {NETWORK} --format '{{{{.NetworkInterface}}}}')
ip link set dev "$bridge" address "$(cat "/sys/class/net/$bridge/address")"
"""
"""A bridge without a fixed address changes it when a container goes, and the others lose their network until they have
forgotten the old one."""

PROXY_FOLDER = "/root/.kamal/proxy"
DEPLOY_TIMEOUT = 60
"""Seconds for a new container to become healthy."""


class Deployment:
    """One version of one configuration."""

    def __init__(self, configuration: Configuration, folder: Path, version: str, say: Callable[[str], None]) -> None:
        self._told = configuration
        self._folder = folder
        self._version = version
        self._say = say
        self._image = f"localhost/{configuration.image}:{version}"

    def host(self, address: str) -> Host:
        """A host, with the configuration's SSH settings."""
        return Host(address, self._told.user, self._told.keys)

    def setup(self) -> None:
        """Everything from bare hosts with an engine: accessories, then the app."""
        addresses = dict.fromkeys([*self._told.hosts, *(one.host for one in self._told.accessories)])
        self._say(f"looking for an engine on {', '.join(addresses)}")
        at_once(self._bootstrap, map(self.host, addresses))
        for accessory in self._told.accessories:
            self._boot_accessory(accessory)
        self.deploy()

    def deploy(self) -> None:
        """Build, bring, run; the old version answers until the new one is healthy."""
        self._build()
        self._say(f"bringing {self._image} to {', '.join(self._told.hosts)}")
        at_once(lambda host: host.bring(self._image), map(self.host, self._told.hosts))
        for role in self._told.roles:
            at_once(lambda host, role=role: self._boot(host, role), map(self.host, role.hosts))  # type: ignore[misc]
        at_once(self._prune, map(self.host, self._told.hosts))

    def remove(self) -> None:
        """Containers, the proxy, accessories and their settings; volumes on the hosts' disks stay, as with Kamal."""
        addresses = dict.fromkeys([*self._told.hosts, *(one.host for one in self._told.accessories)])
        at_once(self._remove, map(self.host, addresses))

    def execute(self, command: list[str], *, reuse: bool, primary: bool) -> None:
        """Run a command in the app's containers, or in new ones of its image."""
        for role in self._told.roles[: 1 if primary else None]:
            for address in role.hosts[: 1 if primary else None]:
                host = self.host(address)
                if reuse:
                    printed = host.run("podman", "exec", self._current(host, role), *command)
                else:
                    environment = self._write_environment(host, role)
                    options = ["--rm", "--network", NETWORK, "--env-file", environment, *self._volumes(host)]
                    printed = host.run("podman", "run", *options, self._image, *command)
                print(printed, flush=True)

    def _build(self) -> None:
        self._say(f"building {self._image}")
        arguments = [
            word for name, value in self._told.arguments.items() for word in ("--build-arg", f"{name}={value}")
        ]
        plain = ["--layers=false"] if engine() == "podman" else []  # the runner keeps no partial image
        label = f"service={self._told.service}"
        argv = [engine(), "build", *plain, *arguments, "--label", label, "--tag", self._image, str(self._folder)]
        before = _id_of(self._image)
        locally(argv, shown=True)
        if before and before != _id_of(self._image):  # it has lost its name, so nobody would find it
            with contextlib.suppress(Failed):
                locally([engine(), "rmi", before])

    def _bootstrap(self, host: Host) -> None:
        host.run("podman", "--version")
        host.run("sh", "-c", f"podman network exists {NETWORK} || podman network create {NETWORK}")

    def _boot_accessory(self, accessory: Accessory) -> None:
        host, name = self.host(accessory.host), f"{self._told.service}-{accessory.name}"
        if self._there(host, f"name=^{name}$"):
            self._say(f"the accessory {name} is on {host.address} already")
            return
        if engine() == "docker" or not _id_of(accessory.image):
            locally([engine(), "pull", accessory.image], shown=True)
        self._say(f"bringing {accessory.image} to {host.address}")
        host.bring(accessory.image)
        environment = f"/root/.kamal/apps/{self._told.service}/env/accessories/{accessory.name}.env"
        host.write(environment, accessory.environment.file({}))
        for volume in accessory.volumes:
            host.run("mkdir", "-p", volume.partition(":")[0])
        options = [
            *("--detach", "--restart", "always", "--name", name, "--network", NETWORK, "--env-file", environment),
            *("--label", f"service={self._told.service}-{accessory.name}"),
            *(["--publish", accessory.port] if accessory.port else []),
            *(word for volume in accessory.volumes for word in ("--volume", volume)),
        ]
        host.run("podman", "run", *options, accessory.image)
        host.run("sh", "-c", STEADY)

    def _boot(self, host: Host, role: Role) -> None:
        name = f"{self._told.service}-{role.name}-{self._version}"
        old = self._there(host, f"label=role={role.name}")
        if name in old:
            host.run("podman", "rename", name, f"{name}_replaced_{secrets.token_hex(8)}")
        old = self._there(host, f"label=role={role.name}")
        environment = self._write_environment(host, role)
        options = [
            *("--detach", "--restart", "always", "--name", name, "--network", NETWORK, "--env-file", environment),
            *("--hostname", f"{host.address}-{secrets.token_hex(6)}"),
            *("--env", f"KAMAL_CONTAINER_NAME={name}", "--env", f"KAMAL_HOST={host.address}"),
            *("--label", f"service={self._told.service}", "--label", f"role={role.name}"),
            *self._volumes(host),
        ]
        self._say(f"{host.address}: starting {name}")
        host.run("podman", "run", *options, self._image, *role.command)
        host.run("sh", "-c", STEADY)
        try:
            if role.proxied:
                self._go_live(host, name)
            elif not self._runs(host, name):
                raise Failed(f"{host.address}: {name} does not keep running")
        except Failed:
            print(host.run("podman", "logs", "--tail", "50", name, may_fail=True), flush=True)
            host.run("podman", "rm", "--force", "--time", "1", name, may_fail=True)
            raise
        if old:
            self._say(f"{host.address}: stopping {', '.join(old)}")
            host.run("podman", "rm", "--force", "--time", "10", *old)

    def _go_live(self, host: Host, name: str) -> None:
        """Wait until it is healthy, and have the proxy send requests to it."""
        proxy = self._told.proxy
        script = Path(__file__).with_name("proxy.py").read_text()
        host.write(f"{PROXY_FOLDER}/proxy.py", script)
        if not self._there(host, f"name=^{PROXY}$"):
            options = ["--detach", "--restart", "always", "--init", "--name", PROXY, "--network", NETWORK]
            options += ["--publish", "80:80", "--volume", f"{PROXY_FOLDER}:/proxy:ro"]
            host.run("podman", "run", *options, self._image, "python3", "-u", "/proxy/proxy.py", "serve")
        template = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        address = host.run("podman", "inspect", "--format", template, name)
        url = f"http://{address}:{proxy.port}{proxy.path}"
        look = ["python3", "/proxy/proxy.py", "wait", url, f"{proxy.interval:g}", str(DEPLOY_TIMEOUT)]
        host.run("podman", "exec", PROXY, *look)
        self._say(f"{host.address}: {name} is healthy and goes live")
        route = {"hosts": list(proxy.hosts), "target": [address, proxy.port]}
        host.write(f"{PROXY_FOLDER}/route.json", json.dumps(route))

    def _runs(self, host: Host, name: str) -> bool:
        script = 'sleep 1; test "$(podman inspect --format "{{.State.Status}} {{.RestartCount}}" "$1")" = "running 0"'
        return host.run("sh", "-c", f"{script} && echo yes", "sh", name, may_fail=True) == "yes"

    def _write_environment(self, host: Host, role: Role) -> str:
        path = f"/root/.kamal/apps/{self._told.service}/env/roles/{role.name}.env"
        host.write(path, self._told.environment.file({"KAMAL_VERSION": self._version}))
        return path

    def _volumes(self, host: Host) -> list[str]:
        for volume in self._told.volumes:
            host.run("mkdir", "-p", volume.partition(":")[0])
        return [word for volume in self._told.volumes for word in ("--volume", volume)]

    def _current(self, host: Host, role: Role) -> str:
        running = self._there(host, f"label=role={role.name}")
        if not running:
            raise Failed(f"{host.address}: no container of the role {role.name} is there")
        return running[0]

    def _there(self, host: Host, *filters: str) -> list[str]:
        words = [word for one in filters for word in ("--filter", one)]
        return host.run("podman", "ps", "--all", *words, "--format", "{{.Names}}").split()

    def _prune(self, host: Host) -> None:
        """Remove images of older versions unless a container uses them: the proxy may."""
        listed = host.run(
            "podman",
            "images",
            "--filter",
            f"label=service={self._told.service}",
            "--format",
            "{{.Repository}}:{{.Tag}}",
        )
        for image in listed.split():
            if image != self._image:
                host.run("podman", "rmi", image, may_fail=True)

    def _remove(self, host: Host) -> None:
        names = [f"service={self._told.service}"]
        names += [f"service={self._told.service}-{one.name}" for one in self._told.accessories]
        found = [one for name in names for one in self._there(host, f"label={name}")]
        found += [one for one in self._there(host, f"name=^{PROXY}$") if one not in found]
        if found:
            self._say(f"{host.address}: removing {', '.join(found)}")
            host.run("podman", "rm", "--force", "--time", "5", *found)
        host.run("sh", "-c", f"! podman network exists {NETWORK} || podman network rm {NETWORK}")
        host.run("rm", "-rf", "/root/.kamal")


def _id_of(image: str) -> str:
    """The id of an image in this machine's engine; empty: missing."""
    try:
        return locally([engine(), "image", "inspect", "--format", "{{.Id}}", image])
    except Failed:
        return ""
