"""Shared services in documents and settings: what a suite uses, and what is refused before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import DocumentError
from seatrial.loading.compilation import compile_documents
from seatrial.loading.settings import load
from seatrial.model.scenario import Plan
from seatrial.registry import Registry

SYSTEM = 'system: {kind: command, deploy: "true", destroy: "true"}\n'
STEPS = "workflow: [{step: wait, for: 1ms}]\n"
SETTINGS = """
[services.pier]
command = ["serve"]
needs = ["tide"]
[services.tide]
image = "tide"
[services.lamp]
endpoint = "127.0.0.1:7"
"""


def plan(folder: Path, document: str, settings: str = SETTINGS, **environ: str) -> Plan:
    (folder / "seatrial.toml").write_text(settings)
    (folder / "a.yaml").write_text(document)
    return compile_documents([folder / "a.yaml"], Registry(), load(folder, {}), environ=environ)


def used(folder: Path, document: str, settings: str = SETTINGS, **environ: str) -> list[str]:
    (suite,) = plan(folder, document, settings, **environ).suites
    return [service.name for service in suite.services]


def refused(folder: Path, document: str, settings: str = SETTINGS, **environ: str) -> str:
    with pytest.raises(DocumentError) as error:
        plan(folder, document, settings, **environ)
    return str(error.value)


def test_a_suite_uses_what_it_names_what_its_expressions_name_and_what_these_need(tmp_path: Path) -> None:
    assert used(tmp_path, SYSTEM + STEPS) == []
    assert used(tmp_path, f"services: [pier]\n{SYSTEM}{STEPS}") == ["tide", "pier"]
    check = 'workflow: [{step: validate, checks: [{check: tcp, host: "${{ services.lamp.address }}", port: 7}]}]\n'
    assert used(tmp_path, SYSTEM + check) == ["lamp"]
    system = 'system: {kind: command, deploy: "go ${{ services.tide.url }}", destroy: "true"}\n'
    assert used(tmp_path, system + STEPS) == ["tide"]


def test_a_definition_in_a_document_goes_before_that_of_the_settings(tmp_path: Path) -> None:
    own = "services: {tide: {command: [other]}, pier: }\n"
    (suite,) = plan(tmp_path, own + SYSTEM + STEPS).suites
    assert [(one.name, one.service.kind) for one in suite.services] == [("tide", "command"), ("pier", "command")]


@pytest.mark.parametrize(
    ("services", "told"),
    [
        ("services: [peir]", ["a.yaml:1:", "the service 'peir' is not defined", "did you mean 'pier'?"]),
        ("services: {x: {command: [a], image: b, endpoint: c}}", ["exactly one of `command`, `image`"]),
        ("services: {x: {}}", ["it has none of them"]),
        ("services: {x: {start: [a]}}", ["`start` and `stop` belong together"]),
        ("services: {x: {start: [a], stop: [b]}}", ["needs a `port` or a `health`"]),
        ("services: {x: {command: [a], needs: [y]}}", ["unknown service 'y'"]),
        ("services: {x: {command: [a], needs: [z]}, z: {command: [a], needs: [x]}}", ["in a loop: x -> z -> x"]),
        ("services: {X_: {command: [a]}}", ["invalid name of a service 'X_'"]),
        ("services: {x: {comand: [a]}}", ["unknown key 'comand'", "did you mean 'command'?"]),
        ("services: {x: {image: i, port: 5}}", ["needs its `container_port` too"]),
        ("services: {x: {endpoint: 'a:1', env: {A: b}}}", ["`env` has no effect"]),
        ("services: {x: {command: [a], files: {../b: c}}}", ["outside the service's folder"]),
        ("services: {x: {command: ['${{ vars.y }}']}}", ["`vars` cannot be used here"]),
        ("services: {x: {command: ['${{ services.tide.port }}']}}", ["unknown service 'tide'"]),
        ("services: {x: {command: ['${{ secrets.PW }}']}}", ["every user of this machine", "`env` or `files`"]),
        ("services: {x: {command: [a], health: {command: ['${{ secrets.PW }}']}}}", ["every user of this machine"]),
        ("services: {x: {command: [a], url: '${{ secrets.PW }}', health: {command: ['${{ service.url }}']}}}",
         ["every user of this machine"]),
        ("services: {y: {command: [a], url: '${{ secrets.PW }}'}, x: {start: [a], stop: ['${{ services.y.url }}'], "
         "needs: [y], port: 5}}", ["every user of this machine"]),
        ("services: {y: {endpoint: 'http://a:${{ secrets.PW }}@b'}, x: {command: ['${{ services.y.url }}'], "
         "needs: [y]}}", ["every user of this machine"]),
        ("services: {x: {start: [a], stop: [b], health: {http: /ready}}}", ["the service has no port: write a URL"]),
        ("services: {x: {image: i, health: {http: /ready}}}", ["`http` is a path, and the service has no port"]),
        ("services: {x: {manifests: [a.yaml], health: {http: /ready}}}", ["`http` is a path"]),
        ("services: {x: {manifests: [b.yaml]}}", ["'b.yaml' does not exist"]),
        ("services: {x: {manifests: [b.yaml], forward: {to: svc/a, port: 1, context: c}}}", ["leave only `to`"]),
        ("services: {x: {manifests: [a.yaml], port: 5}}", ["in a cluster", "`port` has no effect"]),
        ("services: {x: {manifests: [a.yaml], command: [b]}}", ["it has `command` and `manifests`"]),
        ("services: {x: {command: [a], context: kind}}", ["`context` belongs to a service in a cluster"]),
        ("services: {x: {charts: [{chart: c, release: '${{ secrets.PW }}'}]}}", ["every user of this machine"]),
        ("services: {x: {charts: [{chrat: c}]}}", ["unknown key 'chrat'", "did you mean 'chart'?"]),
        ("services: {x: {command: [a], health: {contains: y}}}", ["`contains` is about the answer of `http`"]),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_its_place(services: str, told: list[str], tmp_path: Path) -> None:
    said = refused(tmp_path, f"{services}\n{SYSTEM}{STEPS}", PW="long-secret")
    for words in told:
        assert words in said
    assert "a.yaml:" in said


def test_services_of_the_settings_are_checked_also_when_no_suite_uses_them(tmp_path: Path) -> None:
    said = refused(tmp_path, SYSTEM + STEPS, '[services.pier]\ncommand = ["a"]\nneeds = ["tied"]\n')
    assert "seatrial.toml:3:" in said


def test_an_expression_over_an_unknown_service_names_the_known_ones(tmp_path: Path) -> None:
    check = 'workflow: [{step: validate, checks: [{check: http, url: "${{ services.peir.url }}"}]}]\n'
    assert "unknown service 'peir'" in refused(tmp_path, SYSTEM + check)


def test_every_ready_made_definition_is_valid(tmp_path: Path) -> None:
    from seatrial.app.services import ready_made

    offered = ready_made()
    assert {"gitea", "prometheus", "alertmanager", "postgresql", "redis", "kind", "k3d", "minikube"} == set(offered)
    names: Any = ", ".join(offered)
    document = f"services: [{names}]\n{SYSTEM}{STEPS}"
    assert used(tmp_path, document, "".join(offered.values()), GITEA_PASSWORD="long-secret") == list(offered)
