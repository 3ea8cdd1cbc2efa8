"""`seatrial preflight` through the real command: what it says, in every form, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, until

PYTHON = sys.executable
MYPY = "print('app/views.py:45: error: Incompatible types in assignment  [assignment]'); raise SystemExit(1)"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def python(code: str, **more: Any) -> Document:
    """A check that runs a line of Python."""
    return {"run": [PYTHON, "-c", code], **more}


OK = {"run": "true"}
BAD = {"run": "false"}


def pipeline(stages: dict[str, Any], **more: Any) -> Document:
    """A document; each stage as its checks, or whole."""
    made = {name: stage if "checks" in stage else {"checks": stage} for name, stage in stages.items()}
    return {"pipeline": {"name": "Consultancy", "stages": made, **more}}


def three_stages() -> Document:
    """The pipeline of the specification."""
    return pipeline(
        {
            "build": {"django": {"title": "Django container", **OK}},
            "quality": {
                "needs": ["build"],
                "checks": {"mypy": python(MYPY, problems="mypy"), "pytest": {**OK, "needs": ["mypy"]}},
            },
            "integration": {"needs": ["quality"], "checks": {"migrations": OK}},
        }
    )


def said(project: Project, document: Document, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    project.write("pipeline.json", document)
    return project.seatrial("preflight", *arguments, **options)


def as_data(project: Project, document: Document, *arguments: str, **options: Any) -> dict[str, Any]:
    """The JSON of a run; its exit code is the process's."""
    done = said(project, document, "--format", "json", *arguments, **options)
    data: dict[str, Any] = json.loads(done.stdout)
    assert data["exit_code"] == done.returncode, done.stderr
    return data


def statuses(data: dict[str, Any]) -> dict[str, str]:
    """`stage/check` to its status."""
    return {
        f"{stage}/{check['name']}": check["status"] for stage, one in data["stages"].items() for check in one["checks"]
    }


def check_of(data: dict[str, Any], name: str) -> dict[str, Any]:
    stage, _, check = name.partition("/")
    return next(one for one in data["stages"][stage]["checks"] if one["name"] == check)


def test_the_console_is_as_the_specification_has_it(project: Project) -> None:
    done = said(project, three_stages())
    assert done.returncode == 1
    shown = re.sub(r"\b(?:\d+\.\d+s|\d+m\d+s)", "9.9s", done.stdout)
    assert shown.startswith(
        f"{'─' * 60}\n  Preflight: Consultancy\n{'─' * 60}\n"
        "Build Stage ✓                                     [9.9s]\n"
        "  ✓ Django container                            (9.9s)\n"
        "Quality Stage ✗                                   [9.9s]\n"
        "  ✗ mypy                                        (9.9s)\n"
        "    → app/views.py:45: error: Incompatible types in assignment [assignment]\n"
        "  ○ pytest (skipped: needs mypy)\n"
        "Integration Stage ○\n"
        "  ○ migrations (skipped: needs quality)\n"
        "RESULT: FAILED                                  Total: 9.9s\n"
        "1 check(s) failed. Fix issues and retry.\n"
        "\nquality/mypy\n  again: seatrial preflight --only quality/mypy\n  log:   .seatrial/runs/"
    )
    log = project.folder / shown.splitlines()[-1].partition("log:")[2].strip()
    assert "app/views.py:45" in log.read_text()
    assert not CONTROL.search(done.stdout)
    assert done.stderr == ""
    assert project.left() == []


def test_the_same_run_twice_says_the_same(project: Project) -> None:
    document = three_stages()
    times = re.compile(r"[\[(]\d\S*s[\])]|Total: \S+|runs/\S+")
    first, second = (times.sub("", said(project, document).stdout) for _ in range(2))
    assert first == second


@dataclass(frozen=True)
class Row:
    """A pipeline of one stage, and what every form has to say of it."""

    what: str
    checks: dict[str, Any]
    code: int
    statuses: dict[str, str]
    words: str = ""
    arguments: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


