"""`seatrial init` beside a deployment: what it recognises, what it writes, and that `seatrial check` takes it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from tests.links.forge.workflows.test_against_github import ask, reference

from seatrial.app.init import begin
from seatrial.app.planning import plan_documents
from seatrial.app.run_options import RunOptions
from seatrial.app.schemas import schema_text
from seatrial.errors import DocumentError, UsageError
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.model.scenario import Suite

__all__ = ["reference"]

CLUSTER = """\
#!/bin/sh
case "$1" in
  deploy) echo 'n1 ansible_host=192.0.2.1' >inventory.ini ;;
  stop-node|start-node) echo "$1 $2" ;;
  status) echo '{}' ;;
  destroy|teardown) rm -f inventory.ini ;;
esac
"""
CLI = """\
#!/usr/bin/env python3
verbs = parser.add_subparsers()
for verb in ("init", "deploy", "status", "destroy"):
    verbs.add_parser(verb)
inventory = "out/hosts.yaml"
"""
PRINTS = """\
#!/bin/bash
case "$1" in
deploy)
    ./boot "$2" ;;
inventory) echo 'n1 ansible_host=192.0.2.1' ;;
stop) halt "$2" ;;
start)
    boot "${2:?}"
    ;;
destroy) rm -rf . ;;
esac
"""
MAKEFILE = "up:\n\t./bring-up >inventory/hosts.ini\ndown:\n\trm -rf inventory\n"
COMPOSE = "services: {web: {image: shop}, db: {image: postgres}}\n"
TOFU = """\
variable "region" {
  type = string
}
variable "size" { default = 3 }
output "nodes" {
  value = { n1 = { ansible_host = "n1", ansible_connection = "podman" } }
}
"""
REGION = {"terraform.tfvars": 'region = "eu"\n'}
PLAY = "- {hosts: all, tasks: [{ping: }]}\n"
PLAYBOOKS = {"site.yml": "- import_playbook: deploy-all.yaml\n", "deploy-all.yaml": PLAY, "teardown.yml": PLAY}
WRITES = "- {hosts: localhost, tasks: [{ansible.builtin.import_tasks: tasks/machines.yml}]}\n"
VAULT = "$ANSIBLE_VAULT;1.1;AES256\n3030\n"
DEPLOY = """\
on:
  workflow_dispatch:
    inputs:
      env_name: {type: choice, options: [preview, production], required: true}
      size: {type: number, default: 3, required: true}
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - run: ./provision
      - {uses: actions/upload-artifact@v4, with: {name: provision-output, path: out.json}}
