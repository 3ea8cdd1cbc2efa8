"""Temporary files and Git's settings of a trial: its own, and gone at its end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.acceptance.harness import Project, suite, until

SHOW = 'echo "$TMPDIR" >"$SEATRIAL_PROJECT/$SEATRIAL_SUITE.folder"; '


def command(text: str) -> dict[str, str]:
    return {"step": "custom_command", "custom_command": text}


def folder_of(project: Project, name: str) -> Path:
    return Path((project.folder / f"{name}.folder").read_text().strip())


def test_two_flows_with_the_same_names_never_meet_and_the_users_git_settings_stay(project: Project) -> None:
    home = project.folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ann\n")
    for name in ("one", "two"):
        text = (
            f'{SHOW}echo {name} >"$TMPDIR/state"; git config --global user.email {name}@example.org; '
            f'test "$(git config user.name) $(git config user.email)" = "Ann {name}@example.org"; '
            f'case $(mktemp) in "$TMPDIR"/*) ;; *) exit 1 ;; esac'
        )
        look = command(f'test "$(cat "$TMPDIR/state") $(git config user.email)" = "{name} {name}@example.org"')
        document = suite(command(text), look)
        project.write(f"{name}.json", {"test_suites": {name: document["test_suites"]["trial"]}})
    environment = {k: v for k, v in project.environment.items() if not k.startswith(("GIT_", "XDG_CONFIG"))}
    done = project.seatrial(
        "run", "one.json", "two.json", "--parallel", "2", env={**environment, "HOME": str(home)}
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / ".gitconfig").read_text() == "[user]\n\tname = Ann\n"
    one, two = folder_of(project, "one"), folder_of(project, "two")
    assert one != two
    assert not [folder for folder in (one, two) if folder.exists()]
    assert project.left() == []


def test_clean_removes_the_folder_of_a_killed_run(project: Project) -> None:
    project.write("a.json", suite(command(f'{SHOW}echo x >"$TMPDIR/file"; touch "$SEATRIAL_PROJECT/there"; sleep 600')))
    run = project.start("run", "a.json", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (project.folder / "there").exists(), "the command")
    run.send_signal(signal.SIGKILL)
    run.wait()
    [folder] = {Path(file.read_text().strip()) for file in project.folder.glob("*.folder")}
    assert (folder / "file").exists()
    done = project.seatrial("clean")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not folder.exists()
