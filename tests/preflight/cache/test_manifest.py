"""What a result depends on, and how a change of it is told."""

from __future__ import annotations

from seatrial.preflight.cache import manifest
from seatrial.preflight.cache.manifest import changes, key_of

BEFORE = {
    "files": {"app/a.py": "1", "app/b.py": "1"},
    "variables": {"DEBUG": "1"},
    "secrets": {"TOKEN": "1"},
    "surroundings": {},
    "tools": {"python --version": "1"},
    "programs": {"the program /bin/python": "1"},
    "disk": {"build/dist": "1"},
    "needs": {"build/site": "1"},
    "command": {"the command": "1"},
    "place": {"the place where it runs": "1"},
}


def test_each_part_is_told_in_words() -> None:
    now = {part: dict.fromkeys(held, "2") for part, held in BEFORE.items()}
    now["files"] = {"app/a.py": "2", "app/c.py": "1"}
    now["surroundings"] = {"CI": "1"}
    assert changes(BEFORE, now) == [
        "app/a.py changed",
        "app/b.py is gone",
        "app/c.py is new",
        "the variable DEBUG changed",
        "the environment variable CI is new",
        "the secret TOKEN changed",
        "the output of `python --version` changed",
        "the program /bin/python changed",
        "the result of build/site changed",
        "the artifact of build/dist in the sources changed",
        "the command changed",
        "the place where it runs changed",
    ]


def test_many_changes_of_one_part_are_counted() -> None:
    now = {**BEFORE, "files": {f"app/{at}.py": "1" for at in range(8)}}
    assert changes(BEFORE, now)[3:] == ["7 more of its files"]


def test_every_part_is_part_of_the_key_and_their_order_is_not() -> None:
    keys = {key_of({**BEFORE, part: {**held, "x": "y"}}) for part, held in BEFORE.items()}
    assert len(keys) == len(BEFORE) == len(manifest.SAID)
    assert key_of(dict(reversed(BEFORE.items()))) == key_of(BEFORE)


def test_another_format_has_other_keys(monkeypatch) -> None:
    before = key_of(BEFORE)
    monkeypatch.setattr(manifest, "FORMAT", manifest.FORMAT + 1)
    assert key_of(BEFORE) != before
