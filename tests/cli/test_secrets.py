"""Secrets and commands of a CI in what a run prints and keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.cli.conftest import Command

TOKEN = "tokn-8Jq2LmZx4VbN7"


def written(project: Path, *steps: Mapping[str, object], **suite: object) -> Path:
    file = project / "s.json"
    file.write_text(json.dumps({"test_suites": {"s": {"provider": "local", "workflow": steps, **suite}}}))
    return file


def kept(project: Path) -> dict[Path, bytes]:
    """Every file of the project's state with its content."""
    return {path: path.read_bytes() for path in (project / ".seatrial").rglob("*") if path.is_file()}


def test_a_secret_over_any_cut_is_nowhere(seatrial: Command, project: Path) -> None:
    env = {"T": "${{ secrets.TOKEN }}"}
    steps = [
        {"step": "custom_command", "env": env, "custom_command": f"printf '%0{count}d' 0; echo $T; exit {code}"}
        for count, code in ((1990, 0), (65530, 0), (524278, 0), (193, 1))
    ]
    steps.insert(3, {"step": "custom_command", "env": env, "custom_command": "echo $T; printf '%065525d' 0"})
    done = seatrial("run", written(project, *steps), TOKEN=TOKEN)
    assert done.returncode == 1, done.stdout + done.stderr
    for place, content in [(Path("console"), done.stdout.encode()), *kept(project).items()]:
        for at in range(len(TOKEN) - 5):
            assert TOKEN[at : at + 6].encode() not in content, place


def test_a_secret_is_in_no_file_that_a_run_keeps(seatrial: Command, project: Path) -> None:
    destroy = "rm up; echo destroy $PW; mkdir -p $SEATRIAL_DEPLOYMENT_DIR; echo $PW > $SEATRIAL_DEPLOYMENT_DIR/x"
    deployer = {
        "kind": "command",
        "cwd": ".",
        "deploy": "touch up",
        "status": """if [ -e up ]; then echo '{"state": "running"}'; else echo '{"state": "destroyed"}'; fi""",
        "destroy": destroy,
        "env": {"PW": "${{ secrets.TOKEN }}"},
    }
    own = "cd $SEATRIAL_DEPLOYMENT_DIR; mkdir -p ../artifacts; echo $T > ../artifacts/own.txt"
    step = {"step": "custom_command", "env": {"T": "${{ secrets.TOKEN }}"}, "custom_command": own}
    done = seatrial("run", written(project, {"step": "deploy"}, step, system=deployer), TOKEN=TOKEN)
    files = kept(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"own.txt", "destroy.log", "x"} <= {path.name for path in files}
    assert not [path for path, content in files.items() if TOKEN.encode() in content]
    assert not [
        path for path in files if path.is_relative_to(project / ".seatrial/runs") and path.stat().st_mode & 0o77
    ]
    assert [path.stat().st_mode & 0o77 for path in (project / ".seatrial/runs").iterdir()] == [0]


def test_a_short_secret_and_one_on_a_command_line_are_warned_of(seatrial: Command, project: Path) -> None:
    steps = (
        {"step": "custom_command", "env": {"S": "${{ secrets.SHORT }}"}, "custom_command": ["true"]},
        {"step": "custom_command", "custom_command": ["true", "--token=${{ secrets.TOKEN }}"]},
    )
    done = seatrial("run", written(project, *steps), TOKEN=TOKEN, SHORT="ab")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the secret SHORT is too short to be masked" in done.stdout
    assert "a secret is on the command line of true" in done.stdout


def test_secrets_of_the_settings_are_hidden_too(seatrial: Command, project: Path) -> None:
    (project / "seatrial.toml").write_text('secrets = ["OTHER"]\n')
    done = seatrial(
        "run", written(project, {"step": "custom_command", "custom_command": "echo $OTHER; exit 1"}), OTHER=TOKEN
    )
    assert "| ***" in done.stdout
    assert not [path for path, content in kept(project).items() if TOKEN.encode() in content]


def test_a_product_gives_no_commands_to_a_ci(seatrial: Command, project: Path) -> None:
    said = "echo '::set-output name=verdict::passed'; echo 'at the end ##[add-mask]passed'; exit 1"
    document = written(project, {"step": "custom_command", "custom_command": said})
    done = seatrial("run", document, "--format", "github")
    assert "# #[add-mask]passed" in done.stdout
    assert "##[" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.strip().startswith("::set-output")]
