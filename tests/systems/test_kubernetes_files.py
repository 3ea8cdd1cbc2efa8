"""What the system `kubernetes` reads before it asks a cluster: manifests as kubectl reads them, and which cluster."""

import pytest
from tests.acceptance.harness import Project

from seatrial.errors import CannotTell
from seatrial.links.kubernetes.deploying import access, manifests

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"


def test_plain_scalars_are_those_of_go():
    (thing,) = manifests.parse(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
        "octal: 0644\nnew: 0o644\nhex: 0x1F\ntime: 12:30\nday: 2024-01-31\nword: yes\ntext: 'yes'\nreal: 1e3\n"
        "port: 80\nunder: 1_000\nminus: -5\nversion: 1.10.2\n",
        "c.yaml",
    )
    assert {key: thing[key] for key in ("octal", "new", "hex", "time", "day", "word", "text", "real", "port")} == {
        "octal": 420, "new": 420, "hex": 31, "time": "12:30", "day": "2024-01-31", "word": True, "text": "yes",
        "real": 1000.0, "port": 80,
    }  # fmt: skip
    assert (thing["under"], thing["minus"], thing["version"]) == (1000, -5, "1.10.2")


def test_all_documents_and_lists_are_read_and_empty_ones_left_out():
    text = "---\n---\n" + POD.format("a") + "---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- "
    text += POD.format("b").replace("\n", "\n  ")
    assert [thing["metadata"]["name"] for thing in manifests.parse(text, "pods.yaml")] == ["a", "b"]


@pytest.mark.parametrize(
    "text, message",
    [
        (POD.format("a") + "---\napiVersion: v1\nkind: Pod\n", r"pods.yaml:6: `metadata.name` is missing"),
        ("kind: Pod\nmetadata: {name: a}\n", r"pods.yaml:1: `apiVersion` is missing"),
        ("- a\n- b\n", r"pods.yaml:1: an object of Kubernetes is a mapping"),
        ("a: [1\nb: 2\n", r"pods.yaml:2: "),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 5}\n", r"`metadata.name` is missing, or no text"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(text, message):
    with pytest.raises(ValueError, match=message):
        manifests.parse(text, "pods.yaml")


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: production
contexts: [{name: production, context: {cluster: c, user: u}}, {name: staging, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: x}}]
"""


def test_the_current_context_is_never_taken_where_there_are_several(tmp_path):
    config = tmp_path / "config"
    config.write_text(KUBECONFIG)
    with pytest.raises(CannotTell, match=r"has 2 contexts \(production, staging\): name the one to use"):
        access.chosen("", "", {"KUBECONFIG": str(config)})
    assert access.chosen("", "staging", {"KUBECONFIG": str(config)}).context == "staging"
    with pytest.raises(CannotTell, match=r"has no context 'stagin'; it has: production, staging"):
        access.chosen(str(config), "stagin", {})


def test_the_only_context_is_taken_also_of_several_files(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("contexts: [{name: only, context: {}}]\n")
    other.write_text("contexts: []\n")
    assert access.chosen(f"{one}:{other}", "", {}).context == "only"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config").write_text(KUBECONFIG)
    (tmp_path / "pod.yaml").write_text(POD.format("a"))
    return Project(tmp_path)


@pytest.mark.parametrize(
    "system, message",
    [
        ({"manifests": ["pod.yaml"]}, "has 2 contexts (production, staging): name the one to use"),
        ({"manifests": ["none.yaml"], "context": "staging"}, "'none.yaml' does not exist"),
        ({"manifests": ["bad.yaml"], "context": "staging"}, "bad.yaml:1: `kind` is missing"),
        ({"kustomize": ".", "context": "staging"}, "'.' has no kustomization.yaml"),
        ({"charts": [{"chart": "./chart"}], "context": "staging"}, "the chart './chart' does not exist"),
        ({"manifests": ["pod.yaml"], "context": "staging", "namespace": "shop"}, "nothing says which are nodes"),
        ({"manifests": ["pod.yaml"], "context": "staging", "nodes": "app~web"}, "invalid selector 'app~web'"),
        ({"context": "staging"}, "name at least one of manifests, kustomize, overlay and charts"),
        ({"manifests": ["pod.yaml"], "context": "prod"}, "has no context 'prod'; it has: production, staging"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(project, system, message):
    (project.folder / "bad.yaml").write_text("apiVersion: v1\nmetadata: {name: a}\n")
    document = project.write("trial.json", {
        "system": {"kind": "kubernetes", "kubeconfig": "config", **system},
        "test_suites": {"s": {"workflow": [{"step": "deploy"}]}},
    })  # fmt: skip
    checked = project.seatrial("check", document)
    assert checked.returncode == 2, checked.stdout
    assert message in " ".join((checked.stdout + checked.stderr).split())


def test_a_power_that_a_pod_lacks_is_refused_before_the_run(project):
    document = project.write("trial.json", {
        "system": {"kind": "kubernetes", "kubeconfig": "config", "context": "staging", "manifests": ["pod.yaml"]},
        "test_suites": {"s": {"workflow": [{"step": "deploy"}, {"step": "crash_node", "target_node": "a"}]}},
    })  # fmt: skip
    checked = project.seatrial("check", document)
    assert checked.returncode == 2
    assert "crash in the guest" in checked.stdout + checked.stderr