"""
TEARDOWN = "on: workflow_dispatch\njobs: {remove: {runs-on: ubuntu-latest, steps: [{run: ./remove}]}}\n"

COMPLETE: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "a script with verbs": ("command", {"cluster.sh": CLUSTER}),
    "a command line in Python": ("command", {"keel": CLI}),
    "two scripts": ("command", {"deploy.sh": "#!/bin/sh\ncp x hosts.ini\n", "bin/teardown.sh": "#!/bin/sh\n"}),
    "a Makefile": ("command", {"Makefile": MAKEFILE, "inventory.yml": "all: {hosts: {n1: {}}}\n"}),
    "a script on one line": (
        "command",
        {"c.sh": "#!/bin/sh\ncase $1 in deploy) cp x hosts.ini;; destroy) rm x;; esac\n"},
    ),
    "a Taskfile": ("command", {"Taskfile.yml": "version: '3'\ntasks: {deploy: x, down: y}\n", "hosts.ini": "n1\n"}),
    "scripts of npm": (
        "command",
        {"package.json": '{"scripts": {"deploy": "x", "destroy": "y"}}', "hosts.ini": "n1\n"},
    ),
    "a compose file": ("compose", {"docker-compose.yml": COMPOSE, "docker-compose.override.yml": COMPOSE}),
    "a configuration of OpenTofu": ("terraform", {"main.tf": TOFU, "terraform.tfvars": 'region = "eu"\n'}),
    "playbooks": ("ansible", PLAYBOOKS | {"hosts.ini": "n1\n"}),
    "playbooks with a configuration": (
        "ansible",
        PLAYBOOKS | {"ansible.cfg": "[defaults]\ninventory = env/lab.ini\n", "env/lab.ini": "n1\n", "hosts": "n2\n"},
    ),
    "playbooks in a folder, with the only environment": (
        "ansible",
        {**{f"playbooks/{name}": text for name, text in PLAYBOOKS.items()}, "inventories/lab/hosts": "n1\n"},
    ),
    "a playbook that writes the inventory": (
        "ansible",
        {
            "ansible.cfg": "[defaults]\ninventory = out/hosts.ini\n",
            "destroy.yml": PLAY,
            "deploy.yml": WRITES,
            "tasks/machines.yml": "- ansible.builtin.copy: {dest: '{{ out }}/hosts.ini', content: n1}\n",
        },
    ),
    "a vault with its password": (
        "ansible",
        PLAYBOOKS
        | {
            "hosts": "n1\n",
            "group_vars/all/vault.yml": VAULT,
            "pw": "x",
            "ansible.cfg": "[defaults]\nvault_password_file = pw\n",
        },
    ),
}
"""Folders with all that a scenario needs: the system, and the files (those that begin with `#!` are executable)."""

WORKFLOWS = {".github/workflows/deploy.yml": DEPLOY, ".github/workflows/teardown.yml": TEARDOWN}


def filled(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    return folder


def suite_of(folder: Path) -> Suite:
    """The suite of the first scenario: `seatrial check` has no problem with it."""
    (suite,) = plan_documents([], RunOptions(project=folder)).suites
    return suite


@pytest.mark.slow
@pytest.mark.parametrize("what", COMPLETE)
def test_a_deployment_is_recognised_and_its_scenario_is_complete(what: str, tmp_path: Path) -> None:
    kind, files = COMPLETE[what]
    told = begin(filled(tmp_path, files))
    assert f"the system is `{kind}`" in told
    assert "you have to add" not in told
    suite = suite_of(tmp_path)
    assert suite.system.kind == kind
    document = (tmp_path / "scenarios" / f"{kind}.yaml").read_text()
    jsonschema.validate(yaml.safe_load(document), yaml.safe_load(schema_text(start=tmp_path)))
    assert document.startswith("# yaml-language-server: $schema=../seatrial.schema.json\n")


def steps_of(folder: Path, files: Mapping[str, str]) -> list[str]:
    begin(filled(folder, files))
    return [step.kind for step in suite_of(folder).steps]


def test_the_steps_fit_the_powers_of_the_deployer(tmp_path: Path) -> None:
    six = ["deploy", "validate", "stop_node", "validate", "start_node", "destroy"]
    assert steps_of(tmp_path / "own", {"cluster.sh": CLUSTER}) == six
    assert steps_of(tmp_path / "words", {"cluster.sh": PRINTS}) == six
    assert suite_of(tmp_path / "words").system.settings.inventory.command == ("./cluster.sh", "inventory")
    whole = PRINTS.replace('"$2"', "all").replace("${2:?}", "all")
    assert "stop_node" not in steps_of(tmp_path / "whole", {"cluster.sh": whole})
    assert steps_of(tmp_path / "compose", {"compose.yaml": COMPOSE}) == six
    assert steps_of(tmp_path / "containers", {"main.tf": TOFU} | REGION) == six, "the engine stops them"
    stopped = PLAYBOOKS | {"stop.yml": PLAY, "start.yml": PLAY, "inventory.ini": "n1\n"}
    assert steps_of(tmp_path / "playbooks", stopped) == six
    elsewhere = TOFU.replace(', ansible_connection = "podman"', "")
    rebooted = ["deploy", "validate", "restart_node", "validate", "destroy"]
    assert steps_of(tmp_path / "machines", {"main.tf": elsewhere} | REGION) == rebooted
    guest = ["init", "deploy", "validate", "restart_node", "validate", "destroy"]
    assert steps_of(tmp_path / "guest", {"keel": CLI}) == guest


def test_a_value_that_no_file_tells_is_asked_for_in_its_place(tmp_path: Path) -> None:
    told = begin(filled(tmp_path, {"deploy": "#!/bin/sh\necho up\n"}))
    lines = (tmp_path / "scenarios" / "command.yaml").read_text().splitlines()
    asked = [line for line in told.splitlines() if "scenarios/command.yaml:" in line]
    assert len(asked) == 2
    for line in asked:
        number = int(line.split("command.yaml:")[1].partition(":")[0])
        assert "# needed: " in lines[number - 1]
    with pytest.raises(DocumentError, match="needs the key 'destroy'"):
        suite_of(tmp_path)


def test_workflows_are_recognised_with_their_artifacts_and_the_inputs_that_they_require(tmp_path: Path) -> None:
    for words in (["init", "-b", "main"], ["remote", "add", "origin", "https://github.com/acme/shop"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    told = begin(filled(tmp_path, WORKFLOWS))
    document = tmp_path / "scenarios" / "github-actions.yaml"
    assert "`inputs: {env_name: …}`; env_name is one of preview, production" in told
    assert "the addresses of the machines" in told
    assert "size" not in document.read_text(), "it has a default"
    with pytest.raises(DocumentError, match="the input 'env_name' is required"):
        suite_of(tmp_path)
    text = document.read_text().replace("# needed: what this", "inputs: {env_name: preview} #")
    document.write_text(text)
    suite = suite_of(tmp_path)
    assert suite.system.settings.deploy.artifacts == ("provision-output",)
    assert [step.kind for step in suite.steps] == ["deploy", "validate", "destroy"], "no power over its machines"


def test_without_a_teardown_it_is_asked_for(tmp_path: Path) -> None:
    told = begin(filled(tmp_path, {".github/workflows/deploy.yaml": DEPLOY}))
    assert "a workflow that removes what the deploy workflow made" in told


def test_variables_and_outputs_of_a_configuration_are_asked_for(tmp_path: Path) -> None:
    text = TOFU.replace('"nodes"', '"machines"').replace("default = 3", "")
    assert "as `variables: {region: …}`" in begin(filled(tmp_path / "region", {"main.tf": TOFU}))
    written = (tmp_path / "region" / "scenarios" / "terraform.yaml").read_text()
    assert "step: stop_node" in written, "a missing value takes no step away"
    told = begin(filled(tmp_path, {"main.tf": text}))
    assert "as `variables: {region: …, size: …}`" in told
    assert "as `inventory: {output: NAME}`; declared are machines" in told


def test_a_playbook_and_an_inventory_are_asked_for(tmp_path: Path) -> None:
    told = begin(filled(tmp_path, {"deploy.yml": PLAY}))
    assert "the system is `ansible`" in told
    assert "as `destroy: FILE`" in told
    assert "as `inventory: FILE`" in told


def test_which_of_several_inventories_and_the_password_of_a_vault_are_asked_for(tmp_path: Path) -> None:
    several = {f"environments/{name}/hosts": "n1\n" for name in ("prod", "lab")}
    told = begin(filled(tmp_path, PLAYBOOKS | several | {"group_vars/web.yml": VAULT}))
    assert "one of your inventories, as `inventory: FILE`: environments/lab, environments/prod" in told
    assert "the password of your vaults, as `vault_password_file: FILE`" in told


def test_an_inventory_that_the_playbook_writes_is_named_and_its_machines_are_new(tmp_path: Path) -> None:
    begin(filled(tmp_path, COMPLETE["a playbook that writes the inventory"][1]))
    settings = suite_of(tmp_path).system.settings
    assert (settings.inventory, settings.creates_machines) == ("out/hosts.ini", True)


def test_of_several_deployments_one_is_chosen_by_the_user(tmp_path: Path) -> None:
    filled(tmp_path, {"cluster.sh": CLUSTER, **WORKFLOWS})
    with pytest.raises(UsageError, match=r"command .cluster.sh., github-actions .*\n.*init --system command"):
        begin(tmp_path)
    assert not (tmp_path / "seatrial.toml").exists()
    begin(tmp_path, system="command")
    assert (tmp_path / "scenarios" / "command.yaml").is_file()
    begin(tmp_path, system="github-actions")
    begin(tmp_path, system="sample")
    names = sorted(file.name for file in (tmp_path / "scenarios").iterdir())
    assert names == ["command.yaml", "first.yaml", "github-actions.yaml"]


def test_a_system_that_is_not_there_or_cannot_begin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no deployment of the system 'command' in "):
        begin(tmp_path, system="command")
    with pytest.raises(UsageError, match=r"'comand'; did you mean 'command'"):
        begin(tmp_path, system="comand")
    with pytest.raises(UsageError, match="cannot begin with the system 'processes'"):
        begin(tmp_path, system="processes")
    assert list(tmp_path.iterdir()) == []


FOREIGN = {
    "a Taskfile without `deploy`": {"Taskfile.yml": "tasks: {test: x}\n"},
    "a broken Taskfile": {"Taskfile.yml": "tasks: [\n"},
    "a package without scripts": {"package.json": "[]"},
    "nothing": {},
    "a program of another kind": {"run": "#!/bin/sh\ncase $1 in start) ;; stop) ;; esac\n"},
    "a Makefile without `deploy`": {"Makefile": "all:\n\tcc x.c\nclean:\n\trm x\n"},
    "a script that is no program": {"deploy.sh": "echo up\n"},
    "a list that is no playbook": {"deploy.yml": "- one\n", "site.yml": "a: [\n", "hosts.ini": "n1\n"},
    "a workflow of another kind": {".github/workflows/test.yml": TEARDOWN},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_without_a_deployment_the_scenario_deploys_the_sample(what: str, tmp_path: Path) -> None:
    assert "found   no deployment" in begin(filled(tmp_path, FOREIGN[what]))
    assert suite_of(tmp_path).system.kind == "processes"


def test_odd_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "deploy").symlink_to("deploy")
    (tmp_path / "deploy.py").write_bytes(b"\x7fELF\xff\x00")
    (tmp_path / "deploy.py").chmod(0o755)
    (tmp_path / "Makefile").mkdir()
    assert "found   no deployment" in begin(tmp_path)


def test_a_deployment_without_a_system_is_named(tmp_path: Path) -> None:
    told = begin(filled(tmp_path, {"Pulumi.yaml": "name: shop\n"}))
    assert "Pulumi.yaml, a Pulumi program: Seatrial has no system for it yet" in told
    assert "kind: command" in told


@pytest.mark.parametrize(
    "files, settings",
    [
        ({"Chart.yaml": "name: shop\n"}, "charts: [{chart: ..}]"),
        ({"chart/Chart.yaml": "name: shop\n"}, "charts: [{chart: ../chart}]"),
        ({"k8s/kustomization.yaml": "resources: []\n"}, "kustomize: ../k8s"),
        ({"k8s/web.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: a}}\n"}, "manifests: [../k8s]"),
    ],
)
def test_what_goes_into_kubernetes_is_recognised(tmp_path: Path, files: dict[str, str], settings: str) -> None:
    assert "the system is `kubernetes`" in begin(filled(tmp_path, files))
    assert settings in (tmp_path / "scenarios" / "kubernetes.yaml").read_text()


def test_what_the_deployer_shows_of_its_service_is_measured_at_once(tmp_path: Path) -> None:
    """A port of the inventory is a probe, and a status that prints JSON is read."""
    script = CLUSTER.replace("192.0.2.1'", "192.0.2.1 shop_port=7000 ansible_port=22'").replace(
        "'{}'", '\'{"state": "up"}\''
    )
    begin(filled(tmp_path / "both", {"cluster.sh": script}))
    settings = suite_of(tmp_path / "both").system.settings
    assert settings.probe.tcp == "shop"
    assert settings.status == ("./cluster.sh", "status")
    assert "cluster_status" in (tmp_path / "both/scenarios/command.yaml").read_text()
    begin(filled(tmp_path / "neither", {"cluster.sh": CLUSTER}))
    settings = suite_of(tmp_path / "neither").system.settings
    assert (settings.health, settings.status) == ((), ())


def test_the_example_needs_nothing_by_hand(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "examples" / "redis" / "cluster.sh"
    assert "you have to add" not in begin(filled(tmp_path, {"cluster.sh": example.read_text()}))
    settings = suite_of(tmp_path).system.settings
    assert (settings.probe.tcp, settings.status) == ("redis", ("./cluster.sh", "status"))


def test_nothing_is_run(tmp_path: Path) -> None:
    script = CLUSTER.replace("case", f"touch {tmp_path}/ran\ncase")
    begin(filled(tmp_path, {"cluster.sh": script, "deploy.sh": script}))
    suite_of(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_existing_files_stay_as_they_are(tmp_path: Path) -> None:
    mine = {"scenarios/command.yaml": "mine\n", "seatrial.toml": "parallel = 2\n", "Jenkinsfile": "mine\n"}
    filled(tmp_path, {"cluster.sh": CLUSTER, ".gitlab-ci.yml": "mine: {}\n", **mine})
    for server in ("jenkins", "gitlab"):
        begin(tmp_path, ci_server=server)
    assert {name: (tmp_path / name).read_text() for name in mine} == mine
    assert "seatrial run" in (tmp_path / "Jenkinsfile.sea-trial").read_text()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    told = begin(tmp_path, ci_server="gitlab")
    assert "wrote" not in told
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


PLUGIN = """\
from seatrial import system
from seatrial.spi import Recognised