ROWS = [
    Row("all pass", {"a": OK, "b": OK}, 0, {"a": "passed", "b": "passed"}),
    Row("one fails", {"a": OK, "b": BAD}, 1, {"a": "passed", "b": "failed"}, "ended with exit code 1"),
    Row("a tool is missing", {"a": {"run": ["no-such-tool"]}}, 3, {"a": "unknown"}, "no-such-tool"),
    Row("a shell misses a tool", {"a": {"run": "no-such-tool --x"}}, 3, {"a": "unknown"}, "no-such-tool"),
    Row(
        "a module of a tool is missing",
        {"a": {"run": [PYTHON, "-I", "-m", "sphinx"]}},
        3,
        {"a": "unknown"},
        "not installed",
    ),
    Row("a module of the product is missing", {"a": {"run": [PYTHON, "-m", "no_such"]}}, 1, {"a": "failed"}, "no_such"),
    Row("failed outweighs unknown", {"a": BAD, "b": {"run": ["no-such"]}}, 1, {"a": "failed", "b": "unknown"}),
    Row("it takes too long", {"a": {"run": ["sleep", "30"], "timeout": "200ms"}}, 1, {"a": "failed"}, "within 0.2 s"),
    Row("a failure is allowed", {"a": {**BAD, "allow_failure": True}, "b": {**OK, "needs": ["a"]}}, 0,
        {"a": "allowed", "b": "passed"}),
    Row("nothing but an allowed failure", {"a": {**BAD, "allow_failure": True}}, 5, {"a": "allowed"}, "may fail"),
    Row("what may fail could not be judged", {"a": {"run": ["no-such"], "allow_failure": True}}, 5, {"a": "allowed"},
        "Nothing that decides was measured"),
    Row("what is needed fails", {"a": BAD, "b": {**OK, "needs": ["a"]}, "c": {**OK, "needs": ["b"]}}, 1,
        {"a": "failed", "b": "skipped", "c": "skipped"}),
    Row("what is needed is unknown", {"a": {"run": ["no-such"]}, "b": {**OK, "needs": ["a"]}}, 3,
        {"a": "unknown", "b": "skipped"}, "could not be judged"),
    Row("a condition does not hold", {"a": OK, "b": {**BAD, "if": "1 == 2"}}, 0, {"a": "passed", "b": "skipped"}),
    Row("no condition holds", {"a": {**BAD, "if": "1 == 2"}}, 5, {"a": "skipped"}),
    Row("an exit code is expected", {"a": {"run": "exit 7", "expect_exit_code": 7}}, 0, {"a": "passed"}),
    Row("another exit code may pass", {"a": {"run": "exit 5", "pass_exit_codes": {"5": "no tests collected"}}}, 0,
        {"a": "passed"}, "no tests collected"),
    Row("the expected exit code does not come", {"a": {**OK, "expect_exit_code": [3, 4]}}, 1, {"a": "failed"}),
    Row("its folder is not there", {"a": {**OK, "cwd": "nowhere"}}, 3, {"a": "unknown"}, "nowhere"),
    Row("an artifact is not there", {"a": {**OK, "artifacts": ["dist/*"]}}, 1, {"a": "failed"}, "dist/*"),
    Row("a matrix", {"a": {"run": "exit ${{ matrix.code }}", "matrix": {"code": [0, 1]}}}, 1,
        {"a[code=0]": "passed", "a[code=1]": "failed"}),
    Row("an image that is not there", {"a": {**OK, "image": "localhost/x"}}, 3, {"a": "unknown"}, "image"),
    Row("an image on the host", {"a": {**OK, "image": "localhost/x"}}, 0, {"a": "passed"}, "", ("--host",)),
    Row("a service whose image is not there", {"a": {**OK, "services": ["db"]}}, 3, {"a": "unknown"},
        "the service db", more={"services": {"db": {"image": "localhost/x"}}}),
    Row("a retry that helps", {"a": {"run": "test -e once || { touch once; exit 1; }", "retry": 3}}, 0,
        {"a": "passed"}),
    Row("a retry that does not help", {"a": {"run": "exit 1", "retry": {"max_attempts": 2}}}, 1, {"a": "failed"}),
]  # fmt: skip


