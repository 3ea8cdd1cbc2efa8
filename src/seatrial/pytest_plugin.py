"""The pytest plugin: a scenario document is a test file, each of its suites a test.

A suite runs during the setup of its test. So pytest shows three outcomes: a failed suite as a failure, an unknown one
as a setup error, resources left behind as a teardown error. The plugin imports Seatrial only for the first document.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import partial
from itertools import count
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

import pytest

if TYPE_CHECKING:
    from seatrial.app.blocking import BlockingCluster
    from seatrial.app.deployed import Deployed
    from seatrial.app.project import Project
    from seatrial.app.run_options import RunOptions, RunReport
    from seatrial.model.scenario import Plan, Suite
    from seatrial.registry import Registry

Scope = Literal["session", "package", "module", "class", "function"]

ENDINGS = (".seatrial.yaml", ".seatrial.yml", ".seatrial.json")
INTERRUPTED = (129, 130, 143)


class SuiteFailed(Exception):
    """The product did wrong."""


class SuiteUnknown(Exception):
    """The product could not be judged: the infrastructure or a tool broke."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("seatrial", "scenario documents (seatrial)")
    group.addoption("--seatrial-on", metavar="PROVIDER", default="", help="run all suites on this provider")
    group.addoption("--seatrial-report-dir", metavar="DIR", default="", help="write reports to DIR/<test id>")
    parser.addini(
        "seatrial_scenarios",
        type="linelist",
        default=[],
        help=f"patterns of scenario files, relative to rootdir, besides {', '.join('*' + end for end in ENDINGS)}",
    )


# Clusters as fixtures

_DEPLOYED = pytest.StashKey[dict[str, "Deployed"]]()
"""The deployed clusters by the names of their fixtures."""


_FIXTURES: list[tuple[object, str | None]] = []
"""What `fixture` made, each with its `name`; pytest may also know it by that of its variable."""


def fixture(document: str | Path, *, scope: Scope = "function", name: str | None = None, **options: Any) -> Any:
    """A pytest fixture with the deployed system of a document: `cluster = seatrial.fixture("x.yaml", scope="module")`.

    The document's path begins in the folder of the calling file. The other options are those of `seatrial.deployed`.
    Tests get a cluster with plain methods, and are skipped where the suite cannot run. What the tests found is the
    verdict of the run.
    """
    caller = sys._getframe(1)
    _require_place_and_scope(caller.f_code, scope)
    path = Path(caller.f_globals.get("__file__", "")).parent / document
    place = f"{Path(caller.f_code.co_filename).name}:{caller.f_lineno}"

    def cluster(request: pytest.FixtureRequest) -> Iterator[BlockingCluster]:
        deployment, made = _deploy(path, options, place)
        standing = request.config.stash.setdefault(_DEPLOYED, {})
        standing[str(request.fixturename)] = deployment
        try:
            yield made
        finally:
            standing.pop(str(request.fixturename), None)
            deployment.__exit__(None, deployment.interrupted, None)

    decorate: Callable[..., Any] = pytest.fixture(scope=scope, name=name)
    made = decorate(cluster)
    _FIXTURES.append((made, name))
    return made


def _require_place_and_scope(caller: CodeType, scope: object) -> None:
    """UsageError for a fixture within a test, where pytest does not find it, and for an unknown scope."""
    from seatrial.errors import UsageError, nearest

    where = f"{Path(caller.co_filename).name}:{caller.co_name}"
    if caller.co_name.startswith("test"):
        raise UsageError(
            f"{where}: seatrial.fixture is for the module: write `cluster = seatrial.fixture(…)` above, and take "
            "`cluster` as an argument\n    within one test: with seatrial.deployed(…) as cluster:"
        )
    if isinstance(scope, str) and scope not in get_args(Scope):
        raise UsageError(f"seatrial.fixture: unknown scope {scope!r}; {nearest(scope, get_args(Scope))}")


