from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.checks.fakes import FakeContext, look, verdict, well

from seatrial.checks.mount import Mount, mounts
from seatrial.errors import CannotTell, LinkDown, LinkRefused

INFO = (
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
    "24 22 254:16 / /data ro,relatime - xfs /dev/vdb rw,attr2\n"
    "25 22 254:32 / /with\\040space rw - ext4 /dev/vdc rw\n"
    "26 22 0:50 / /data rw,noexec - tmpfs tmpfs rw,size=1024k\n"
)


def test_of_several_mounts_at_one_point_the_last_counts_and_names_are_plain() -> None:
    found = mounts(INFO)
    assert found["/data"].fstype == "tmpfs"
    assert found["/with space"].device == "/dev/vdc"
    assert "noexec" in found["/data"].options


def test_a_mount_that_is_read_only_is_not_writable_because_its_file_system_is() -> None:
    options = mounts(INFO.splitlines()[2])["/data"].options
    assert "ro" in options
    assert "rw" not in options


def test_what_is_no_list_of_mounts_cannot_be_told() -> None:
    with pytest.raises(CannotTell, match="invalid line in /proc/self/mountinfo"):
        mounts("hello\n")


CASES = [
    ({"path": "/proc"}, "passed"),
    ({"path": "/proc/"}, "passed"),
    ({"path": "/proc", "fstype": "proc", "device": "proc"}, "passed"),
    ({"path": "/proc", "fstype": "ext4"}, "failed"),
    ({"path": "/proc", "device": "/dev/vdb"}, "failed"),
    ({"path": "/proc", "options": "rw"}, "passed"),
    ({"path": "/proc", "options": ("rw", "seatrial-none")}, "failed"),
    ({"path": "/dev/shm", "at_least": "1KiB"}, "passed"),
    ({"path": "/dev/shm", "at_least": "1000TiB"}, "failed"),
    ({"path": "/nowhere", "at_least": 1}, "failed"),
    ({"path": "/proc", "mounted": False}, "failed"),
    ({"path": "/nowhere"}, "failed"),
    ({"path": "/nowhere", "mounted": False}, "passed"),
]


@pytest.mark.parametrize("fields, expected", CASES)
def test_what_is_mounted_decides(fields, expected) -> None:
    assert verdict(Mount(**fields), FakeContext(n11=well())) == expected


def test_a_point_without_a_mount_is_named() -> None:
    assert "nothing is mounted at /nowhere" in look(Mount(path="/nowhere"), FakeContext(n11=well())).why


@pytest.mark.parametrize("trouble, expected", [(LinkDown("down"), "failed"), (LinkRefused("key"), "unknown")])
def test_a_node_that_does_not_answer_fails_and_one_that_refuses_us_is_unknown(trouble, expected) -> None:
    ctx = FakeContext(n11=well(), trouble={"n11": trouble})
    assert verdict(Mount(path="/proc", mounted=False), ctx) == expected


def test_a_device_may_be_named_by_a_link_to_it(tmp_path: Path) -> None:
    device = tmp_path / "vdb"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    found = mounts(f"24 22 254:16 / /data rw - xfs {device} rw\n")["/data"]
    check = Mount(path="/data", device=str(tmp_path / "by-id"))
    assert check._judge(found, os.path.realpath(check.device), "mounted").verdict == "passed"
    assert check._judge(found, check.device, "mounted").verdict == "failed"


def test_the_short_form_names_path_and_nodes() -> None:
    assert Mount.from_text(":/data") == {"path": "/data"}
    assert Mount.from_text("[n11,n12]:/data") == {"path": "/data", "on": "n11,n12"}
    with pytest.raises(ValueError, match="mount:/data"):
        Mount.from_text("")


def test_fields_that_cannot_be_are_refused() -> None:
    assert [key for key, _ in Mount(path="data", mounted=False, fstype="ext4").check_fields()] == ["path", "fstype"]
    assert not list(Mount(path="${{ vars.x }}").check_fields())
