"""Pipeline documents: what they may say, all that may be wrong with them, and the schema that editors get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from seatrial.app.schemas import schema_text
from seatrial.errors import DocumentError, UsageError
from seatrial.loading.fields import described
from seatrial.preflight.cache import Cache
from seatrial.preflight.check import PipelineCheck
from seatrial.preflight.compilation import Wishes, compile_pipeline
from seatrial.preflight.document import Check, Stage
from seatrial.preflight.parsing import Read, read_pipeline
from seatrial.preflight.selection import Choices
from seatrial.providers.local import LocalSettings

WHOLE = """
pipeline:
  name: Consultancy
  source: .
  env: {PYTHONDONTWRITEBYTECODE: 1}
  secrets:
    required: [DJANGO_SECRET_KEY]
    from: [env, {file: .env}, {command: [doppler, secrets, download, --no-file, --format, json]}]
  budget: {parallel: 4, cpus: 2, memory_gb: 4}
  caches: {pip: /root/.cache/pip}
  services:
    database:
      image: localhost/postgres:15
      env: {POSTGRES_PASSWORD: "${{ secrets.PG }}"}
      ports: {sql: 5432}
      health: {command: [pg_isready, -h, 127.0.0.1], timeout: 30s}
      host:
        prepare: [[initdb, -D, "${{ service.folder }}/data"]]
        command: [postgres, -D, "${{ service.folder }}/data"]
        user: postgres
      binds: {DATABASE_URL: "postgresql://app@${{ service.address }}:${{ service.ports.sql }}/app"}
  stages:
    build:
      title: Build Stage
      checks:
        django: {title: Django container, run: [docker, build, .], build: {context: .}, source: copy}
    quality:
      needs: [build]
      checks:
        mypy:
          run: mypy app
          image: localhost/python
          source: copy
          inputs: ["app/**"]
          env: {A: x}
          env_inputs: [HOME]
          tools: [[python, --version]]
          timeout: 60s
          retry: {max_attempts: 2, delay: 1s}
          allow_failure: false
          expect_exit_code: 0
          pass_exit_codes: {"5": no tests collected}
          outputs: {version: json.version}
          artifacts: ["dist/**"]
          memory_gb: 1
          cpus: 1
          problems: mypy
          cache: false
        pytest:
          title: pytest on ${{ matrix.python }}
          run: [pytest, "--python=${{ matrix.python }}"]
          needs: [mypy]
          services: [database]
          matrix: {python: ["3.11", "3.12"]}
          if: 'matrix.python != "3.10" && steps["build/django"].outputs.exit_code == 0'
"""


def read(folder: Path, text: str, name: str = "pipeline.yaml") -> Read:
    (folder / name).write_text(text)
    return read_pipeline(folder / name, name=name, environ={"HOME": "/home/dev"})


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong, each as `line:column message`."""
    with pytest.raises(DocumentError) as caught:
        read(folder, text)
    return [f"{one.line}:{one.column} {one.message}" for one in caught.value.problems]


def check(**more: Any) -> str:
    """A document with one check, which stands in line 1."""
    return json.dumps({"pipeline": {"stages": {"build": {"checks": {"a": {"run": "true", **more}}}}}})