def _deploy(path: Path, options: Mapping[str, Any], place: str) -> tuple[Deployed, BlockingCluster]:
    """Deploy; what went wrong has no traceback: it would show Seatrial's code, not the test's."""
    from seatrial.app.deployed import deployed
    from seatrial.errors import NothingSelected, SeatrialError

    try:
        deployment = deployed(path, **options)
        return deployment, deployment.__enter__()
    except NothingSelected as error:
        end: Callable[[], NoReturn] = partial(pytest.skip, str(error))
    except SeatrialError as error:
        notes = "\n".join(["", *getattr(error, "__notes__", ())])
        told = f"{place}: {path.name} is not deployed ({type(error).__name__}): {error}{notes}"
        end = partial(pytest.fail, told, pytrace=False)
    raise end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Ctrl-C during a test: the clusters are removed, and their runs have no verdict."""
    try:
        return (yield)
    except KeyboardInterrupt as interrupt:
        for deployment in item.config.stash.get(_DEPLOYED, {}).values():
            deployment.interrupted = interrupt
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A test that did not pass decides over the run of the cluster that it used."""
    hint = _hint_at_fixture(item, call.excinfo) if call.excinfo is not None else ""
    error = call.excinfo.value if call.excinfo is not None else None
    if hint and isinstance(error, pytest.fail.Exception):  # pytest shows its message alone
        error.msg = f"{error.msg}\n{hint}"
    elif hint and error is not None:
        error.add_note(hint)
    report = yield
    if hint and isinstance(getattr(report.longrepr, "errorstring", None), str):  # pytest shows no notes there
        report.longrepr.errorstring += f"\n {hint}"
    standing = item.config.stash.get(_DEPLOYED, {})
    if report.failed and error is not None:
        for fixture_name in set(standing) & set(getattr(item, "fixturenames", ())):
            standing[fixture_name].blame(item.nodeid, error)
            report.sections.append(("seatrial", f"run {standing[fixture_name].run_id}"))
    return report


