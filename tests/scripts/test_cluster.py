"""The cluster of the tests: shared by all, ended by the last, and wholly gone, also after SIGKILL."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from scripts.cluster.cluster import Cluster
from scripts.cluster.control_plane import free_number
from scripts.cluster.node import CGROUPS
from tests.acceptance.harness import until

pytestmark = [pytest.mark.slow, pytest.mark.backend("kubernetes")]


def traces(folder: Path) -> list[str]:
    """What there is of a cluster in a folder."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    cgroups = [str(path) for path in CGROUPS.glob(f"*/seatrial-k8s/*-{folder.name}-*")]
    programs = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
            dead = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if str(folder) in words and not dead and int(entry) != os.getpid():
            programs.append(words.replace("\0", " ")[:100])
    return mounts + cgroups + programs + ([str(folder)] if folder.exists() else [])


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name: the path of a socket has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="sk"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_only_its_user_reads_the_kubeconfig(cluster):
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.folder.stat().st_mode) == 0o700


def test_nobody_without_a_certificate_may_ask_anything(cluster):
    config = json.loads(cluster.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    asked = ["curl", "-ks", "-o", "/dev/null", "-w", "%{http_code}", f"{server}/api/v1/secrets"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "403"


def test_a_node_removes_no_images_when_the_disk_of_the_machine_is_nearly_full(cluster, tool):
    kubectl = tool("kubernetes").with_name("kubectl")
    for node in ("n1", "n2"):
        asked = [kubectl, "--kubeconfig", cluster.kubeconfig, "get", "--raw", f"/api/v1/nodes/{node}/proxy/configz"]
        config = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)["kubeletconfig"]
        assert config["imageGCHighThresholdPercent"] == 100, "at 100 the kubelet does not collect them"


def test_a_program_can_be_killed_and_started_and_the_whole_is_gone_at_the_end(place):
    own = Cluster(place / "own", nodes=1)
    own.start()
    try:
        server = own.programs()["kube-apiserver"]
        server.kill()
        assert own.plane is not None
        interface = own.plane.interface
        number = socket.if_nametoindex(interface)
        assert not own.plane.ready()
        server.start()
        until(own.ready, "the API server")
    finally:
        left = own.stop()
    assert left == []
    assert traces(place / "own") == []
    assert (number, interface) not in socket.if_nameindex(), "another cluster may have the name now"


USER = """
import sys, time
from pathlib import Path
from scripts.cluster import shared
use = shared.join(Path(sys.argv[1]))
print("joined", flush=True)
time.sleep(600)
"""


def user(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "SEATRIAL_CACHE_DIR": str(shared.FOLDER.parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)], cwd=shared.ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def test_two_users_share_one_cluster_and_it_ends_when_both_are_killed(place):
    folder = place / "two"
    with user(folder) as one, user(folder) as other:
        try:
            for process in (one, other):
                assert process.stdout is not None
                assert process.stdout.readline() == "joined\n"
            one.kill()
            one.wait()
            with pytest.raises(AssertionError):
                until(lambda: not (folder / "kubeconfig").exists(), "its end", seconds=1)
        finally:
            one.kill()
            other.kill()
    until(lambda: traces(folder) == [], "the end of all of it")


def test_what_a_killed_keeper_leaves_goes_with_the_next_start(place):
    folder = place / "again"
    with user(folder) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "joined\n"
        keeper = next(
            int(entry)
            for entry in filter(str.isdigit, os.listdir("/proc"))
            if f"scripts.cluster.shared\0{folder}"
            in Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
        )
        os.kill(keeper, signal.SIGKILL)
        first.kill()
    until(lambda: not any("kube" in trace and " " in trace for trace in traces(folder)), "the end of its programs")
    use = shared.join(folder)
    assert use.leave() == ""
    until(lambda: traces(folder) == [], "the end of the second keeper")


def test_a_cluster_that_another_checkout_keeps_is_ended_by_force_alone(place, monkeypatch):
    folder, root = place / "kept", str(shared.ROOT)
    first = shared.join(folder)
    first.say(shared.KEEP)
    assert first.leave() == ""
    monkeypatch.setattr(shared, "ROOT", Path("/another one"))
    for word, left in ((shared.END, f"{shared.KEPT} {root}"), (shared.FORCE, "")):
        other = shared.running(folder)
        assert other is not None
        other.say(word)
        assert other.leave() == left
    assert shared._keeper[folder].wait(60) == 0
    until(lambda: traces(folder) == [], "the end of all of it")


def test_clusters_that_start_at_the_same_time_take_turns_with_their_number():
    entered = threading.Event()

    def second():
        with free_number():
            entered.set()

    with free_number():
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    other.join()
