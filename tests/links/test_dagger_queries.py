"""Queries that are written without the engine's schema say what those of the SDK say."""

from __future__ import annotations

from typing import Any

import pytest

dagger = pytest.importorskip("dagger", reason="dagger-io is not installed: pip install 'seatrial[dagger]'")


@pytest.fixture
def client() -> Any:
    from dagger.client._session import ConnectParams, SingleConnection

    from seatrial.links.dagger.queries import Query

    return dagger.Client(Query(conn=SingleConnection(ConnectParams(port=1, session_token="none"))))


def parsed(text: str) -> Any:
    from graphql import parse

    return parse(text)


def test_values_are_written_as_their_kinds_want_it(client: Any) -> None:
    odd = 'a"b\\c\n\t\x01\x7fé😀$'
    made = client.container().from_("x:1").with_env_variable("ODD", odd, expand=True)
    made = made.with_exec(["a", ""], expect=dagger.ReturnType.ANY)
    several = made._select_multiple(code="exitCode", text="stdout").text()
    for text in (made._ctx.text(), several):
        fields = parsed(text).definitions[0].selection_set.selections[0].selection_set.selections[0]
        (variable,) = fields.selection_set.selections
        arguments = {each.name.value: each.value.value for each in variable.arguments}
        assert arguments == {"name": "ODD", "value": odd, "expand": True}
    assert 'withExec(args: ["a", ""], expect: ANY) { code: exitCode text: stdout }' in several


def test_defaults_are_left_out_and_records_are_objects(client: Any) -> None:
    made = client.directory().docker_build(target="t", build_args=[dagger.BuildArg("a", "b")])
    assert made._ctx.text() == (
        'query { directory { dockerBuild(buildArgs: [{name: "a", value: "b"}], target: "t") } }'
    )
    forward = dagger.PortForward(backend=80, frontend=0)
    assert "{backend: 80, frontend: 0, protocol: TCP}" in client.host().service([forward])._ctx.text()
