"""A wrong image is told before anything is made."""

import struct

import pytest

from seatrial.errors import CannotTell
from seatrial.providers.libvirt.images import image_at, kernel_at

MIB = 1024 * 1024


def qcow2(path, backing="", size=MIB):
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 512 if backing else 0, len(backing), 16, size)
    path.write_bytes(head.ljust(512, b"\0") + backing.encode())
    return path


def raw(path, boot=True, size=MIB):
    path.write_bytes(bytes(510) + (b"\x55\xaa" if boot else b"\0\0") + bytes(size - 512))
    return path


def test_qcow2_and_raw_are_told_apart_with_their_sizes(tmp_path):
    one = image_at(qcow2(tmp_path / "a.img", size=7 * MIB), boots_itself=True)
    assert (one.format, one.size) == ("qcow2", 7 * MIB)
    two = image_at(raw(tmp_path / "b.img"), boots_itself=True)
    assert (two.format, two.size) == ("raw", MIB)


def test_a_filesystem_alone_will_do_for_a_kernel_that_is_booted_directly(tmp_path):
    disk = raw(tmp_path / "a.img", boot=False)
    with disk.open("r+b") as file:
        file.seek(1080)
        file.write(b"\x53\xef")
    assert image_at(disk, boots_itself=False).format == "raw"
    with pytest.raises(CannotTell, match="with a boot sector"):
        image_at(disk, boots_itself=True)


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda path: None, "does not exist.*make backends"),
        (lambda path: path.mkdir(), "this is a folder"),
        (lambda path: path.write_text("hello\n"), "neither qcow2 nor a raw disk"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(MIB)), "it is compressed: gzip -d"),
        (lambda path: path.write_bytes(b"\xfd7zXZ" + bytes(MIB)), "it is compressed: xz -d"),
        (lambda path: path.write_bytes(b"KDMV" + bytes(MIB)), "VMDK image: qemu-img convert"),
        (lambda path: raw(path, boot=False), "neither qcow2 nor a raw disk"),
        (lambda path: qcow2(path, backing="gone.qcow2"), "its backing file .*gone.qcow2 is missing"),
        (lambda path: qcow2(path, size=0), "header is damaged"),
    ],
)
def test_what_cannot_be_used_says_why(make, says, tmp_path):
    path = tmp_path / "image"
    make(path)
    with pytest.raises(CannotTell, match=says):
        image_at(path, boots_itself=True)


def test_an_image_that_stands_on_another_says_how_to_free_it(tmp_path):
    raw(tmp_path / "below.img")
    with pytest.raises(CannotTell, match="qemu-img convert"):
        image_at(qcow2(tmp_path / "a.img", backing="below.img"), boots_itself=True)


def test_a_kernel_is_an_elf_file_or_a_bzimage(tmp_path):
    (tmp_path / "elf").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "bz").write_bytes(bytes(0x202) + b"HdrS" + bytes(100))
    (tmp_path / "text").write_text("a kernel, honest")
    assert kernel_at(tmp_path / "elf", "kernel")
    assert kernel_at(tmp_path / "bz", "kernel")
    with pytest.raises(CannotTell, match=r"providers\.libvirt\.kernel is .*not an x86 kernel"):
        kernel_at(tmp_path / "text", "kernel")
    with pytest.raises(CannotTell, match="not an initial RAM disk"):
        kernel_at(tmp_path / "text", "initrd")
