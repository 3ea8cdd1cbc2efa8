from __future__ import annotations

import asyncio
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import CannotTell, SeatrialError, StepFailed
from seatrial.links.forge.protocol import RunArtifact, WorkflowRun
from seatrial.links.forge.runs.artifacts import MEGABYTE, _listed, unpack
from seatrial.links.forge.runs.order import Limits
from seatrial.testing import virtual_time

LIMITS = Limits(megabytes=1, unpacked_megabytes=1, files=5)


def packed(folder: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def test_files_and_folders_are_unpacked_where_they_belong(tmp_path: Path) -> None:
    archive = packed(tmp_path, ("a.json", b"{}"), ("sub/", b""), ("sub/b.txt", b"text"))
    files = unpack(archive, tmp_path / "out", LIMITS, "it")
    assert [one.relative_to(tmp_path / "out").as_posix() for one in files] == ["a.json", "sub/b.txt"]
    assert files[1].read_bytes() == b"text"


@pytest.mark.parametrize("entry", [
    "../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:evil",
    special("link", stat.S_IFLNK), special("device", stat.S_IFCHR), special("pipe", stat.S_IFIFO),
], ids=str)  # fmt: skip
def test_what_would_lead_out_or_is_no_plain_file_is_refused_with_all_of_it(
    entry: str | zipfile.ZipInfo, tmp_path: Path
) -> None:
    archive = packed(tmp_path, ("good.json", b"{}"), (entry, b"/etc/passwd"))
    with pytest.raises(CannotTell, match="it was not unpacked"):
        unpack(archive, tmp_path / "out", LIMITS, "it")
    assert [one.name for one in tmp_path.iterdir()] == ["archive.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match=r"has 'a\.json' twice"):
        unpack(packed(tmp_path, ("a.json", b"{}"), ("A.json", b"[]")), tmp_path / "out", LIMITS, "it")


def test_too_many_files_and_too_many_bytes_are_refused_before_any_is_written(tmp_path: Path) -> None:
    many = packed(tmp_path, *((f"{number}", b"x") for number in range(6)))
    with pytest.raises(CannotTell, match="has 6 files; allowed are 5"):
        unpack(many, tmp_path / "out", LIMITS, "it")
    large = packed(tmp_path, ("zeros", bytes(2 * MEGABYTE)))
    with pytest.raises(CannotTell, match="holds 2 MB; allowed are 1"):
        unpack(large, tmp_path / "out", LIMITS, "it")
    assert not (tmp_path / "out").exists()


def test_an_archive_that_lies_about_its_sizes_is_stopped(tmp_path: Path) -> None:
    archive = packed(tmp_path, ("zeros", bytes(3 * MEGABYTE)))
    data = archive.read_bytes()
    true, lie = struct.pack("<L", 3 * MEGABYTE), struct.pack("<L", 10)
    assert data.count(true) == 2
    archive.write_bytes(data.replace(true, lie))
    with pytest.raises(CannotTell):
        unpack(archive, tmp_path / "out", LIMITS, "it")
    assert sum(one.stat().st_size for one in (tmp_path / "out").iterdir()) <= MEGABYTE


def test_an_empty_one_is_the_products_fault_and_rubbish_is_nobodys(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="is empty: it has no files"):
        unpack(packed(tmp_path), tmp_path / "out", LIMITS, "it")
    rubbish = tmp_path / "rubbish.zip"
    rubbish.write_bytes(b"")
    with pytest.raises(StepFailed, match="is empty: it has no bytes"):
        unpack(rubbish, tmp_path / "out", LIMITS, "it")
    rubbish.write_bytes(b"no archive")
    with pytest.raises(CannotTell, match="not a readable zip archive"):
        unpack(rubbish, tmp_path / "out", LIMITS, "it")


@given(at=st.integers(0, 300), byte=st.integers(0, 255))
def test_a_damaged_archive_ends_in_an_error_of_ours_or_in_files_below_the_folder(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    archive = packed(folder, ("a.json", b'{"a": 1}'), ("sub/b.txt", b"text"))
    data = bytearray(archive.read_bytes())
    data[at % len(data)] = byte
    archive.write_bytes(bytes(data))
    try:
        files = unpack(archive, folder / "out", LIMITS, "it")
    except SeatrialError:
        files = []
    assert all(one.resolve().is_relative_to((folder / "out").resolve()) for one in files)
    assert {one.name for one in folder.iterdir()} <= {"archive.zip", "out"}


@pytest.mark.parametrize(("after", "within", "found"), [(20, 60, True), (90, 60, False)])
def test_an_artifact_that_is_listed_late_is_waited_for_and_then_unknown(after: int, within: int, found: bool) -> None:
    class Late:
        pace = 0.0

        async def artifacts(self, id: int) -> list[RunArtifact]:
            late = asyncio.get_running_loop().time() < after
            return [] if late else [RunArtifact(id=1, name="out")]

    forge: Any = Late()
    run = WorkflowRun(id=1, status="completed", conclusion="success")
    with virtual_time() as clock:
        if found:
            assert clock.run(_listed(forge, run, "out", within)).name == "out"
        else:
            with pytest.raises(CannotTell, match="no artifact 'out' was listed within 60 s; there are: none"):
                clock.run(_listed(forge, run, "out", within))
