"""The first mistakes with a compose file: `init`, `check` and `run` say what is wrong, where, and what to write."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tests.acceptance.harness import Project

GOOD = "services:\n  web:\n    image: localhost/web\n"
INIT = "scenarios/compose.yaml"


def begun(project: Project, compose: str, change: tuple[str, str] | None = None) -> None:
    """`init` beside this compose file, and one change of its scenario."""
    (project.folder / "compose.yaml").write_text(compose)
    done = project.seatrial("init")
    assert done.returncode == 0, done.stderr
    if change:
        file = project.folder / INIT
        before = file.read_text()
        file.write_text(re.sub(change[0], change[1], before, count=1))
        assert file.read_text() != before


@pytest.mark.parametrize(
    ("compose", "change", "said"),
    [
        pytest.param(
            "services:\n  web:\n    image: web\n   command: x\n", None,
            "../compose.yaml:4:4: this is not YAML: expected <block end>, but found '<block mapping start>'\n"
            "    look at the indentation there and in the line above",
            id="a line out of place",
        ),
        pytest.param(
            'web:\n  image: web\n  ports: ["80"]\n', None,
            "../compose.yaml:1: the service 'web' is at the top, as in version 1 of compose files\n"
            "    write `services:` above the services, and indent them below it",
            id="version 1",
        ),
        pytest.param(
            "services: {}\n", None, "../compose.yaml: there are no services\n    write `services:`", id="empty"
        ),
        pytest.param(
            "services: [web]\n", None,
            "../compose.yaml:1: `services` is not a mapping\n    write each service as `NAME:` below it",
            id="a list",
        ),
        pytest.param(
            GOOD, ("target_node: any", "target_node: wbe"),
            f"{INIT}:19:22: unknown node 'wbe'\n    did you mean 'web'? nodes: web; also *, any, random:N",
            id="a misspelt service",
        ),
        pytest.param(
            GOOD, ("checks: .*", "checks: [{check: http, url: \"http://${{ nodes.wbe.address }}/\"}]"),
            "unknown node 'wbe'\n    did you mean 'web'? nodes: web\n",
            id="a misspelt service in an expression",
        ),
        pytest.param(
            GOOD + "  debug: {image: web, profiles: [debug]}\n", ("target_node: any", "target_node: debug"),
            "unknown node 'debug'\n    the service debug is off: write `profiles: [debug]` into `system:`",
            id="a profile that is off",
        ),
        pytest.param(
            GOOD.replace("web:", "web:\n    deploy: {replicas: 2}"), ("target_node: any", "target_node: web"),
            "unknown node 'web'\n    the service web has 2 nodes: web-1, web-2",
            id="a scaled service",
        ),
        pytest.param(
            GOOD + "  job: {image: web}\n  app: {image: web, depends_on: {job: "
            "{condition: service_completed_successfully}}}\n", ("target_node: any", "target_node: job"),
            "unknown node 'job'\n    the service job is a job: it ends by itself and is not a node",
            id="a job",
        ),
        pytest.param(
            GOOD.replace("localhost/web", "${IMAGE_OF_WEB:?set it}"), None,
            "../compose.yaml:3: the variable IMAGE_OF_WEB is required, but has no value\n"
            "    write it into `.env`, or `env: {IMAGE_OF_WEB: …}` into `system:`",
            id="a variable that is missing",
        ),
        pytest.param(
            GOOD, ("# health:.*", "health: {wbe: {tcp: 80}}"),
            f"{INIT}:6:17: `health` names the service 'wbe'\n    did you mean 'web'? services: web",
            id="a probe of no service",
        ),
        pytest.param(
            GOOD, ("# health:.*", "jobs: [wbe]"),
            f"{INIT}:6:9: `jobs` names the service 'wbe'\n    did you mean 'web'? services: web",
            id="a job of no service",
        ),
        pytest.param(
            GOOD + '    ports: ["8080:80"]\n', (r"cluster_status!=running", "http:http://localhost:8080/"),
            f"{INIT}:24:13: port 8080 of this machine is not the trial's: the service web gets a free one\n"
            "    write `${{ nodes.web.ports['80'] }}` in place of 8080",
            id="the port of the file",
        ),
        pytest.param(
            GOOD + "  db:\n    image: db\n    depends_on:\n    - wbe\n", None,
            "../compose.yaml:7: the service db names 'wbe', which is not in `services:`\n"
            "    did you mean 'web'? services: db, web",
            id="a dependency of no service",
        ),
        pytest.param(
            GOOD + "    networks: [bakc]\nnetworks: {back: {}}\n", None,
            "../compose.yaml:4: the service web names 'bakc', which is not in `networks:`\n    did you mean 'back'?",
            id="a network of nobody",
        ),
        pytest.param(
            GOOD + "    volumes: ['data:/srv']\n", None,
            "../compose.yaml:4: the service web names 'data', which is not in `volumes:`\n    volumes: none",
            id="a volume of nobody",
        ),
        pytest.param(
            '{"services": {"web": {"image": "web", "volumes": ["data:/srv"]}}}', None,
            "../compose.yaml:1: the service web names 'data', which is not in `volumes:`", id="the same in JSON",
        ),
        pytest.param(
            GOOD.replace("image: localhost/web", "build: {context: ./appp}"), None,
            "../compose.yaml:3: the service web is built from './appp', which does not exist\n    paths begin at /",
            id="a build folder that is missing",
        ),
        pytest.param(
            GOOD.replace("image: localhost/web", "build: ."), None,
            "../compose.yaml:3: the service web is built from './Dockerfile', which does not exist",
            id="no Dockerfile",
        ),
        pytest.param(
            GOOD + "    enviroment: {A: b}\n", None,
            "../compose.yaml:4: the service web has the key 'enviroment'\n    did you mean 'environment'?",
            id="a misspelt key",
        ),
        pytest.param(
            GOOD + "    env_file:\n    - web.env\n    - {path: more.env, required: false}\n", None,
            "../compose.yaml:5: the service web reads 'web.env', which does not exist\n    paths begin at /",
            id="a file with variables that is missing",
        ),
        pytest.param(
            GOOD + "  debug: {image: web, profiles: [debug]}\n", ("# health:.*", "profiles: [debgu]"),
            f"{INIT}:6:13: no service has the profile 'debgu'\n    did you mean 'debug'? profiles: debug",
            id="a misspelt profile",
        ),
        pytest.param(
            GOOD, ("provider: containers", "provider: local"),
            "'local' has no powers over the containers of a compose file\n    write `provider: containers`",
            id="another provider",
        ),
    ],
)  # fmt: skip
def test_check_says_where_and_what_to_write(
    project: Project, compose: str, change: tuple[str, str] | None, said: str
) -> None:
    begun(project, compose, change)
    done = project.seatrial("check")
    assert done.returncode == 2, done.stdout
    assert said in done.stderr


WITHOUT_MISTAKES = """
services:
  web: {image: web, depends_on: {db: {condition: service_started}, gone: {condition: service_started, required: false}}}
  db:
    image: db
    volumes: ["data:/srv", "./here:/a", "/there:/b", "~/c:/c", "/only", "${WHERE:-x}:/d", {type: tmpfs, target: /t}]
    networks: {back: {aliases: [x]}, default: {}}
    secrets: [key, {source: key, target: other}]
    links: ["web:w"]
  inside: {build: {context: ".", dockerfile_inline: "FROM x"}, network_mode: "service:db"}
  elsewhere: {build: "https://example.org/x.git#main"}
  at_hand: {image: built, build: ./nowhere}
  keys: {image: x, x-enviroment: y, of_a_newer_tool: z, env_file: "${WHERE:-x}.env"}
  more: {extends: {file: other.yaml, service: x}, depends_on: [in-other]}
