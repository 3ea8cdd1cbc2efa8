"""The back ends of the tests themselves."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.images.engines import IMAGE
from scripts.real_tools import tools
from tests.backends import podman as podman_here
from tests.backends.tools import NAMES, VERSION


@pytest.mark.backend("podman")
def test_podman_starts_the_node_image_with_the_settings_of_the_fixture(podman):
    done = subprocess.run(
        [
            "podman",
            "run",
            "--rm",
            "--network",
            "none",
            IMAGE,
            "sh",
            "-c",
            "test -x /usr/sbin/sshd && cat /etc/hostname",
        ],
        env={**os.environ, **podman},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.backend("podman")
def test_a_container_that_a_test_leaves_is_told(podman, tmp_path):
    env = {**os.environ, **podman}
    name = f"seatrial-tests-{os.getpid()}"
    label = f"seatrial.project={tmp_path}"
    subprocess.run(["podman", "create", "--name", name, "--label", label, IMAGE], env=env, check=True, timeout=180)
    try:
        assert podman_here.left("podman", podman, tmp_path) == [f"the container ['{name}'] (podman)"]
        assert podman_here.left("podman", podman, tmp_path / "other") == []
    finally:
        subprocess.run(["podman", "rm", "--force", name], env=env, check=True, timeout=180)


@pytest.mark.backend("docker")
def test_docker_starts_the_node_image_and_reaches_it_over_a_network(dockerd):
    assert dockerd.run("network", "create", "probe").returncode == 0
    try:
        started = dockerd.run("run", "--detach", "--rm", "--name", "one", "--network", "probe", IMAGE, "sleep", "60")
        assert started.returncode == 0, started.stderr
        assert {"the container one (docker)", "the network probe (docker)"} <= set(dockerd.left())
        address = dockerd.run(
            "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "one"
        ).stdout.strip()
        # Nothing listens there: the container itself says so.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 22), 10)
    finally:
        dockerd.run("rm", "--force", "one")
        dockerd.run("network", "rm", "probe")
    assert dockerd.left() == []


@pytest.mark.backend("libvirt")
def test_the_libvirt_daemon_of_the_tests_answers_at_its_own_address(libvirtd):
    import libvirt

    connection = libvirt.open()
    try:
        assert "seatrial-libvirtd-" in libvirtd
        assert connection.listAllDomains() == []
    finally:
        connection.close()


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.xdist_group('all of them')\n"
        "@pytest.mark.parametrize('at', range(8))\n"
        "def test_it(at): (pathlib.Path(__file__).parent / os.environ['PYTEST_XDIST_WORKER']).touch()\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider",
            "--rootdir", str(tmp_path), "-c", "/dev/null", str(tmp_path)]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert len(list(tmp_path.glob("gw*"))) == 1


def test_what_lasts_for_a_package_ends_with_it() -> None:
    # Without this file, pytest keeps such a fixture until the end of the session.
    below = Path(__file__).resolve().parents[1].rglob("conftest.py")
    assert [file for file in below if 'scope="package"' in file.read_text()
            and not file.with_name("__init__.py").is_file()] == []  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.backend(name)) for name in NAMES])
def test_the_real_tools_are_the_versions_that_are_pinned(name, tool):
    argv = [tool(name), *VERSION.get(name, "--version").split()]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert (tools()[name].version if name in tools() else "Terraform v1.") in said
