from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.checks.fakes import FakeContext, look, verdict, well

from seatrial.checks.disk_size import DiskSize
from seatrial.checks.sizes import UNITS, bytes_of
from seatrial.errors import LinkDown


def total(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_frsize * found.f_blocks


@pytest.mark.parametrize(
    "text, size",
    [("10GiB", 10 * 2**30), ("10GB", 10 * 10**9), ("10G", 10 * 2**30), ("1.5 MiB", 3 * 2**19), (512, 512), ("0", 0)],
)
def test_sizes_are_read(text, size) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "ten", "10 XB", "-1", True, "1GiBB", "1e3"])
def test_what_is_no_size_is_refused_with_what_is_allowed(text) -> None:
    with pytest.raises(ValueError, match="10GiB"):
        bytes_of(text)


@given(st.integers(0, 2**60), st.sampled_from(sorted(UNITS)))
def test_a_whole_number_of_a_unit_is_so_many_of_it(number, unit) -> None:
    if number * UNITS[unit] < 2**53:
        assert bytes_of(f"{number}{unit.upper()}") == number * UNITS[unit]


def test_a_file_system_has_its_size(tmp_path: Path) -> None:
    size = total(tmp_path)
    for fields, expected in [
        ({"size": size}, "passed"),
        ({"size": size + 1}, "failed"),
        ({"size": size + 1, "tolerance": "1k"}, "passed"),
        ({"at_least": size}, "passed"),
        ({"at_least": size + 1}, "failed"),
        ({"at_most": size}, "passed"),
        ({"at_most": size - 1}, "failed"),
    ]:
        check = DiskSize(path=str(tmp_path), of="filesystem", **fields)  # type: ignore[arg-type]
        assert verdict(check, FakeContext(tmp_path, n11=well())) == expected, fields


def test_what_is_not_there_has_no_size(tmp_path: Path) -> None:
    for path in ("/nowhere", "/etc/passwd/below"):
        seen = look(DiskSize(path=path, at_least=1), FakeContext(tmp_path, n11=well()))
        assert seen.verdict == "failed"
        assert f"there is no {path}" in seen.why


def test_what_has_no_disk_below_it_or_no_name_cannot_be_told(tmp_path: Path) -> None:
    assert look(DiskSize(path="/" + "x" * 300, at_least=1), FakeContext(tmp_path, n11=well())).verdict == "unknown"
    assert look(DiskSize(path="/proc", of="disk", at_least=1), FakeContext(tmp_path, n11=well())).verdict == "unknown"


def test_growth_is_counted_from_a_mark_of_each_node(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, n11=well(), n12=well())
    path = str(tmp_path)
    assert verdict(DiskSize(path=path, of="filesystem", mark="before"), ctx) == "passed"
    assert look(DiskSize(path=path, of="filesystem", grown_since="before"), ctx).verdict == "failed"
    marks = tmp_path / "disk_size.json"
    marks.write_text(marks.read_text().replace(str(total(tmp_path)), str(total(tmp_path) - 4096)))
    assert verdict(DiskSize(path=path, of="filesystem", grown_since="before"), ctx) == "passed"
    assert verdict(DiskSize(path=path, of="filesystem", grown_since="before", grown_by="4k"), ctx) == "passed"
    assert verdict(DiskSize(path=path, of="filesystem", grown_since="before", grown_by="5k"), ctx) == "failed"
    near = DiskSize(path=path, of="filesystem", grown_since="before", grown_by="5k", tolerance="1k")
    assert verdict(near, ctx) == "passed"


def test_a_node_with_no_more_than_df_tells_the_size_as_well(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "df", "readlink"):
        (programs / name).symlink_to(shutil.which(name) or "")
    # A stat that knows no format, as the smallest busybox has it.
    (programs / "stat").write_text('#!/bin/sh\ncase $1 in --) exec /usr/bin/stat "$@";; *) exit 1;; esac\n')
    (programs / "stat").chmod(0o755)
    seen = look(DiskSize(path=str(tmp_path), at_least=1), FakeContext(tmp_path, n11=well(), programs=programs))
    assert seen.seen == {"n11": total(tmp_path) // 1024 * 1024}


def test_a_mark_that_nobody_set_is_unknown_and_the_others_are_named(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, n11=well())
    verdict(DiskSize(path=str(tmp_path), of="filesystem", mark="before"), ctx)
    seen = look(DiskSize(path=str(tmp_path), of="filesystem", grown_since="after"), ctx)
    assert seen.verdict == "unknown"
    assert "marks: before" in seen.why


def test_a_node_that_is_down_has_no_size(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, n11=well(), trouble={"n11": LinkDown("down")})
    assert verdict(DiskSize(path="/", at_least=1), ctx) == "failed"


def test_the_short_form_names_path_size_and_nodes() -> None:
    assert DiskSize.from_text(":/data==10GiB") == {"path": "/data", "size": "10GiB"}
    assert DiskSize.from_text("[n11]:/dev/vdb >= 1T") == {"path": "/dev/vdb", "at_least": "1T", "on": "n11"}
    with pytest.raises(ValueError, match="disk_size:/data==10GiB"):
        DiskSize.from_text(":/data")


def test_fields_that_cannot_be_are_refused() -> None:
    assert [key for key, _ in DiskSize(path="/").check_fields()] == [""]
    assert [key for key, _ in DiskSize(path="/", size="big", grown_by=1).check_fields()] == ["grown_by", "size"]