@pytest.mark.table(one_in=4)
@pytest.mark.parametrize("row", ROWS, ids=[row.what.replace(" ", "-") for row in ROWS])
def test_console_json_short_form_and_exit_code_agree(row: Row, project: Project) -> None:
    document = pipeline({"build": row.checks}, **row.more)
    shown = said(project, document, *row.arguments)
    (project.folder / "once").unlink(missing_ok=True)
    data = as_data(project, document, *row.arguments)
    (project.folder / "once").unlink(missing_ok=True)
    short = said(project, document, "--format", "compact", *row.arguments)
    assert {shown.returncode, data["exit_code"], short.returncode} == {row.code}, shown.stdout + shown.stderr
    assert {name.partition("/")[2]: status for name, status in statuses(data).items()} == row.statuses
    assert row.words in shown.stdout
    marks = {"passed": "✓", "failed": "✗", "unknown": "?", "skipped": "○", "allowed": "~"}
    for name, status in row.statuses.items():
        title = re.escape(name.replace("[", " ["))
        assert re.search(rf"(?m)^  {re.escape(marks[status])} {title}( |$)", shown.stdout), shown.stdout
        assert (f"\n{status} build/{name} " in short.stdout) == (status in ("failed", "unknown"))
    word = {0: "PASSED", 1: "FAILED", 3: "UNKNOWN", 5: "NOTHING RAN"}[row.code]
    assert f"\nRESULT: {word} " in shown.stdout
    assert short.stdout.startswith(f"{word} exit={row.code} ")
    assert data["result"] == word.lower()
    assert ("Ready to deploy!" in shown.stdout) == (row.code == 0) == ("Ready to deploy!" in short.stdout)
    worst = {0: "passed", 1: "failed", 3: "unknown", 5: "skipped"}[row.code]
    worst = "allowed" if set(row.statuses.values()) == {"allowed"} else worst
    assert data["stages"]["build"]["status"] == worst
    assert project.results()["exit_code"] == row.code
    assert not CONTROL.search(shown.stdout + short.stdout)
    assert project.left() == []