@system("raft")
class Raft:
    '''Rafts.'''
    from seatrial.spi import NoSettings as Settings
    places_nodes = False
    @classmethod
    def recognise(cls, folder, way):
        return Recognised(files=("raft.txt",), settings="", node="log1") if (folder / "raft.txt").exists() else None
"""


def test_the_system_of_a_plugin_takes_part(tmp_path: Path) -> None:
    files = {"raft.py": PLUGIN, "raft.txt": "", "seatrial.toml": 'plugins = ["raft.py"]\n'}
    assert "found   raft.txt: the system is `raft`" in begin(filled(tmp_path, files))
    assert suite_of(tmp_path).system.kind == "raft"


def test_a_job_for_github_is_a_workflow(tmp_path: Path) -> None:
    told = begin(tmp_path, ci_server="github")
    text = (tmp_path / ".github/workflows/sea-trial.yml").read_text()
    workflow = read_workflow(text, strict=True)
    (job,) = workflow.jobs.values()
    assert job.steps[1].with_ == {"documents": "scenarios/first.yaml"}
    assert "${{ github.repository }}" in text
    line = text[: text.index("# needed")].count("\n") + 1
    assert f".github/workflows/sea-trial.yml:{line}: the name of that repository" in told


@pytest.mark.backend("npm")
def test_the_job_for_github_is_taken_by_github_itself(reference: Path, tmp_path: Path) -> None:
    begin(filled(tmp_path, {"cluster.sh": CLUSTER}), ci_server="github")
    text = (tmp_path / ".github/workflows/sea-trial.yml").read_text()
    broken = text.replace("runs-on:", "runs_on:")
    answers = ask(reference, [{"kind": "workflow", "text": one} for one in (text, broken)])
    assert answers[0] == {"value": []}
    assert answers[1] != {"value": []}


def test_a_job_for_gitlab_ends_red_until_it_knows_where_seatrial_is(tmp_path: Path) -> None:
    begin(tmp_path, ci_server="gitlab")
    (job,) = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text()).values()
    assert job["script"] == ["seatrial run --report-dir sea-trial-report scenarios/first.yaml"]
    command = ["/bin/sh", "-c", job["before_script"][0]]
    done = subprocess.run(command, env={"SEATRIAL": "", "PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "set it in the job sea-trial" in done.stderr


def test_a_job_for_jenkins_runs_the_scenario(tmp_path: Path) -> None:
    begin(tmp_path, ci_server="jenkins")
    text = (tmp_path / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    assert '"sea-trial-report/$BUILD_NUMBER" scenarios/first.yaml' in text
