"""The command that makes the node images says what is missing, and packs what a kernel can read."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.images import boot, cloud, programs
from scripts.images.cache import Failed

from scripts import node_images

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path / "cache"))


def test_an_unknown_image_is_refused_with_those_there_are():
    done = subprocess.run(
        [sys.executable, "-m", "scripts.node_images", "vms"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "vms: no such image; there are container, postgres, vm, cloud" in done.stderr


def test_without_root_it_says_so_and_leaves_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert node_images.main(["vm", "--into", str(tmp_path / "links")]) == 1
    assert "root is needed" in capsys.readouterr().err
    assert not (tmp_path / "links").exists()


def test_missing_programs_are_named_with_their_packages(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs, "_path", lambda: str(tmp_path))
    assert node_images.main(["vm", "--into", str(tmp_path / "links")]) == 1
    said = capsys.readouterr().err
    assert "mmdebstrap, mkfs.ext4, qemu-img, lz4" in said
    assert "apt-get install mmdebstrap e2fsprogs qemu-utils lz4" in said


def test_a_disk_without_room_is_told_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(Failed, match="100 MB free, 1500 MB are needed"):
        programs.need_room(tmp_path, 1500)


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path):
    with pytest.raises(Failed, match="sh ended with 3; its last words:\n    no mirror"):
        programs.run(["sh", "-c", "echo no mirror; exit 3"], tmp_path / "log")


@pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces need root")
def test_what_is_mounted_while_an_image_is_made_is_not_seen_outside(tmp_path):
    programs.run(["mount", "-t", "tmpfs", "none", tmp_path], tmp_path.parent / "log", confined=True)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_the_archive_of_the_initial_disk_is_read_by_tools_of_others(tmp_path):
    out = io.BytesIO()
    archive = boot.Archive(out)
    archive.folder("bin")
    archive.file("bin/busybox", b"x" * 13, 0o755)
    archive.file("init", b"#!/bin/busybox sh\n", 0o755)
    archive.end()
    (tmp_path / "disk").write_bytes(out.getvalue())
    content = out.getvalue()
    # Each entry begins at a multiple of four bytes with the magic of the format.
    assert len(content) % 4 == 0
    assert content.count(b"070701") == 4
    if shutil.which("cpio"):
        listed = subprocess.run(["cpio", "-t"], input=content, capture_output=True, check=True).stdout.split()
        assert listed == [b"bin", b"bin/busybox", b"init"]


def test_drivers_are_loaded_after_what_they_need(tmp_path):
    (tmp_path / "modules.dep").write_text(
        "kernel/virtio.ko:\n"
        "kernel/virtio_ring.ko: kernel/virtio.ko\n"
        "kernel/virtio_pci.ko: kernel/virtio_ring.ko kernel/virtio.ko\n"
        "kernel/virtio-blk.ko: kernel/virtio_ring.ko kernel/virtio.ko\n"
    )
    order = [file.name for file in boot.ordered(tmp_path, ("virtio_pci", "virtio_blk"))]
    assert order == ["virtio.ko", "virtio_ring.ko", "virtio_pci.ko", "virtio-blk.ko"]
    with pytest.raises(Failed, match="has no module nvme"):
        boot.ordered(tmp_path, ("nvme",))


def test_a_boot_sector_has_the_loader_one_bootable_partition_and_the_signature():
    sector = cloud.boot_sector(b"\xeb" * 512, 10_000)
    assert len(sector) == 512
    assert sector[:440] == b"\xeb" * 440
    assert sector[446] == 0x80
    assert int.from_bytes(sector[454:458], "little") + int.from_bytes(sector[458:462], "little") == 10_000
    assert sector[510:] == b"\x55\xaa"
