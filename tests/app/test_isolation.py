"""What makes trials collide is found in text, with its place, and what is fine is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.app.isolation import scan
from seatrial.cli import main
from seatrial.errors import UsageError


def found(folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text)
    problems, _ = scan([folder / name], folder)
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in problems]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("cp x /tmp/kubeconfig", "1:6: the fixed temporary file /tmp/kubeconfig"),
        ("echo >>'/var/tmp/out.log'", "the fixed temporary file /var/tmp/out.log"),
        ("git config --global user.name x", "`git config --global` changes"),
        ("git -C repo config --system user.name x", "changes the settings of every trial"),
        ("kubectl -n e2e apply -f x", "the fixed namespace 'e2e'"),
        ("kubectl get pods --namespace=e2e", "the fixed namespace 'e2e'"),
        ('helm install x ./chart -n "operator"', "the fixed namespace 'operator'"),
        ("kubectl delete pods --all", "`kubectl delete … --all` removes objects of other trials"),
        ('kubectl delete ns -n "$N" --all', "`kubectl delete … --all`"),
        ("kubectl delete all -l app=web -n $N", "by the label 'app=web'"),
        ("kubectl delete crd boats.example.org --ignore-not-found", "`delete crd` removes the objects of all trials"),
        ('pkill -f "kubectl.*port-forward.*$PORT" || true', "ends processes of other trials"),
        ("docker run -d -p 8080:80 web", "the fixed port 8080"),
        ("podman run --publish=127.0.0.1:13000:3000 gitea", "the fixed port 127.0.0.1:13000"),
        ("kubectl port-forward svc/gitea 13000:3000 &", "a port-forward on the fixed port 13000"),
        ('curl "http://localhost:19090/api/v1/query?query=up"', "without the trial's label"),
    ],
)
def test_a_line_of_a_script_that_collides(line: str, told: str, tmp_path: Path) -> None:
    (said, *_) = found(tmp_path, "a.sh", line + "\n")
    assert told in said
    told = told.removeprefix("1:6: ")
    assert any(told in line for line in found(tmp_path, "Makefile", f"test:\n\t{line}\n"))
    assert found(tmp_path, "b.sh", f"# isolation: allow nobody else runs it\n{line}\n") == []
    assert found(tmp_path, "c.sh", f"# {line}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        'cp x "/tmp/$E2E_RUN_ID/kubeconfig"',
        "dir=$(mktemp -d /tmp/e2e.XXXX)",
        "cp x $HOME/tmp/file",
        "git config --local user.name x",
        'kubectl -n "$E2E_TEST_NAMESPACE" apply -f x',
        "kubectl delete pod web-0",
        'kubectl delete pods -l "seatrial.trial=$E2E_RUN_ID"',
        "kubectl get pods --all-namespaces",
        'pkill -f "kubectl.*$E2E_RUN_ID"',
        'kill "$pid"',
        "docker run -p 127.0.0.1::80 web",
        'kubectl port-forward svc/gitea "$PORT:3000"',
        'curl "$URL/api/v1/query?query=up{run=\\"$E2E_RUN_ID\\"}"',
        "cat -n file",
    ],
)
def test_a_line_that_is_fine(line: str, tmp_path: Path) -> None:
    assert found(tmp_path, "a.sh", line + "\n") == []


POD = """\
apiVersion: v1
kind: Pod
metadata:
  generateName: pod-
spec:
  containers:
    - args: [--cert-path=/tmp/webhook/certs]
      volumeMounts: [{mountPath: /tmp/webhook/certs, name: certs}]
  volumes:
    - name: certs
      hostPath:
        path: /tmp/certs
"""


def test_a_temporary_file_inside_a_container_is_the_pod_s_own_but_not_one_of_its_node(tmp_path: Path) -> None:
    (told,) = found(tmp_path, "pod.yaml", POD)
    assert told.startswith("12:15: the fixed temporary file /tmp/certs")
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("name: shop\n")
    assert found(tmp_path, "chart/values.yaml", "tls:\n  path: /tmp/webhook/certs\n") == []
    assert len(found(tmp_path, "values.yaml", "tls:\n  path: /tmp/webhook/certs\n")) == 1


MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata:
  name: operator
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  labels:
    name: fine
  name: "{{ .Release.Name }}-role"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: operator
spec:
  template:
    metadata:
      namespace: not-looked-at
    spec:
      containers: [{name: web, ports: [{hostPort: 8080}]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: ships.example.org
"""


DOCUMENT = """\
system:
  kind: kubernetes
  overlay:
    patches:
    - target: {kind: Deployment}
      patch: |
        - {op: add, path: /spec/template/spec/containers/0/args/-, value: --certs=/tmp/certs}

        - {op: add, path: /spec/template/spec/volumes/-, value: {name: v, hostPath: {path: /tmp/on-the-node}}}
    secretGenerator: [{name: login, files: [/tmp/password]}]
  charts:
    - chart: /tmp/chart
      set:
        certs: /tmp/certs
  manifests: [/tmp/k8s]
test_suites:
  web:
    workflow:
      - {step: custom_command, custom_command: cp x /tmp/x}
      - {step: set, values: {file: /tmp/y}}
"""


def test_patches_and_values_of_a_chart_in_a_document_are_for_containers_the_rest_is_of_this_machine(
    tmp_path: Path,
) -> None:
    told = found(tmp_path, "web.yaml", DOCUMENT)
    assert [line.split(":")[0] for line in told] == ["9", "10", "12", "15", "19", "20"]


def test_objects_of_a_cluster(tmp_path: Path) -> None:
    assert sorted(found(tmp_path, "all.yaml", MANIFESTS)) == [
        "17:14: an object in the fixed namespace 'operator'",
        "23:41: `hostPort: 8080`: one trial at a time can have this port",
        "28:9: the CustomResourceDefinition ships.example.org is shared by all trials",
        "4:9: the Namespace 'operator' belongs to the whole cluster, and has a fixed name",
    ]


def test_the_whole_project_is_searched_without_hidden_and_foreign_folders(tmp_path: Path) -> None:
    for folder in ("scripts", ".git", "node_modules"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.sh").write_text("touch /tmp/x\n")
    (tmp_path / "README.md").write_text("touch /tmp/x\n")
    problems, files = scan([], tmp_path)
    assert [Path(problem.file).parts[-2:] for problem in problems] == [("scripts", "a.sh")]
    assert files == 1
    with pytest.raises(UsageError, match="file not found"):
        scan([tmp_path / "none.sh"], tmp_path)


def test_the_command_names_file_line_and_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e2e.sh").write_text("true\ngit config --global user.name x\n")
    assert main(["check", "--isolation"]) == 2
    said = capsys.readouterr().err
    assert "e2e.sh:2:1: `git config --global` changes" in said
    assert "git -c NAME=VALUE" in said
    (tmp_path / "e2e.sh").write_text("true\n")
    assert main(["check", "--isolation"]) == 0
    assert capsys.readouterr().out == "1 file: nothing found that makes trials collide\n"
