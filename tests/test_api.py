"""The Python API: every name is there, and none is imported before it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import seatrial


@pytest.mark.parametrize("name", [name for name in seatrial.__all__ if name != "__version__"])
def test_every_name_of_the_api_is_what_its_home_has(name: str) -> None:
    home = importlib.import_module(seatrial._HOMES[name])
    assert getattr(seatrial, name) is getattr(home, name)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'laod'; its API is check, .*load"):
        seatrial.laod  # noqa: B018


def test_importing_the_package_brings_in_no_other_module_of_ours_and_nothing_slow() -> None:
    code = "import sys; before = set(sys.modules); import seatrial; print(*sorted(set(sys.modules) - before))"
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.split() == ["__future__", "seatrial"]


def test_dir_lists_the_api() -> None:
    assert set(seatrial.__all__) <= set(dir(seatrial))
