from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.checks.fakes import FakeContext

from seatrial.checks.http.uploads import Sent, Upload, compared, uploads
from seatrial.errors import CannotTell


def made(folder: Path, **files: str | Upload) -> dict[str, Sent]:
    return asyncio.run(uploads(FakeContext(folder), files))  # type: ignore[arg-type]


def test_a_file_goes_by_its_own_name_and_type_unless_others_are_said(tmp_path: Path) -> None:
    (tmp_path / "cargo.txt").write_text("crates")
    found = made(tmp_path, a="cargo.txt", b=Upload(path="cargo.txt", name="x.bin", type="image/png"))
    assert found == {"a": Sent("cargo.txt", "text/plain", b"crates"), "b": Sent("x.bin", "image/png", b"crates")}


def test_bytes_that_are_made_up_are_the_same_for_the_same_seed_and_no_other(tmp_path: Path) -> None:
    found = made(tmp_path, a=Upload(size="64KiB", seed="1"), b=Upload(size=65536, seed="1"), c=Upload(size=65536))
    again = made(tmp_path, a=Upload(size="64KiB", seed="1"), c=Upload(size=65536))
    assert len(found["a"].content) == 65536
    assert found["a"] == again["a"]
    assert found["c"] == again["c"], "within a trial they are the same"
    assert len({one.content for one in found.values()}) == 3, "no field has another's"


@pytest.mark.parametrize("one", [Upload(path="gone"), Upload(size="1TiB"), Upload(path=".")])
def test_what_cannot_be_sent_is_no_fault_of_the_product(tmp_path: Path, one: Upload) -> None:
    with pytest.raises(CannotTell, match="the file to upload"):
        made(tmp_path, a=one)


@pytest.mark.parametrize(
    "sent, came, why",
    [
        (b"abcdef", b"abc", "only the first 3 of 6 bytes came back"),
        (b"abcdef", b"", "only the first 0 of 6 bytes came back"),
        (b"abc", b"abcdef", "all 3 bytes came back, followed by 3 more"),
        (b"abcdef", b"abXdef", "6 bytes came back of 6; they differ from byte 2 on (counted from 0)"),
        (b"abcdef", b"Xb", "2 bytes came back of 6; they differ from byte 0 on (counted from 0)"),
    ],
)
def test_how_it_differs_is_told(sent: bytes, came: bytes, why: str) -> None:
    seen = compared(sent, came)
    assert (seen.verdict, seen.why) == ("failed", why)
    assert "abc" not in f"{seen.seen}{seen.expected}"


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_only_the_same_bytes_pass_and_the_place_where_they_part_is_right(sent: bytes, came: bytes) -> None:
    seen = compared(sent, came)
    assert (seen.verdict == "passed") is (sent == came)
    if "from byte" in seen.why:
        at = int(seen.why.partition("from byte ")[2].split()[0])
        assert sent[:at] == came[:at]
        assert sent[at] != came[at]


def test_wrong_fields_are_found() -> None:
    assert [key for key, _ in Upload().check_fields()] == [""]
    assert [key for key, _ in Upload(path="a", size=1).check_fields()] == ["path"]
    assert [key for key, _ in Upload(path="a", seed="1").check_fields()] == ["seed"]
    assert [key for key, _ in Upload(size="many").check_fields()] == ["size"]