def test_all_that_the_format_has_is_read_and_satisfies_the_schema(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.secrets == ("DJANGO_SECRET_KEY", "PG")
    assert found.pipeline.services["database"].host is not None
    jsonschema.validate(yaml.safe_load(WHOLE), json.loads(schema_text(of="pipeline")))


def test_the_same_pipeline_may_be_json(tmp_path: Path) -> None:
    as_json = read(tmp_path, json.dumps(yaml.safe_load(WHOLE)), "pipeline.json")
    assert as_json.pipeline == read(tmp_path, WHOLE).pipeline


def test_it_becomes_one_suite_of_stages_and_checks(tmp_path: Path) -> None:
    plan = compile_pipeline(read(tmp_path, WHOLE), Wishes())
    (suite,) = plan.suites
    (top,) = suite.steps
    assert [stage.id for stage in top.children] == ["build", "quality"]
    assert top.children[1].needs == ("build",)
    mypy, older, newer = top.children[1].children
    assert (mypy.id, older.id) == ("quality/mypy", "quality/pytest[python=3.11]")
    assert newer.description == "pytest on 3.12"
    assert older.needs == ("quality/mypy",)
    assert plan.locate(mypy.source) == WHOLE.splitlines().index("        mypy:") + 1
    assert suite.system.settings.budget.parallel == 4


def test_a_need_of_a_matrix_is_a_need_of_all_its_rows(tmp_path: Path) -> None:
    stages = {
        "b": {"checks": {"m": {"run": "x", "matrix": {"v": [1, 2]}}, "after": {"run": "x", "needs": ["m"]}}},
    }
    plan = compile_pipeline(read(tmp_path, json.dumps({"pipeline": {"stages": stages}})), Wishes())
    assert plan.suites[0].steps[0].children[0].children[2].needs == ("b/m[v=1]", "b/m[v=2]")


@pytest.mark.parametrize(
    "more, words",
    [
        ({"needs": ["b"]}, "unknown check 'b'"),
        ({"needs": ["a"]}, "cycle in the needs of checks: a -> a"),
        ({"image": "x", "build": {}}, "`image` and `build` exclude each other"),
        ({"executor": "dagger"}, "`executor` needs an image"),
        ({"image": "x", "source": "read-only", "artifacts": ["dist/*"]}, "mounted read-only"),
        ({"image": "python:${{ parameters.no }}"}, "parameter 'no'"),
        ({"uses": ["build/b"]}, "the check 'build/b' does not end before this one"),
        ({"uses": ["build/a"]}, "the check 'build/a' does not end before this one"),
        ({"services": ["db"]}, "unknown service 'db'"),
        ({"problems": "mypi"}, "unknown tool 'mypi'"),
        ({"pass_exit_codes": {"x": "y"}}, "invalid exit code 'x'"),
        ({"pass_exit_codes": {"256": "y"}}, "invalid exit code '256'"),
        ({"artifacts": ["../x"]}, "leads out of the check's folder"),
        ({"artifacts": ["/etc/passwd"]}, "leads out of the check's folder"),
        ({"cwd": "/etc"}, "leads out of the source"),
        ({"timeout": 0}, "leaves no time"),
        ({"env": {"A B": "x"}}, "invalid environment variable name 'A B'"),
        ({"env": {"A": "${{ env.NOT_SET }}"}}, "NOT_SET is not set"),
        ({"env": {"A": "${{ nope }}"}}, "unknown variable 'nope'"),
        ({"env": {"A": "${{ matrix.x }}"}}, "unknown variable 'matrix'"),
        ({"run": "echo ${{ secrets.X }}"}, "a secret in a command"),
        ({"matrix": {"v": []}}, "empty list"),
        ({"matrix": {"v": [1, "1"]}}, "two rows have the name [v=1]"),
        ({"matrix": {"v": [[1]]}}, "a matrix value must be text"),
        ({"matrix": {"v w": [1]}}, "expressions cannot use the name 'v w'"),
        ({"cpus": -1}, "-1 is negative"),
        ({"timeout": "${{ env.HOME }}"}, "must be known before the run"),
        ({"if": "1 +"}, "is not a CEL expression"),
        ({"if": "json.x"}, "unknown variable 'json'"),
        ({"outputs": {"v": "jsn.x"}}, "unknown variable 'jsn'"),
        ({"expect_exit_code": []}, "no exit code could pass"),
        ({"retry": 0}, "not a valid number of attempts"),
        ({"rum": 1}, "unknown key 'rum'"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    found = problems(tmp_path, check(**more))
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    "more, words",
    [
        ({"source": "nowhere"}, "nowhere' does not exist"),
        ({"budget": {"parallel": 0}}, "invalid limit 0"),
        ({"budget": {"memory_gb": 0}}, "invalid limit 0"),
        ({"secrets": {"required": ["A-B"]}}, "invalid secret name 'A-B'"),
        ({"secrets": {"from": [{"file": "x", "command": ["y"]}]}}, "either a `file` or a `command`"),
        ({"secrets": {"from": ["vault"]}}, "'vault' is not allowed here"),
        ({"services": {"db": {}}}, "needs an `image`"),
        ({"services": {"my db": {"image": "x"}}}, "invalid service name 'my db'"),
        ({"caches": {"pip": "cache/pip"}}, "'cache/pip' is not a folder of a container"),
        ({"services": {"db": {"image": "x", "health": {"tcp": "sql"}}}}, "unknown port 'sql'"),
        ({"services": {"db": {"image": "x", "health": {}}}}, "exactly one of"),
        ({"services": {"db": {"image": "x", "ports": {"sql": 70000}}}}, "invalid port 70000"),
        ({"parameters": {"a-b": 1}}, "expressions cannot use the name 'a-b'"),
        ({"parameters": {"only": 1}}, "the run itself uses the name 'only'"),
        ({"stages": {}}, "the pipeline has no stages"),
        ({"stages": {"a": {"checks": {}}}}, "the stage has no checks"),
        ({"stages": {"a/b": {"checks": {"c": {"run": "x"}}}}}, "invalid stage name 'a/b'"),
        ({"stages": {"a": {"checks": {"c d": {"run": "x"}}}}}, "invalid check name 'c d'"),
        ({"stages": {"a": {"needs": ["b"], "checks": {"c": {"run": "x"}}}}}, "unknown stage 'b'"),
    ],
)
def test_what_a_pipeline_as_a_whole_cannot_say_is_told(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    data = {"stages": {"build": {"checks": {"a": {"run": "true"}}}}, **more}
    found = problems(tmp_path, json.dumps({"pipeline": data}))
    assert len(found) == 1, found
    assert words in found[0]


def test_a_check_that_asks_for_more_than_the_whole_budget_is_refused(tmp_path: Path) -> None:
    data = {"budget": {"memory_gb": 2}, "stages": {"b": {"checks": {"a": {"run": "x", "memory_gb": 3}}}}}
    assert "more than the budget of all checks" in problems(tmp_path, json.dumps({"pipeline": data}))[0]


def test_an_output_can_be_read_only_by_what_comes_after(tmp_path: Path) -> None:
    later = {"run": "x", "env": {"V": "${{ steps['b/z'].outputs.v }}"}}
    data = {"stages": {"b": {"checks": {"a": later, "z": {"run": "x"}}}}}
    assert "has not run at this point" in problems(tmp_path, json.dumps({"pipeline": data}))[0]
    data["stages"]["b"]["checks"]["a"]["needs"] = ["z"]  # type: ignore[index]
    assert read(tmp_path, json.dumps({"pipeline": data})).pipeline.stages


def using(**more: Any) -> str:
    """A document whose second stage has a check that uses what one of the first makes."""
    maker = {"run": "x", "cwd": "w", "artifacts": ["d/*"], "matrix": {"v": [1, 2]}, **more.pop("maker", {})}
    user = {"run": "x", "uses": ["one/maker"], **more}
    stages = {"one": {"checks": {"maker": maker}}, "two": {"needs": ["one"], "checks": {"user": user}}}
    return json.dumps({"pipeline": {"stages": stages}})


def test_what_a_check_uses_comes_with_it_and_is_a_part_of_its_key(tmp_path: Path) -> None:
    wishes = Wishes(choices=Choices(only=("two/user",)), cache=Cache(source=tmp_path))
    one, two = compile_pipeline(read(tmp_path, using()), wishes).suites[0].steps[0].children
    assert [check.id for check in one.children] == ["one/maker[v=1]", "one/maker[v=2]"]
    (user,) = two.children
    assert isinstance(user.step, PipelineCheck)
    assert user.step.job.uses == {"one/maker[v=1]": "w", "one/maker[v=2]": "w"}
    assert user.step.cache is wishes.cache
    assert user.step.job.needs == {"one/maker[v=1]": ["w/d/*"], "one/maker[v=2]": ["w/d/*"]}


@pytest.mark.parametrize(
    "more, words",
    [
        ({"maker": {"artifacts": []}}, "one/maker has no artifacts"),
        ({"maker": {"cwd": "${{ matrix.v }}"}}, "known only at runtime"),
        ({"image": "x", "source": "read-only"}, "artifacts cannot be added to sources mounted read-only"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    (found,) = problems(tmp_path, using(**more))
    assert words in found


def served(**more: Any) -> str:
    """A document whose second stage has a check with the service that a function of the first returns."""
    maker = {"function": {"module": "ci", "name": "serve"}}
    checks = {"api": {**maker, **more.pop("maker", {})}, "a_b": maker, "other": {"run": "x"}}
    user = {"run": "x ${{ services['one/api'].address }}", "image": "x", "services": ["one/api"], **more}
    stages = {"one": {"checks": checks}, "two": {"needs": ["one"], "checks": {"user": user}}}
    return json.dumps({"pipeline": {"executor": "dagger", "services": {"api": {"image": "x"}}, "stages": stages}})


def test_a_check_with_the_service_of_a_function_brings_that_function_with_it(tmp_path: Path) -> None:
    wishes = Wishes(choices=Choices(only=("two/user",)))
    one, two = compile_pipeline(read(tmp_path, served()), wishes).suites[0].steps[0].children
    assert [check.id for check in one.children] == ["one/api"]
    job = two.children[0].fields["job"]
    assert (job.check.returned_services, dict(job.services)) == (("one/api",), {})


@pytest.mark.parametrize(
    "more, words",
    [
        ({"services": ["one/none"]}, "the check 'one/none' does not end before this one"),
        ({"services": ["two/user"]}, "the check 'two/user' does not end before this one"),
        ({"services": ["one/other"]}, "the check 'one/other' returns no service"),
        ({"maker": {"matrix": {"v": [1]}}}, "the check 'one/api' returns no service"),
        ({"services": ["one/a_b"]}, "'a_b' cannot be the host name of a service"),
        ({"services": ["one/api", "api"]}, "several services have the host name 'api'"),
        ({"executor": "containers"}, "only a check in Dagger reaches a service of a Dagger module"),
        ({"image": ""}, "only a check in Dagger reaches a service of a Dagger module"),
    ],
)
def test_a_service_of_a_function_that_cannot_be_used_is_told(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    (found,) = problems(tmp_path, served(**more))
    assert words in found


def test_a_parameter_can_be_set_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    data = {"parameters": {"python": "3.12"}, "stages": {"b": {"checks": {"a": {"run": "x"}}}}}
    found = read(tmp_path, json.dumps({"pipeline": data}))
    suite = compile_pipeline(found, Wishes(choices=Choices(parameters={"python": "3.13"}))).suites[0]
    assert suite.parameters == {"python": "3.13", "whole": True}
    with pytest.raises(UsageError, match=r"unknown parameter 'pyton': did you mean 'python'\?"):
        compile_pipeline(found, Wishes(choices=Choices(parameters={"pyton": 1})))


@pytest.mark.parametrize(
    "text, words",
    [
        ("[]", "this document has no pipeline"),
        ("{}", "this document has no pipeline"),
        ("pipeline:", "invalid pipeline null"),
        ("test_suites: {}", "this document has no pipeline"),
        ("pipeline: {stages: {a: {checks: {b: {run: x}}}}}\nstages: {}", "unknown key 'stages'"),
        ("pipeline: {stages: []}", "not a mapping"),
        ("pipeline: {stages: {a: []}}", "not a mapping"),
        ("pipeline: {stages: {a: {checks: {b: x}}}}", "not a mapping"),
        ("pipeline: {}", "needs the key 'stages'"),
    ],
)
def test_what_is_no_pipeline_is_told(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in one for one in problems(tmp_path, text))


def test_one_row_of_a_matrix_can_be_selected(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    only = Choices(only=("quality/pytest[python=3.12]",))
    stages = compile_pipeline(found, Wishes(choices=only)).suites[0].steps[0].children
    # It reads an output of build/django, which comes with it.
    assert [check.id for stage in stages for check in stage.children] == [
        "build/django",
        "quality/pytest[python=3.12]",
    ]
    with pytest.raises(UsageError, match="rows of its matrix"):
        compile_pipeline(found, Wishes(choices=Choices(only=("quality/pytest[python=2]",))))


def test_a_check_tells_how_it_is_run_alone(tmp_path: Path) -> None:
    wishes = Wishes(command=("seatrial", "preflight", "a b.yaml", "--host"), choices=Choices(host=True))
    plan = compile_pipeline(read(tmp_path, check(matrix={"v": ["x y"]})), wishes)
    step = plan.suites[0].steps[0].children[0].children[0]
    assert isinstance(step.step, PipelineCheck)
    assert step.step.job.again == "seatrial preflight 'a b.yaml' --host --only 'build/a[v=x y]'"
    assert step.step.job.host


def test_the_document_on_the_page_is_right_and_the_reference_names_every_key_of_a_check(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "guides" / "preflight.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    assert read(tmp_path, text).secrets == ("DJANGO_SECRET_KEY",)
    reference = (docs / "reference" / "pipelines.md").read_text()
    for key in (*described(Check), *described(Stage)):
        assert f"| `{key}` |" in reference, key


def test_a_pipeline_runs_with_the_projects_settings_of_its_provider(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    plain = LocalSettings(confinement="plain")
    assert compile_pipeline(found, Wishes(provider_settings=plain)).suites[0].provider_settings is plain
    assert compile_pipeline(found, Wishes()).suites[0].provider_settings == LocalSettings()