networks: {back: {}}
volumes: {data: }
secrets: {key: {file: ./key}}
"""


def test_what_the_tools_take_is_no_mistake(project: Project) -> None:
    begun(project, WITHOUT_MISTAKES)
    done = project.seatrial("check")
    assert "which " not in done.stderr
    assert "the key" not in done.stderr


def test_a_variable_without_a_value_is_a_warning_with_its_line(project: Project) -> None:
    begun(project, "# ${NOT_THIS}\n" + GOOD + '    environment: {A: "$WORD", B: "${C:-c}", D: "$$E", F: "${G}"}\n')
    (project.folder / ".env").write_text("G=1\n")
    done = project.seatrial("check")
    assert done.returncode == 0
    assert "../compose.yaml:5: the variable WORD has no value and will be empty; write it into `.env`" in done.stderr
    assert done.stderr.count("warning") == 1


def test_a_compose_file_in_another_folder_is_named(project: Project) -> None:
    (project.folder / "deploy").mkdir()
    (project.folder / "deploy" / "compose.yaml").write_text(GOOD)
    done = project.seatrial("init")
    assert "found   deploy/compose.yaml: `seatrial init deploy` begins there" in done.stdout
    for files, message in (
        ([], f"there is no compose file in {project.folder}"),
        (["compose.yaml"], "the compose file 'compose.yaml' does not exist"),
    ):
        system = {"kind": "compose", **({"files": files} if files else {})}
        suites = {"trial": {"provider": "containers", "workflow": [{"step": "deploy"}]}}
        document = project.write("trial.json", {"system": system, "test_suites": suites})
        done = project.seatrial("check", document)
        assert done.returncode == 2
        assert f"{message}\n    there is deploy/compose.yaml: write `files: [deploy/compose.yaml]`" in done.stderr


def test_without_any_engine_the_attempts_and_the_remedy_are_listed(project: Project, tmp_path: Path) -> None:
    begun(project, 'version: "3"\n' + GOOD)
    (tmp_path / "empty").mkdir()
    path = {**project.environment, "PATH": f"{tmp_path / 'empty'}:{Path(sys.executable).parent}"}
    done = project.seatrial("run", env=path)
    assert done.returncode == 3, done.stdout
    for words in (
        "no compose tool works here: docker is not installed; docker-compose is not installed",
        "Remedy: install Docker with its Compose plugin, or `pip install podman-compose` beside Podman",
    ):
        assert words in done.stdout + done.stderr
    assert project.left() == []
