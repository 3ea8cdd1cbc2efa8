"""Secrets: the first source that has one, nothing asked in vain, and files as people write them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import CannotTell, ToolMissing, UsageError
from seatrial.preflight.document import SecretSource
from seatrial.preflight.secrets import dotenv, secrets_of


def found(folder: Path, wanted: Sequence[str], sources: Sequence[Any], **environ: str) -> dict[str, str]:
    return asyncio.run(secrets_of(wanted, sources, folder, {"PATH": os.environ["PATH"], **environ}))


def command(code: str) -> SecretSource:
    return SecretSource(command=(sys.executable, "-c", code))


@pytest.mark.parametrize(
    "text, value",
    [
        ("A=x", "x"), ("export A=x", "x"), ("A = x y ", "x y"), ("A=x # why", "x"), ("A=x#y", "x#y"),
        ("A='x # $y'", "x # $y"), ('A="x\\ny"', "x\ny"), ('A="a\nb"', "a\nb"), ("A='a\nb'", "a\nb"),
        ('A="say \\"hi\\""', 'say "hi"'), ("A=", ""), ('A="not closed', "not closed"), ("# A=no\nA=x", "x"),
        ("A=1\nA=2", "2"), ("A=x=y", "x=y"), ("A='x' # why", "x"),
    ],
)  # fmt: skip
def test_a_dotenv_line_is_read_as_people_write_it(text: str, value: str) -> None:
    assert dotenv(text)["A"] == value


def test_the_first_source_that_has_one_wins_and_later_ones_are_not_asked_in_vain(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    sources = ["env", SecretSource(file=".env"), command("raise SystemExit(1)")]
    assert found(tmp_path, ["A", "B"], sources, A="env") == {"A": "env", "B": "file"}


def test_only_what_is_wanted_is_taken(tmp_path: Path) -> None:
    assert found(tmp_path, ["B"], [command('print(\'{"A": 1, "B": {"computed": "b"}, "C": null}\')')]) == {"B": "b"}
    assert found(tmp_path, [], [command("raise SystemExit(1)")]) == {}


def test_every_missing_one_is_named_with_the_places_that_were_looked_in(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the secrets A, C cannot be found; looked in the environment, no\.env"):
        found(tmp_path, ["A", "B", "C"], ["env", SecretSource(file="no.env")], B="b", C="")


def test_a_source_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        found(tmp_path, ["A"], [SecretSource(command=("no-such-vault",))])
    with pytest.raises(CannotTell, match="not an object"):
        found(tmp_path, ["A"], [command("print('[1]')")])
    (tmp_path / "bad").write_bytes(b"A=\xff")
    with pytest.raises(CannotTell, match="invalid UTF-8"):
        found(tmp_path, ["A"], [SecretSource(file="bad")])
