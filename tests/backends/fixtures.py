"""What all tests share: missing back ends are skipped with a reason, required ones never are; nothing is left."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings
from scripts.cluster import shared
from tests.backends import podman as podman_here
from tests.backends import session, tables, tools
from tests.backends.docker import Dockerd
from tests.effort import examples

REQUIRED = "SEATRIAL_REQUIRE_BACKENDS"


def required() -> set[str]:
    """The back ends that must be there, from SEATRIAL_REQUIRE_BACKENDS (names parted by commas)."""
    return {name.strip() for name in os.environ.get(REQUIRED, "").split(",") if name.strip()}


def pytest_configure(config: pytest.Config) -> None:
    # A busy machine makes an example slow, not wrong.
    settings.register_profile("seatrial", deadline=None, max_examples=examples(100))
    settings.load_profile("seatrial")
    tables.configure(config)
    if unknown := required() - set(session.KNOWN):
        raise pytest.UsageError(f"{REQUIRED} names {', '.join(sorted(unknown))}; known are {', '.join(session.KNOWN)}")


def pytest_report_header() -> str:
    return tables.header()


# xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tables.sample(config, items)
    session.apart(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    tables.explain(item, report)
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("backend"):
        for name in mark.args:
            why = session.missing(name)
            if why and name in required():
                pytest.fail(f"{REQUIRED} asks for {name}, but {why}", pytrace=False)
            if why:
                pytest.skip(why)


@pytest.fixture(scope="session", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of the session: no container, machine, network, bridge or mount of any test is there."""
    yield
    left = session.end(tmp_path_factory.getbasetemp())
    session.remove_temporary(tmp_path_factory.getbasetemp())
    assert not left, "the tests of this process left behind: " + ", ".join(left)


@pytest.fixture(scope="session", autouse=True)
def a_cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests find out about engines that end with them is not remembered for the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def podman() -> Mapping[str, str]:
    """What the environment of a test's own call of podman has to hold beside ours, so that it works here."""
    return podman_here.environment()


@pytest.fixture(scope="session")
def dockerd() -> Dockerd:
    """The Docker daemon of this test process: `host` for DOCKER_HOST, `run(...)` calls the command."""
    return session.dockerd()


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[str]:
    """The address of this test process's libvirt daemon, which is also in LIBVIRT_DEFAULT_URI from then on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIBVIRT_DEFAULT_URI", session.uri())
        yield session.uri()


@pytest.fixture(scope="session")
def cluster() -> shared.Use:
    """The Kubernetes cluster of all test processes: `kubeconfig` and `context`, two nodes, the image `BUSYBOX`."""
    return session.cluster()


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Where the program of a real tool is: `tool("tofu")`. A test that calls it has the mark `backend("tofu")`.

    `tool("ansible").parent` has all programs of Ansible.
    """

    def where(name: str) -> Path:
        program = tools.path(name)
        assert program is not None, f"{name} is missing, and the test has no mark backend({name!r})"
        return program

    return where
