from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look, verdict, well

from seatrial.checks.container_env import ContainerEnv
from seatrial.errors import LinkDown, LinkRefused

SECRET = "tide-at-0412"
ENVIRONMENT = {
    "web-1": ["COLOUR=blue", f"TOKEN={SECRET}", "LINES=one\nCOLOUR=red", "PATH=/bin"],
    "web-2": ["COLOUR=green", "TOKEN=stale-and-private"],
    "database": [],
}


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeContext:
    """A node with an engine that lists three containers."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, pairs in ENVIRONMENT.items():
        (tmp_path / name).write_text(json.dumps(pairs))
    engine = programs / "podman"
    engine.write_text(
        "#!/bin/sh\n"
        f'case $1 in ps) printf "%s\\n" {" ".join(ENVIRONMENT)} ;;\n'
        f'inspect) for one; do :; done; cat "{tmp_path}/$one" ;; esac\n'
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return FakeContext(tmp_path, n11=well())


CASES: list[tuple[dict[str, Any], str]] = [
    ({"variable": "COLOUR"}, "passed"),
    ({"variable": "COLOUR", "value": "blue"}, "passed"),
    ({"variable": "COLOUR", "value": "red"}, "failed"),
    ({"variable": "SHAPE"}, "failed"),
    ({"variable": "SHAPE", "absent": True}, "passed"),
    ({"variable": "COLOUR", "absent": True}, "failed"),
    ({"variable": "TOKEN", "secret": SECRET}, "passed"),
    ({"variable": "TOKEN", "secret": "another"}, "failed"),
    ({"variable": "SHAPE", "secret": SECRET}, "failed"),
    ({"container": "web-*", "variable": "COLOUR"}, "passed"),
    ({"container": "web-*", "variable": "COLOUR", "value": "blue"}, "failed"),
    ({"container": "worker", "variable": "COLOUR"}, "failed"),
]


@pytest.mark.parametrize("fields, expected", CASES)
def test_the_environment_decides(ctx: FakeContext, fields, expected) -> None:
    assert verdict(ContainerEnv(**{"container": "web-1", "engine": "podman"} | fields), ctx) == expected


@pytest.mark.parametrize("container", ["web-1", "web-2", "database", "web-*"])
def test_neither_the_secret_nor_what_is_there_instead_is_shown(ctx: FakeContext, container) -> None:
    check = ContainerEnv(container=container, variable="TOKEN", secret=SECRET, engine="podman")
    seen = look(check, ctx)
    told = f"{seen} {check!r} {[link.ran for link in ctx.links.values()]}"
    assert SECRET not in told
    assert "stale-and-private" not in told
    assert SECRET in ctx.hidden
    assert container not in ("web-2", "web-*") or "stale-and-private" in ctx.hidden


def test_what_is_no_json_is_not_shown(ctx: FakeContext, tmp_path: Path) -> None:
    (tmp_path / "database").write_text(f"[{SECRET}")
    seen = look(ContainerEnv(container="database", variable="TOKEN", secret=SECRET, engine="podman"), ctx)
    assert seen.verdict == "unknown"
    assert SECRET not in str(seen)


def test_a_short_wrong_value_is_not_hidden_everywhere(ctx: FakeContext) -> None:
    look(ContainerEnv(container="web-1", variable="COLOUR", secret=SECRET, engine="podman"), ctx)
    assert ctx.hidden == [SECRET]


def test_every_engine_of_the_node_is_asked_and_a_broken_one_decides_nothing_that_another_knows(
    ctx: FakeContext, tmp_path: Path
) -> None:
    broken = tmp_path / "bin/docker"
    broken.write_text("#!/bin/sh\necho 'cannot connect to the daemon' >&2; exit 1\n")
    broken.chmod(0o755)
    assert verdict(ContainerEnv(container="web-1", variable="COLOUR", value="blue"), ctx) == "passed"
    seen = look(ContainerEnv(container="worker", variable="COLOUR"), ctx)
    assert seen.verdict == "unknown"
    assert "docker cannot connect to the daemon" in seen.why


def test_the_short_form_names_container_variable_value_and_nodes() -> None:
    assert ContainerEnv.from_text(":web-*:COLOUR") == {"container": "web-*", "variable": "COLOUR"}
    told = {"container": "web", "variable": "URL", "value": "http://a:1/?b==c", "on": "n11"}
    assert ContainerEnv.from_text("[n11]:web:URL==http://a:1/?b==c") == told
    for text in ("", ":web", ":web:A=b", ":web:"):
        with pytest.raises(ValueError, match="container_env"):
            ContainerEnv.from_text(text)


def test_a_node_without_an_engine_cannot_be_told(tmp_path: Path) -> None:
    programs = tmp_path / "none"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    ctx = FakeContext(tmp_path, n11=well(), programs=programs)
    seen = look(ContainerEnv(container="x", variable="Y"), ctx)
    assert seen.verdict == "unknown"
    assert "none of these: docker podman" in seen.why


@pytest.mark.parametrize("trouble, expected", [(LinkDown("down"), "failed"), (LinkRefused("key"), "unknown")])
def test_a_node_that_does_not_answer_fails_even_where_it_must_be_absent(trouble, expected) -> None:
    check = ContainerEnv(container="x", variable="Y", absent=True)
    assert verdict(check, FakeContext(n11=well(), trouble={"n11": trouble})) == expected


def test_fields_that_cannot_be_are_refused() -> None:
    check = ContainerEnv(container="x", variable="A=B", value="1", secret="", engine="lxc")
    assert [key for key, _ in check.check_fields()] == ["value", "secret", "engine", "variable"]
