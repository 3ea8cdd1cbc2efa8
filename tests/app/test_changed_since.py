"""`preflight --changed-since`: what a change can affect, in real repositories."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project

from seatrial.app.preflight import PreflightOptions, outline

DOCUMENT: dict[str, Any] = {
    "pipeline": {
        "stages": {
            "build": {
                "checks": {
                    "site": {"run": ["true"], "inputs": ["site/**", "!site/*.md"], "artifacts": ["dist/**"]},
                    "version": {"run": "echo 1", "inputs": ["VERSION"], "outputs": {"v": "stdout"}},
                }
            },
            "quality": {
                "checks": {
                    "lint": {"run": ["true"], "inputs": ["app/**"]},
                    "types": {"run": ["true"], "inputs": ["app/**/*.pyi", "pyproject.toml"]},
                    "tests": {"run": ["./scripts/test.sh"], "inputs": ["tests/**"], "needs": ["lint"]},
                    "docs": {"run": ["true"], "inputs": ["docs/*.md"]},
                }
            },
            "release": {
                "needs": ["build"],
                "checks": {
                    "bundle": {"run": ["true"], "inputs": ["dist/**"]},
                    "notes": {"run": ["true", "${{ steps['build/version'].outputs.v }}"], "inputs": ["NOTES"]},
                },
            },
        }
    }
}

FILES = {
    "site/index.html": "x", "site/README.md": "x", "VERSION": "1", "app/a.py": "x", "app/sub/b.pyi": "x",
    "pyproject.toml": "", "tests/test_a.py": "", "docs/a.md": "", "NOTES": "", "scripts/test.sh": "#!/bin/sh\n",
    ".gitignore": "dist/\n*.pyc\n.env\n", "other/x": "x",
}  # fmt: skip

Git = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "pipeline.json").write_text(json.dumps(DOCUMENT))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.chdir(folder)
    git(folder, "init", "--initial-branch", "main")
    committed(folder, "first")
    git(folder, "checkout", "-b", "topic")
    return folder


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def committed(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--allow-empty", "-m", message)


def counted(since: str = "main", **more: Any) -> dict[str, str]:
    """The checks that would run, each with why."""
    told = outline(PreflightOptions(changed_since=since, **more))
    checks = [check for stage in told["stages"].values() for check in stage["checks"]]
    assert all(("because" in check) != ("skipped" in check) for check in checks)
    return {check["id"]: check["because"] for check in checks if "because" in check}


def write(name: str, text: str = "changed") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def renamed() -> None:
    git(Path(), "mv", "docs/a.md", "other/a.md")


def untracked_in_new_folder() -> None:
    write("app/new/deep.py")


def quoted() -> None:
    write('docs/ä "quoted"\n.md')


CHANGES: list[tuple[str, Callable[[], object], set[str]]] = [
    ("nothing", lambda: None, set()),
    ("what nobody declares", lambda: write("other/x"), set()),
    ("what is left out by a pattern", lambda: write("site/README.md"), set()),
    ("what .gitignore leaves out", lambda: write("app/a.pyc"), set()),
    ("a file", lambda: write("docs/a.md"), {"quality/docs"}),
    ("a file that another needs", lambda: write("app/a.py"), {"quality/lint", "quality/tests"}),
    ("a file of several", lambda: write("app/sub/b.pyi"), {"quality/lint", "quality/types", "quality/tests"}),
    ("a new file that git does not track", untracked_in_new_folder, {"quality/lint", "quality/tests"}),
    ("a deleted file", lambda: Path("docs/a.md").unlink(), {"quality/docs"}),
    ("a renamed file", renamed, {"quality/docs"}),
    ("a name that git would quote", quoted, {"quality/docs"}),
    ("the program that is run", lambda: write("scripts/test.sh"), {"quality/tests"}),
    ("only a mode", lambda: Path("docs/a.md").chmod(0o755), {"quality/docs"}),
    ("what a stage needs, and all after it", lambda: write("VERSION"),
     {"build/version", "release/bundle", "release/notes", "build/site"}),
    ("what reads the output of another", lambda: write("NOTES"), {"release/notes", "build/version"}),
    ("the document", lambda: write("pipeline.json", json.dumps(DOCUMENT) + " "),
     {f"{s}/{c}" for s, one in DOCUMENT["pipeline"]["stages"].items() for c in one["checks"]}),
]  # fmt: skip


@pytest.mark.parametrize("how", ["in the work tree", "staged", "committed"])
@pytest.mark.parametrize(("what", "change", "expected"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_change_counts_for_what_it_can_affect(
    repository: Path, what: str, change: Callable[[], object], expected: set[str], how: str
) -> None:
    change()
    if how != "in the work tree":
        git(repository, "add", "--all")
    if how == "committed":
        committed(repository, what)
    assert set(counted()) == expected


def test_only_what_the_branch_changed_counts_and_not_what_its_base_went_on_to(repository: Path) -> None:
    write("docs/a.md")
    committed(repository, "topic")
    git(repository, "checkout", "main")
    write("app/a.py")
    committed(repository, "main goes on")
    git(repository, "checkout", "topic")
    assert set(counted()) == {"quality/docs"}
    assert set(counted("HEAD")) == set()
    assert counted(only=("quality",)) == {"quality/docs": "docs/a.md changed"}


def test_a_check_without_inputs_always_counts_and_so_does_what_git_cannot_tell(repository: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    checks = document["pipeline"]["stages"]["quality"]["checks"]
    checks["all"] = {"run": ["true"]}
    checks["env"] = {"run": ["true"], "inputs": [".env"]}
    checks["none"] = {"run": ["true"], "inputs": ["nowhere/*"]}
    checks["after"] = {"run": ["true"], "inputs": ["docs/**"], "needs": ["all"]}
    checks["linked"] = {"run": ["true"], "inputs": ["link.txt"]}
    write("pipeline.json", json.dumps(document))
    write(".env")
    Path("link.txt").symlink_to("other/x")
    committed(repository, "more checks")
    git(repository, "branch", "--force", "main")
    assert counted() == {
        "quality/all": "it declares no `inputs`",
        "quality/env": "git does not report changes of .env",
        "quality/none": "its input 'nowhere/*' matches no file of the source",
        "quality/after": "it comes after quality/all",
    }
    write("other/x")
    assert counted()["quality/linked"] == "link.txt links to other/x, and other/x changed"
    git(repository, "checkout", "other/x")
    # What git was told not to look at may have changed.
    git(repository, "update-index", "--assume-unchanged", "docs/a.md")
    assert counted()["quality/docs"] == "docs/a.md changed"


def test_what_went_from_a_folder_that_a_link_leads_to_counts(repository: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    checks = document["pipeline"]["stages"]["quality"]["checks"]
    checks["below"] = {"run": ["true"], "inputs": ["app/**/*.py"]}
    checks["whole"] = {"run": ["true"], "inputs": ["app/lib/**"]}
    checks["without"] = {"run": ["true"], "inputs": ["app/**/*.py", "!app/lib/**"]}
    write("pipeline.json", json.dumps(document))
    write("shared/a.py")
    write("shared/b.py")
    Path("app/lib").symlink_to("../shared")
    committed(repository, "a link")
    git(repository, "branch", "--force", "main")
    assert {"quality/below", "quality/whole", "quality/without"} & set(counted()) == set()
    Path("shared/a.py").unlink()
    found = counted()
    assert (
        found["quality/below"] == found["quality/whole"] == "app/lib/a.py links to shared/a.py, and shared/a.py changed"
    )
    assert "quality/without" not in found


def test_a_check_waits_for_what_it_reads_also_when_what_lies_between_is_left_out(repository: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["pipeline"]["stages"]["quality"]["checks"] |= {
        "make": {"run": ["true"], "inputs": ["VERSION"], "artifacts": ["made"]},
        "between": {"run": ["true"], "inputs": ["site/**"], "needs": ["make"]},
        "user": {"run": ["true"], "inputs": ["NOTES"], "needs": ["between"], "uses": ["quality/make"]},
    }
    write("pipeline.json", json.dumps(document))
    committed(repository, "more checks")
    git(repository, "branch", "--force", "main")
    write("NOTES")
    told = {
        check["id"]: check for check in outline(PreflightOptions(changed_since="main"))["stages"]["quality"]["checks"]
    }
    assert told["quality/make"]["because"] == "quality/user reads its outputs or artifacts"
    assert "skipped" in told["quality/between"]
    assert told["quality/user"]["needs"] == ["quality/make"]
    git(repository, "checkout", "NOTES")
    write("VERSION")
    assert counted(only=("quality/user",))["quality/user"] == "it comes after quality/make"


def test_what_is_left_out_of_the_inputs_counts_where_it_is_the_program_or_in_the_image(repository: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    checks = document["pipeline"]["stages"]["quality"]["checks"]
    checks["program"] = {"run": ["./scripts/test.sh"], "inputs": ["docs/**", "!scripts/**"]}
    checks["image"] = {"run": ["true"], "build": {"context": "other"}, "inputs": ["**", "!other/**", "!scripts/**"]}
    write("pipeline.json", json.dumps(document))
    committed(repository, "more checks")
    git(repository, "branch", "--force", "main")
    write("other/x")
    assert counted() == {"quality/image": "other/x changed"}
    git(repository, "checkout", "other/x")
    write("scripts/test.sh")
    assert set(counted()) == {"quality/program", "quality/tests"}


@pytest.mark.parametrize("what", ["the file of the secrets", "a link to the document", "a mode that git does not keep"])
def test_what_git_or_the_document_does_not_say_outright_counts(repository: Path, what: str) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    # What a document names is looked for where it is, not where the link to it is.
    document["pipeline"] |= {"source": "..", "secrets": {"from": [{"file": "../secrets.enc"}]}}
    write("secrets.enc")
    for number in ("1", "2"):
        write(f"pipelines/{number}.json", json.dumps(document))
    Path("pipeline.json").unlink()
    Path("pipeline.json").symlink_to("pipelines/1.json")
    committed(repository, "secrets")
    git(repository, "branch", "--force", "main")
    assert counted() == {}
    if what == "the file of the secrets":
        write("secrets.enc", "other")
        assert set(counted().values()) == {"secrets.enc changed"}
    elif what == "a link to the document":
        Path("pipeline.json").unlink()
        Path("pipeline.json").symlink_to("pipelines/2.json")
        assert set(counted().values()) == {"pipeline.json changed"}
    else:
        git(repository, "config", "core.fileMode", "false")
        Path("docs/a.md").chmod(0o755)
        assert counted() == {"quality/docs": "docs/a.md changed"}


def test_a_submodule_counts_as_a_whole(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "--initial-branch", "main")
    (library / "code.py").write_text("x")
    (library / "docs").mkdir()
    (library / "docs" / "a.md").write_text("x")
    committed(library, "first")
    git(repository, "submodule", "add", str(library), "app/library")
    committed(repository, "with a library")
    git(repository, "branch", "--force", "main")
    assert counted() == {}
    inside = repository / "app" / "library"
    (inside / "code.py").write_text("y")
    assert counted()["quality/lint"] == "app/library, another repository, changed"
    git(inside, "checkout", "code.py")
    (inside / "untracked.py").write_text("y")
    assert "quality/lint" in counted()
    (inside / "untracked.py").unlink()
    assert counted() == {}
    (inside / "code.py").write_text("y")
    committed(inside, "second")
    assert set(counted()) == {"quality/lint", "quality/types", "quality/tests"}
    # A repository inside that nobody added.
    git(inside, "checkout", "HEAD~1")
    git(repository, "init", "docs/nested")
    assert counted() == {"quality/docs": "docs/nested, another repository, changed"}


def test_the_users_own_configuration_changes_nothing(repository: Path, tmp_path: Path) -> None:
    renamed()
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    hook.chmod(0o755)
    (tmp_path / "ignore").write_text("*.py\n*.md\n")
    (tmp_path / "attributes").write_text("*.md diff=mine\n")
    (tmp_path / "gitconfig").write_text(
        f"[core]\nquotepath = true\nexcludesFile = {tmp_path}/ignore\nfsmonitor = {hook}\n"
        f"attributesFile = {tmp_path}/attributes\n[color]\nui = always\n"
        f"[diff]\nexternal = {hook}\nnoprefix = true\nrelative = true\nignoreSubmodules = all\nrenames = copies\n"
        f'[diff "mine"]\ntextconv = {hook}\ncommand = {hook}\n[status]\nshowUntrackedFiles = no\n'
        f"[submodule]\nrecurse = true\n"
    )
    (repository / ".git" / "info" / "exclude").write_text("docs/\n")
    write("docs/ä.md")
    write("app/new.py")
    assert counted() == {
        "quality/docs": "docs/a.md changed",
        "quality/lint": "app/new.py changed",
        "quality/tests": "it comes after quality/lint",
    }
    assert not (tmp_path / "called").exists()


def test_what_a_hook_of_git_says_of_its_own_repository_is_not_taken_over(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("docs/a.md")
    monkeypatch.setenv("GIT_DIR", "elsewhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("GIT_WORK_TREE", "/")
    assert set(counted()) == {"quality/docs"}


def test_the_sources_may_be_a_folder_of_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = repository / "services" / "web"
    inner.mkdir(parents=True)
    document = {"pipeline": {"stages": {"a": {"checks": {
        "x": {"run": ["true"], "inputs": ["src/**"]},
        "shared": {"run": ["true"], "inputs": ["shared/**"]}}}}}}  # fmt: skip
    (inner / "pipeline.json").write_text(json.dumps(document))
    (inner / "src").mkdir()
    (inner / "src" / "a.py").write_text("x")
    (inner / "shared").symlink_to("../../other")
    committed(repository, "a service")
    git(repository, "branch", "--force", "main")
    monkeypatch.chdir(inner)
    write("../../docs/a.md")
    assert counted() == {}
    write("src/a.py")
    write("../../other/x", "y")
    assert counted() == {
        "a/x": "src/a.py changed",
        "a/shared": "shared/x links to ../../other/x, and ../../other/x changed",
    }
    monkeypatch.chdir(repository)
    assert set(counted(document=Path("services/web/pipeline.json"))) == {"a/x", "a/shared"}


@pytest.mark.parametrize(
    ("prepare", "reference", "words"),
    [
        ("", "mian", "did you mean 'main'"),
        ("", "--output=x", "names no commit"),
        ("", "main:VERSION", "unknown commit"),
        ("unrelated", "lonely", "no common ancestor"),
        ("shallow", "v1", "fetch-depth: 0"),
        ("no repository", "main", "is not in a git repository"),
        ("no commit", "main", "no branches yet"),
        ("no git", "main", "install it"),
    ],
)
def test_what_git_cannot_answer_is_bad_usage(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: str, reference: str, words: str
) -> None:
    folder = repository
    if prepare == "unrelated":
        git(folder, "checkout", "--orphan", "lonely")
        committed(folder, "alone")
        git(folder, "checkout", "topic")
    if prepare == "shallow":
        git(folder, "tag", "v1")
        committed(folder, "later")
        git(tmp_path, "clone", "--depth", "1", "--no-tags", f"file://{folder}", "clone")
        folder = tmp_path / "clone"
    if prepare in ("no repository", "no commit"):
        folder = tmp_path / "plain"
        folder.mkdir()
        (folder / "pipeline.json").write_text(json.dumps(DOCUMENT))
    if prepare == "no commit":
        git(folder, "init")
    project = Project(folder)
    environment = {**project.environment, **({"PATH": str(tmp_path)} if prepare == "no git" else {})}
    done = project.seatrial("preflight", f"--changed-since={reference}", env=environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert project.runs() == []


def test_what_is_left_out_is_told_and_is_no_leave_to_deploy(repository: Path) -> None:
    project = Project(repository)
    nothing = project.seatrial("preflight", "--changed-since", "main")
    assert nothing.returncode == 5, nothing.stdout + nothing.stderr
    assert "RESULT: NOTHING RAN" in nothing.stdout
    assert "Nothing ran: nothing it depends on changed since main." in nothing.stdout

    write("tests/test_a.py")
    Path("scripts/test.sh").chmod(0o755)
    some = project.seatrial("preflight", "--changed-since", "main")
    assert some.returncode == 0, some.stdout + some.stderr
    assert "  ○ docs (skipped: nothing it depends on changed since main)" in some.stdout
    assert "✓ tests" in some.stdout, "it needs lint, which is left out"
    assert "Ready to deploy" not in some.stdout
    data = json.loads((project.runs()[-1] / "preflight.json").read_text())
    assert data["complete"] is False
    assert [check["name"] for check in data["stages"]["quality"]["checks"] if check["status"] == "passed"] == ["tests"]

    write("pipeline.json", json.dumps(DOCUMENT) + "\n")
    write("dist/x")
    everything = project.seatrial("preflight", "--changed-since", "main")
    assert everything.returncode == 0, everything.stdout + everything.stderr
    assert "Ready to deploy!" in everything.stdout
    assert project.left() == []