def _hint_at_fixture(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """What to write for a cluster that is used without being an argument, or that has a misspelt name; empty: it is
    another error."""
    error, known = excinfo.value, _fixtures_near(item)
    (file, line, _), function = item.location, getattr(item, "originalname", item.name)
    place = f"{file}:{line + 1}" if line is not None else file
    if isinstance(error, pytest.FixtureLookupError):
        from seatrial.errors import closest

        if near := closest(str(error.argname), known.values()):
            return f"did you mean {near!r}? It is a cluster of `seatrial.fixture(…)`"
        if closest(str(error.argname), ("seatrial", "seatrial_cluster", "seatrial_fixture")) and not known:
            return (
                "Seatrial's fixtures are yours: write `cluster = seatrial.fixture('trial.yaml', scope='module')` into "
                "this module or conftest.py, and take `cluster` as the argument"
            )
        return ""
    if _ASYNC.search(str(error)) and set(known.values()) & set(getattr(item, "fixturenames", ())):
        return f"{place}: a test with a cluster of `seatrial.fixture(…)` is plain: write `def {function}`, no `await`"
    if isinstance(error, NameError):
        name = known.get(str(error.name), "")
    elif _ITSELF.search(str(error)) and isinstance(error, TypeError | AttributeError):
        used = excinfo.traceback[-1].frame.code.raw.co_names
        name = next((known[word] for word in used if word in known), "")
    else:
        return ""
    if not name or name in getattr(item, "fixturenames", ()):
        return ""
    return f"{place}: the fixture {name!r} must be an argument of the test: write `def {function}({name}):`"


_ASYNC = re.compile(r"async def functions are not natively supported")
_ITSELF = re.compile(r"'(FixtureFunctionDefinition|function)' object")
"""How Python names a fixture that is used in place of its value."""


def _fixtures_near(item: pytest.Item) -> dict[str, str]:
    """The clusters as fixtures in the item's module, in conftest.py and in plugins: variable to fixture."""
    modules = [getattr(item, "module", None), *item.config.pluginmanager.get_plugins()]
    found = {}
    for module in (module for module in modules if isinstance(module, ModuleType)):
        for variable, value in vars(module).items():
            name = next((name or variable for made, name in _FIXTURES if made is value), "")
            if name:
                found[variable] = name
    return found


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name.endswith(ENDINGS) or _named(file_path, parent.config):
        scenarios: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
        return scenarios
    return None


def _named(file: Path, config: pytest.Config) -> bool:
    inside = file.is_relative_to(config.rootpath)
    path = file.relative_to(config.rootpath).as_posix() if inside else ""
    return inside and any(fnmatch(path, pattern) for pattern in config.getini("seatrial_scenarios"))


class ScenarioFile(pytest.File):
    """One document, validated when pytest collects tests."""

    plan: Plan
    project: Project
    registry: Registry

    def options(self, report_dir: Path | None = None) -> RunOptions:
        from seatrial.app.run_options import RunOptions

        on = self.config.getoption("--seatrial-on")
        return RunOptions(on=on, report_dir=report_dir, format="plain", color=False, project=self.path.parent)

    def collect(self) -> Iterable[pytest.Item]:
        """One test for each suite; an invalid document is a collection error."""
        from seatrial.app.planning import plan_documents
        from seatrial.app.project import find
        from seatrial.errors import SeatrialError

        try:
            self.project = find(self.path.parent)
            self.registry = self.project.registry(())
            self.plan = plan_documents([self.path], self.options(), project=self.project, registry=self.registry)
        except SeatrialError as error:
            raise self.CollectError(str(error)) from None
        for suite in self.plan.suites:
            yield SuiteItem.from_parent(self, name=suite.test_id, suite=suite)


class SuiteItem(pytest.Item):
    """One suite."""

    def __init__(self, *, suite: Suite, **more: Any) -> None:
        super().__init__(**more)
        self.suite = suite
        self.report: RunReport | None = None

    def setup(self) -> None:
        """Run the suite including its cleanup; raise if there is no verdict on the product."""
        import asyncio
        from dataclasses import replace

        from seatrial.app.run import run_plan

        document = self.parent
        assert isinstance(document, ScenarioFile)
        options = document.options(self._report_dir())
        alone = replace(document.plan, suites=(self.suite,))
        self.report = asyncio.run(run_plan(alone, options, project=document.project, registry=document.registry))
        self.add_report_section("setup", "seatrial", f"report: {self.report.folder}")
        if self.report.exit_code in INTERRUPTED:
            raise KeyboardInterrupt
        row = self._row
        if row["status"] == "skipped":
            pytest.skip(row["reason"])
        if row["verdict"] not in ("passed", "failed"):
            raise SuiteUnknown(self._summary())
        if row["verdict"] == "passed" and self.report.exit_code == 3:
            raise SuiteUnknown(f"the suite passed, but the run could not be recorded; see {self.report.folder}")

    def runtest(self) -> None:
        if self._row["verdict"] == "failed":
            raise SuiteFailed(self._summary())

    def teardown(self) -> None:
        """Fail if resources were left behind; the product is not at fault."""
        from seatrial.errors import LeftBehind

        if self.report is None:
            return
        left = [*self.report.results["left_behind"], *self._row["left_behind"]]
        if left:
            lines = "\n".join(f"    {item['kind']} {item['name']} ({item['owner']}): {item['error']}" for item in left)
            raise LeftBehind(f"resources left behind:\n{lines}\n    try: seatrial clean {self.report.run_id}")

    @property
    def _row(self) -> dict[str, Any]:
        assert self.report is not None
        row: dict[str, Any] = self.report.results["results"][0]
        return row

    def _summary(self) -> str:
        from seatrial.app.inspect import suite_lines
        from seatrial.loading.read.document import line_of

        assert self.report is not None
        line, column = line_of(self.suite.source)
        lines = suite_lines(self.report.folder, self._row)
        return "\n".join([*lines, f"    defined at {self.suite.source.file}:{line}:{column}"])

    def _report_dir(self) -> Path | None:
        """A separate folder for each run of each suite."""
        given = self.config.getoption("--seatrial-report-dir")
        if not given:
            return None
        parent: Path = self.config.invocation_params.dir / given
        names = (self.name if number == 1 else f"{self.name}-{number}" for number in count(1))
        return next(parent / name for name in names if not (parent / name / "events.jsonl").exists())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The observations without a traceback; unexpected errors are shown in full."""
        from seatrial.errors import SeatrialError

        if isinstance(excinfo.value, SuiteFailed | SuiteUnknown | SeatrialError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name