def test_the_short_form_names_what_failed_where_to_look_and_how_to_run_it_alone(project: Project) -> None:
    project.write("other.json", three_stages())
    done = project.seatrial("preflight", "other.json", "--format", "compact")
    first, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"FAILED exit=1 passed=1 failed=1 skipped=2 \S+s", first)
    assert re.fullmatch(r"failed quality/mypy \(\S+s\)", rest[0])
    assert rest[1] == "  app/views.py:45: error: Incompatible types in assignment [assignment]"
    assert (project.folder / rest[2].removeprefix("  log: ")).is_file()
    assert rest[3] == "  again: seatrial preflight other.json --only quality/mypy"
    assert rest[4:] == ["skipped: quality/pytest, integration/migrations"]
    again = subprocess.run(
        [PYTHON, "-m", *rest[3].split()[1:]],
        cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 1
    assert "mypy" in again.stdout
    assert "Django" not in again.stdout


def test_only_what_was_selected_runs_and_that_is_no_leave_to_deploy(project: Project) -> None:
    document = three_stages()
    data = as_data(project, document, "--only", "build")
    assert statuses(data) == {"build/django": "passed"}
    assert data["complete"] is False
    assert "Ready to deploy" not in said(project, document, "--only", "build").stdout
    data = as_data(project, document, "--from", "quality")
    assert list(data["stages"]) == ["quality", "integration"]
    data = as_data(project, document, "--only", "quality/pytest")
    assert statuses(data) == {"quality/pytest": "passed"}
    listed = said(project, document, "--list", "--only", "quality").stdout
    assert listed.splitlines()[1:] == ["quality", "  quality/mypy", "  quality/pytest  needs quality/mypy"]
    wrong = said(project, document, "--only", "qualty/mypy")
    assert wrong.returncode == 2
    assert "did you mean 'quality/mypy'" in wrong.stderr


def test_a_check_gets_what_one_before_it_found_out_also_when_it_runs_alone(project: Project) -> None:
    stages = {
        "build": {"version": python('print(\'{"version": "1.2"}\')', outputs={"version": "json.version"})},
        "quality": {
            "needs": ["build"],
            "checks": {"same": python("import sys; sys.exit(sys.argv[1] != '1.2')")},
        },
    }
    stages["quality"]["checks"]["same"]["run"].append("${{ steps['build/version'].outputs.version }}")  # type: ignore[index]
    for arguments in ((), ("--only", "quality/same")):
        data = as_data(project, pipeline(stages), *arguments)
        assert statuses(data) == {"build/version": "passed", "quality/same": "passed"}


@pytest.mark.parametrize("how", ["stages between", "checks between"])
def test_what_is_selected_keeps_its_order_also_where_what_lies_between_is_left_out(project: Project, how: str) -> None:
    make: Document = {"run": "sleep 0.5; echo new >made", "artifacts": ["made"], "outputs": {"v": "'1'"}}
    user: Document = {"run": "grep new made; test ${{ steps['a/make'].outputs.v }} = 1", "uses": ["a/make"]}
    (project.folder / "made").write_text("stale")
    if how == "stages between":
        stages: dict[str, Any] = {
            "a": {"make": make},
            "b": {"needs": ["a"], "checks": {"between": OK}},
            "c": {"needs": ["b"], "checks": {"user": user}},
        }
    else:
        stages = {"a": {"make": make, "between": {**OK, "needs": ["make"]}, "user": {**user, "needs": ["between"]}}}
    [name] = [f"{stage}/user" for stage, one in stages.items() if "user" in one.get("checks", one)]
    data = as_data(project, pipeline(stages), "--only", name)
    assert statuses(data) == {"a/make": "passed", name: "passed"}


def test_environment_folder_and_artifacts(project: Project) -> None:
    (project.folder / "src" / "app").mkdir(parents=True)
    code = "import os; os.makedirs('dist'); open('dist/out.txt', 'w').write(','.join(os.environ[n] for n in 'ABC'))"
    check = python(code, cwd="app", env={"C": "${{ matrix.c }}"}, matrix={"c": [3]}, artifacts=["dist/**/*.txt"])
    stages = {"build": {"env": {"B": "2"}, "checks": {"a": check}}}
    as_data(project, pipeline(stages, source="src", env={"A": "1", "B": "0", "C": "0"}))
    kept = list(project.runs()[-1].rglob("artifacts/**/out.txt"))
    assert [one.read_text() for one in kept] == ["1,2,3"]
    assert "build" in str(kept[0])


def test_whatever_a_matrix_holds_each_row_has_files_of_its_own_within_the_run(project: Project) -> None:
    values = ["<2", ">2", "../../../../out", "/etc", "x" * 300, "a b", "a-b", "a\n"]
    code = "import sys; open('made', 'w').write(sys.argv[1]); print(repr(sys.argv[1])); sys.exit(len(sys.argv[1]) < 2)"
    check = {"run": [PYTHON, "-c", code, "${{ matrix.v }}"], "matrix": {"v": values}, "artifacts": ["made"]}
    before = set(project.folder.parent.rglob("made"))
    document = pipeline({"a": {"b-c": check}, "a-b": {"c": python("print('other')")}}, budget={"parallel": 1})
    assert set(statuses(as_data(project, document)).values()) == {"passed"}
    [trial] = project.runs()[-1].glob("preflight-*")
    made = set(project.folder.parent.rglob("made")) - before - {project.folder / "made"}
    assert all(one.is_relative_to(trial / "artifacts" / "a") for one in made)
    assert sorted(one.read_text() for one in made) == sorted(values)
    logs = [one.read_text().strip() for one in (trial / "artifacts/logs").iterdir()]
    assert sorted(logs) == sorted([*map(repr, values), "other"])


COUNT = """
import os, time
mine = f'running-{os.getpid()}'
open(mine, 'w').close()
time.sleep(0.2)
seen = len([one for one in os.listdir('.') if one.startswith('running-')])
open(f'seen-{os.getpid()}', 'w').write(str(seen))
time.sleep(0.1)
os.unlink(mine)
"""


@pytest.mark.parametrize(
    "budget, share, most",
    [({"parallel": 1}, {}, 1), ({"parallel": 3}, {}, 3), ({"parallel": 9, "memory_gb": 4}, {"memory_gb": 2}, 2),
     ({"parallel": 9, "cpus": 2}, {"cpus": 2}, 1), ({"parallel": 9, "cpus": 3}, {}, 3)],
)  # fmt: skip
def test_no_more_run_at_a_time_than_the_budget_has_room_for(
    project: Project, budget: dict[str, Any], share: dict[str, Any], most: int
) -> None:
    checks = {f"c{at}": python(COUNT, **share) for at in range(4)}
    data = as_data(project, pipeline({"one": dict(list(checks.items())[:2]), "two": checks}, budget=budget))
    assert data["result"] == "passed"
    assert max(int(one.read_text()) for one in project.folder.glob("seen-*")) <= most


def test_the_time_of_a_check_is_its_own_also_when_it_waited_for_room(project: Project) -> None:
    checks = {f"c{at}": {"run": ["sleep", "1"], "timeout": "6s"} for at in range(8)}
    data = as_data(project, pipeline({"build": checks}, budget={"parallel": 1}))
    assert data["result"] == "passed", "the last one waits longer than its own limit"
    own = [check["duration_seconds"] for check in data["stages"]["build"]["checks"]]
    assert 8 <= sum(own) <= data["duration_seconds"], own


def test_fail_fast_stops_what_runs_and_starts_nothing_more(project: Project) -> None:
    stages = {"one": {"a": BAD, "b": {"run": ["sleep", "600"]}}, "two": {"c": {"run": ["sleep", "600"]}}}
    begun = time.monotonic()
    data = as_data(project, pipeline(stages, budget={"parallel": 3}), "--fail-fast")
    assert time.monotonic() - begun < 300
    assert statuses(data) == {"one/a": "failed", "one/b": "skipped", "two/c": "skipped"}
    assert data["exit_code"] == 1
    assert project.left() == []


SECRET = "correct-horse-battery-staple-0123456789-and-then-some-more-of-it-to-fill-lines"
LEAKS = f"""
import base64, os, sys, json
secret = os.environ['TOKEN']
assert secret == {SECRET!r}
print('plain', secret)
print('json', json.dumps({{'token': secret}}))
print('folded', secret[:20] + '\\n    ' + secret[20:45] + '\\n' + secret[45:])
print(base64.encodebytes(('user:' + secret + ' and more').encode()).decode())
print('app/x.py:3: error: ' + secret, file=sys.stderr)
sys.exit(1)
"""


def spellings() -> list[bytes]:
    """Parts of the secret that no output may hold, plain and in base64 at each offset."""
    import base64

    plain = [SECRET[20:36], SECRET[45:60]]
    coded = [base64.b64encode(b"\0" * offset + SECRET.encode()).decode()[8:40] for offset in range(3)]
    return [one.encode() for one in (*plain, *coded)]


@pytest.mark.parametrize("source", ["env", "file", "command", "dotenv command"])
def test_a_secret_is_in_no_output_however_it_is_spelled(project: Project, source: str) -> None:
    (project.folder / ".env").write_text(f'# of the test\nexport OTHER=1\nTOKEN="{SECRET}"\n')
    (project.folder / "vault.py").write_text(f"import json\nprint(json.dumps({{'TOKEN': {SECRET!r}}}))\n")
    sources: dict[str, Any] = {
        "env": "env",
        "file": {"file": ".env"},
        "command": {"command": [PYTHON, "vault.py"]},
        "dotenv command": {"command": ["cat", ".env"]},
    }
    secrets = {"required": ["TOKEN"], "from": [sources[source]]}
    document = pipeline({"build": {"leaks": python(LEAKS)}}, secrets=secrets)
    environment = {**project.environment, **({"TOKEN": SECRET} if source == "env" else {})}
    outputs = []
    for arguments in ((), ("--format", "json"), ("--format", "compact"), ("--format", "github")):
        done = said(project, document, *arguments, env=environment)
        assert done.returncode == 1, done.stdout + done.stderr
        outputs.append((done.stdout + done.stderr).encode())
    assert b"app/x.py:3: error: ***" in outputs[0]
    files = [one for one in (project.folder / ".seatrial").rglob("*") if one.is_file()]
    assert any(one.name == "build-leaks.log" for one in files)
    for text in [*outputs, *(one.read_bytes() for one in files)]:
        joined = re.sub(rb"\s|\\n", b"", text)
        for part in spellings():
            assert part not in joined


def test_the_log_of_a_check_is_whole_and_holds_no_secret(project: Project) -> None:
    code = (
        "import os, sys\n"
        "for at in range(30_000):\n"
        "    print(at, 'token', os.environ['TOKEN'], file=sys.stdout if at % 2 else sys.stderr, flush=True)\n"
        "raise SystemExit(1)"
    )
    data = as_data(
        project,
        pipeline({"build": {"a": python(code)}}, secrets={"required": ["TOKEN"]}),
        env={**project.environment, "TOKEN": SECRET},
    )
    log = Path(data["folder"]) / check_of(data, "build/a")["log"]
    lines = log.read_text().splitlines()
    for stream in (0, 1):
        assert [one for one in lines if int(one.split()[0]) % 2 == stream] == [
            f"{at} token ***" for at in range(stream, 30_000, 2)
        ]
    assert project.left() == []


def test_what_was_printed_before_it_was_cut_off_is_kept(project: Project) -> None:
    check = {"run": "echo so far; touch begun; sleep 600", "timeout": "5s"}
    data = as_data(project, pipeline({"build": {"a": check}}))
    assert (Path(data["folder"]) / check_of(data, "build/a")["log"]).read_text() == "so far\n"
    project.write("pipeline.json", pipeline({"build": {"a": {**check, "timeout": 600}}}))
    (project.folder / "begun").unlink()
    process = project.start("preflight")
    until((project.folder / "begun").exists, "the check")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    (log,) = project.runs()[-1].rglob("build-a.log")
    assert log.read_text() == "so far\n"


def test_all_missing_secrets_are_named_before_the_first_check_starts(project: Project) -> None:
    secrets = {"required": ["ONE", "TWO"], "from": ["env", {"file": ".env"}]}
    document = pipeline({"build": {"a": {"run": "touch ran", "env": {"X": "${{ secrets.THREE }}"}}}}, secrets=secrets)
    done = said(project, document, env={**project.environment, "TWO": "two"})
    assert done.returncode == 2
    assert "the secrets ONE, THREE cannot be found; looked in the environment, .env" in done.stderr
    assert not (project.folder / "ran").exists()
    assert project.runs() == []


def test_a_command_for_secrets_that_breaks_is_unknown_and_tells_nothing_of_them(project: Project) -> None:
    command = [PYTHON, "-c", f"import sys; print({SECRET!r}); sys.exit('you must log in')"]
    secrets = {"required": ["TOKEN"], "from": [{"command": command}]}
    done = said(project, pipeline({"build": {"a": OK}}, secrets=secrets))
    assert done.returncode == 3
    assert "you must log in" in done.stderr
    assert "battery" not in done.stdout + done.stderr


def test_github_gets_annotations_on_the_lines_of_the_sources(project: Project) -> None:
    (project.folder / "src" / "app").mkdir(parents=True)
    (project.folder / "src" / "app" / "views.py").write_text("x = 1\n" * 50)
    done = said(project, {"pipeline": {**three_stages()["pipeline"], "source": "src"}}, "--format", "github")
    line = next(one for one in done.stdout.splitlines() if one.startswith("::error"))
    assert line.startswith("::error file=src/app/views.py,line=45,title=quality/mypy::error: Incompatible types")
    junit = (project.runs()[-1] / "junit.xml").read_text()
    assert 'name="quality/mypy"' in junit
    assert 'file="app/views.py" line="45"' in junit


def test_the_nearest_document_is_taken_and_the_project_may_name_another(project: Project) -> None:
    inner = project.folder / "a" / "b"
    inner.mkdir(parents=True)
    project.write("pipeline.json", pipeline({"build": {"here": {"run": "test -e pipeline.json"}}}))
    done = subprocess.run(
        [PYTHON, "-m", "seatrial", "preflight"], cwd=inner, env=project.environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    project.write("other.json", pipeline({"build": {"there": OK}}))
    (project.folder / "seatrial.toml").write_text('pipeline = "other.json"\n')
    assert "there" in project.seatrial("preflight").stdout


def test_every_mistake_in_a_document_is_told_with_its_place_and_nothing_starts(project: Project) -> None:
    (project.folder / "pipeline.yaml").write_text(
        "pipeline:\n"
        "  nme: x\n"
        "  stages:\n"
        "    build:\n"
        "      needs: [qualty]\n"
        "      checks:\n"
        "        a: {run: 'touch ran; echo ${{ secrets.X }}', needs: [b]}\n"
        "        b: {run: [], needs: [a], problems: mypie}\n"
        "    quality:\n"
        "      checks:\n"
        "        c: {rn: x}\n"
        "        d: {run: x, services: [db], matrix: {v: []}, timeout: soon}\n"
    )
    done = project.seatrial("preflight")
    assert done.returncode == 2
    told = [one.partition("error: ")[2] for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert [one.split(": ")[0] for one in told] == [
        f"pipeline.yaml:{place}"
        for place in ("2:3", "5:15", "7:18", "7:61", "8:18", "8:44", "11:13", "12:32", "12:45", "12:63")
    ]
    assert "did you mean 'name'" in done.stderr
    assert "did you mean 'quality'" in done.stderr
    assert project.runs() == []
    assert not (project.folder / "ran").exists()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_told_to_stop_it_ends_what_runs_and_says_so(project: Project, number: signal.Signals, code: int) -> None:
    project.write("pipeline.json", pipeline({"build": {"a": {"run": "touch begun; sleep 600"}, "b": OK}}))
    process = project.start("preflight")
    until((project.folder / "begun").exists, "the check")
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == code
    assert "RESULT: INTERRUPTED" in out
    assert "Ready" not in out
    assert project.left() == []


def test_killed_it_leaves_nothing_that_clean_does_not_give_back(project: Project) -> None:
    project.write("pipeline.json", pipeline({"build": {"a": {"run": "touch begun; sleep 600"}}}))
    process = project.start("preflight")
    until((project.folder / "begun").exists, "the check")
    process.kill()
    process.communicate(timeout=300)
    assert project.seatrial("clean").returncode == 0
    assert project.left() == []
    again = as_data(project, pipeline({"build": {"a": OK}}))
    assert again["result"] == "passed"


def test_on_a_terminal_it_shows_what_runs_and_ends_with_the_same_lines(project: Project) -> None:
    import pty

    document = three_stages()
    document["pipeline"]["stages"]["build"]["checks"]["slow"] = {"run": ["sleep", "2"]}
    project.write("pipeline.json", document)
    plain = project.seatrial("preflight").stdout
    ours, theirs = pty.openpty()
    environment = {**project.environment, "TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    environment.pop("CI", None)
    process = project.start("preflight", stdout=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        written += more
    process.communicate(timeout=300)
    os.close(ours)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode()).replace("\r", "")
    for line in plain.splitlines():
        if line.strip() and "runs/" not in line:
            assert re.sub(r"\d\S*s\b", "", line).strip() in re.sub(r"\d\S*s\b", "", shown)
    assert "1 running" in shown


def test_the_short_form_names_files_from_here_and_explains_the_cache(project: Project) -> None:
    (project.folder / "web" / "src").mkdir(parents=True)
    (project.folder / "web" / "src" / "a.ts").write_text("x")
    whole = project.folder / "web" / "src" / "a.ts"
    checks = {
        "near": {"run": "echo 'src/a.ts:3:1: error: bad'; exit 1", "cwd": "web"},
        "whole": {"run": f"echo '{whole}:4: error: worse'; exit 1"},
        "plain": {"run": "echo one; echo two; exit 3"},
        "good": {"run": "true", "inputs": ["web/**"]},
    }
    environment = {**project.environment, "SEATRIAL_CACHE_DIR": str(project.folder / "cache")}
    done = said(project, pipeline({"a": checks}), "--format", "compact", "--explain", env=environment)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("FAILED exit=1 passed=1 failed=3 ")
    assert "  web/src/a.ts:3: error: bad" in lines
    assert "  web/src/a.ts:4: error: worse" in lines
    at = lines.index("  the command ended with exit code 3")
    assert lines[at + 1 : at + 3] == ["  one", "  two"]
    assert "  not from the cache: it has no stored result; only passed checks are stored" in lines
    assert all(line.startswith("  log: .seatrial/runs/") for line in lines if line.startswith("  log:"))


@pytest.mark.parametrize("end, code", [("KILL", 3), ("TERM", 3), ("SEGV", 1)])
def test_a_check_that_something_else_ended_is_unknown_and_one_that_crashed_is_failed(
    project: Project, end: str, code: int
) -> None:
    project.write("pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"c": {"run": f"kill -{end} $$"}}}}}})
    done = project.seatrial("preflight")
    assert done.returncode == code, done.stdout
    assert f"(SIG{end})" in done.stdout
