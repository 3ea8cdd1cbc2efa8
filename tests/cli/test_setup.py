"""`init`, `doctor`, `schema` and `completion`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from seatrial.app.doctor import Finding, Findings, described
from seatrial.cli import COMMANDS
from seatrial.spi import Readiness


def test_the_project_that_init_writes_passes_check_and_run(seatrial: Command, project: Path) -> None:
    begun = seatrial("init")
    assert begun.returncode == 0, begun.stderr
    assert "seatrial run" in begun.stdout
    checked = seatrial("check")
    assert checked.returncode == 0, checked.stderr
    run = seatrial("run", deadline=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (project / ".gitignore").read_text() == ".seatrial/\n"


def test_the_first_scenario_names_a_schema_that_is_there_and_that_it_satisfies(
    seatrial: Command, project: Path
) -> None:
    import jsonschema  # type: ignore[import-untyped]
    import yaml

    seatrial("init")
    scenario = project / "scenarios" / "first.yaml"
    line = scenario.read_text().splitlines()[0]
    schema = scenario.parent / line.removeprefix("# yaml-language-server: $schema=")
    jsonschema.validate(yaml.safe_load(scenario.read_text()), json.loads(schema.read_text()))


def test_init_overwrites_nothing(seatrial: Command, project: Path) -> None:
    mine = {"seatrial.toml": "parallel = 3\n", "scenarios/first.yaml": "mine\n", ".gitignore": "build/"}
    (project / "scenarios").mkdir()
    for name, text in mine.items():
        (project / name).write_text(text)
    told = seatrial("init").stdout
    assert told.count("already exists") == 2
    assert (project / "seatrial.toml").read_text() == mine["seatrial.toml"]
    assert (project / "scenarios" / "first.yaml").read_text() == "mine\n"
    assert (project / ".gitignore").read_text() == "build/\n.seatrial/\n"
    held = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    seatrial("init")
    assert {file: file.read_bytes() for file in project.rglob("*") if file.is_file()} == held


def test_init_in_another_folder_says_how_to_go_there(seatrial: Command, project: Path) -> None:
    told = seatrial("init", "my trials").stdout
    assert "cd 'my trials'" in told
    assert (project / "my trials" / "seatrial.toml").is_file()


def test_doctor_finds_the_local_provider_ready_by_trying(seatrial: Command) -> None:
    done = seatrial("doctor", "--format", "json")
    data = json.loads(done.stdout)
    findings = {one["name"]: one for one in data["findings"]}
    assert done.returncode == 0, data
    assert findings["local"]["ready"]
    assert findings["local"]["tried"]
    assert findings["python"]["ready"]
    assert "ready" in seatrial("doctor").stdout


def test_doctor_says_what_keeps_it_from_working_and_ends_with_3(seatrial: Command, tmp_path: Path) -> None:
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    done = seatrial("doctor", XDG_STATE_HOME=str(nowhere))
    assert done.returncode == 3
    assert "not ready" in done.stdout
    assert str(nowhere) in done.stdout


def test_doctor_is_not_held_up_by_a_provider_that_never_answers_or_breaks(seatrial: Command, project: Path) -> None:
    (project / "slow.py").write_text(
        "import asyncio\nfrom seatrial import provider\n\n"
        "@provider('slow')\nclass Slow:\n    @classmethod\n    async def readiness(cls, settings):\n"
        "        await asyncio.Event().wait()\n\n"
        "@provider('broken')\nclass Broken:\n    @classmethod\n    async def readiness(cls, settings):\n"
        "        raise ZeroDivisionError('by zero')\n"
    )
    done = seatrial("doctor", "--plugin", "slow.py", "--deadline", "8s", "--format", "json")
    findings = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert "within 8 s" in findings["slow"]["tried"]
    assert "ZeroDivisionError: by zero" in findings["broken"]["tried"]
    assert not findings["slow"]["ready"]
    assert done.returncode == 0, "the default provider works all the same"


def test_doctor_tries_only_the_providers_that_are_named_and_all_of_them_must_work(seatrial: Command) -> None:
    done = seatrial("doctor", "local", "--format", "json")
    data = json.loads(done.stdout)
    assert done.returncode == 0, data
    assert (data["works"], data["asked"], [one["name"] for one in data["findings"]]) == (True, ["local"], ["local"])
    both = seatrial("doctor", "local", "ssh")
    assert both.returncode == 3, "ssh has no machines"
    assert "no machines are named" in both.stdout
    assert "cannot run on ssh here yet" in both.stdout


def test_doctor_refuses_a_provider_that_there_is_not(seatrial: Command) -> None:
    done = seatrial("doctor", "lokal")
    assert done.returncode == 2
    assert "unknown provider 'lokal': did you mean 'local'?" in done.stderr


def test_doctor_says_what_brings_an_engine_that_is_not_installed_or_hangs(seatrial: Command, tmp_path: Path) -> None:
    nothing = tmp_path / "bin"
    nothing.mkdir()
    told = seatrial("doctor", "containers", PATH=str(nothing))
    assert told.returncode == 3
    assert "podman is not installed; docker is not installed" in told.stdout
    assert "try: apt-get install podman" in told.stdout
    for name in ("podman", "docker"):
        (nothing / name).write_text("#!/bin/sh\nexec /bin/sleep 600\n")
        (nothing / name).chmod(0o755)
    began = time.monotonic()
    told = seatrial("doctor", "containers", "local", "--deadline", "1s", PATH=f"{nothing}:{os.environ['PATH']}")
    assert time.monotonic() - began < 30
    assert "containers  not ready  no answer within 1 s" in told.stdout
    assert "try: seatrial doctor containers --deadline 60s" in told.stdout


def test_doctor_tells_of_an_image_that_is_named_and_not_there(tmp_path: Path) -> None:
    from seatrial.providers.libvirt.settings import LibvirtSettings
    from seatrial.providers.libvirt.trial_resources import image_told

    fine = Readiness(True, "booted")
    told = image_told(LibvirtSettings(image=str(tmp_path / "none.qcow2")), fine)
    assert not told.ready
    assert f"booted; providers.libvirt.image is {tmp_path}/none.qcow2, but the file does not exist" in told.tried
    assert told.remedy == "make backends"
    none = image_told(LibvirtSettings(), fine)
    assert none.ready
    assert "[providers.libvirt] image" in none.remedy


@pytest.mark.backend("podman")
def test_doctor_tells_of_an_image_that_no_store_has(seatrial: Command, project: Path) -> None:
    (project / "seatrial.toml").write_text('[providers.containers]\nimage = "localhost/no-such-image-of-ours"\n')
    told = seatrial("doctor", "containers")
    assert told.returncode == 3
    assert "has no image localhost/no-such-image-of-ours" in told.stdout
    assert "pull localhost/no-such-image-of-ours" in told.stdout


def test_findings_fit_a_narrow_terminal_and_commands_stay_whole() -> None:
    command = "apt-get install a-package another-package and-one-more-package"
    found = Finding(kind="provider", name="containers", ready=False, tried="word " * 30, remedy=command)
    for width in (80, 38, 20):
        lines = described(Findings(default="local", asked=("containers",), all=(found,)), width).splitlines()
        (whole,) = [line for line in lines if "try: " in line]
        assert whole.endswith(command)
        assert all(len(line) <= max(width, 25) for line in lines if line is not whole), lines
    assert "word " * 29 in described(Findings(default="local", asked=(), all=(found,)))


def test_the_schema_has_the_steps_of_plugins_too(seatrial: Command, project: Path) -> None:
    (project / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom seatrial import step\n\n"
        "@step('paint_hull')\n@dataclass(frozen=True, kw_only=True)\nclass Paint:\n    '''Paint it.'''\n"
        "    colour: str\n    async def run(self, ctx):\n        return None\n"
    )
    plain, plugged = seatrial("schema").stdout, seatrial("schema", "--plugin", "mine.py").stdout
    json.loads(plain)
    assert "crash_node" in plain
    assert "paint_hull" not in plain
    assert "paint_hull" in plugged


@pytest.mark.parametrize(("shell", "syntax"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_a_completion_script_knows_every_command_and_its_shell_can_read_it(
    shell: str, syntax: list[str], seatrial: Command, project: Path
) -> None:
    done = seatrial("completion", shell)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout
    assert "--fail-fast" in done.stdout or "fail-fast" in done.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed: its syntax was not tried")
    file = project / f"completion.{shell}"
    file.write_text(done.stdout)
    subprocess.run([program, *syntax, str(file)], check=True, capture_output=True, timeout=20)


def test_bash_completes_commands_and_options(seatrial: Command, project: Path) -> None:
    script = project / "completion.bash"
    script.write_text(seatrial("completion", "bash").stdout)
    ask = (
        f'source {script}; complete_words() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); '
        '_shtab_seatrial; echo "${COMPREPLY[@]}"; }; complete_words seatrial ins; complete_words seatrial run --fail'
    )
    said = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=20, check=True)
    assert said.stdout.split() == ["inspect", "--fail-fast"]
