"""The server for tests: `with GitHubServer() as server:`, in its own thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from seatrial.errors import ExtraMissing
from seatrial_stand_ins.github import git
from seatrial_stand_ins.github.forge import Forge, Request, RunDetails
from seatrial_stand_ins.github.limits import Limits
from seatrial_stand_ins.github.plants import LateRefs, Plant, Planted, Quota
from seatrial_stand_ins.github.records import RunRecord, Token
from seatrial_stand_ins.github.repository import Environment, Repository
from seatrial_stand_ins.github.scheduler import Scheduler
from seatrial_stand_ins.github.scratch import scratch
from seatrial_stand_ins.github.scripted import Scripted
from seatrial_stand_ins.github.seam import Runner
from seatrial_stand_ins.github.storage import Storage
from seatrial_stand_ins.loopback import leaving_nothing

T = TypeVar("T")
PATIENCE = 120.0


class GitHubServer:
    """GitHub on loopback. `url` is its API in the manner of Enterprise Server; `site` is its root, where the API is
    too, as on github.com; `token` has all rights. With `tls`, both are `https://localhost:…`, by the authority in
    `ca_file`.

    `run_details` is its response to a dispatch asking for the run's number: `offered` answers it (always, in API
    version 2026-03-10), `refused` answers 400, `ignored` an empty 204; the latter two as Enterprise Server does with
    its only version 2022-11-28. Logs and artifacts are redirected to another origin, where a token is an error unless
    `storage_refuses_tokens` is off. `check_answers` validates every answer against GitHub's own description. Problems
    of the server itself, or of the runner, are in `problems`; leaving the block raises them. `port`: default a free
    one.
    """

    def __init__(
        self,
        runner: Runner | None = None,
        *,
        tls: bool = False,
        login: str = "ada",
        run_details: RunDetails = "offered",
        rate_limit: int = 5000,
        enterprise_version: str = "",
        check_answers: bool = True,
        storage_refuses_tokens: bool = True,
        port: int = 0,
    ) -> None:
        self.runner: Runner = runner or Scripted()
        self._tls = tls
        self._details: RunDetails = run_details
        self._limit = rate_limit
        self._version = enterprise_version or ("3.21.0" if run_details == "offered" else "3.19.1")
        self._check = check_answers
        self._refuses = storage_refuses_tokens
        self._login = login
        self._port = port
        self._stack = contextlib.ExitStack()
        self._ready = threading.Event()
        self._broke: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> GitHubServer:
        try:
            import openapi_schema_validator  # noqa: F401
            import starlette  # noqa: F401
            import uvicorn
        except ImportError as error:
            raise ExtraMissing(f"{error.name} is not installed: pip install 'seatrial[testing]'") from error
        self.folder = self._stack.enter_context(scratch())
        try:
            self._start(uvicorn)
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self, uvicorn: Any) -> None:
        sockets = [self._stack.enter_context(_listening(port)) for port in (self._port, 0)]
        host = "localhost" if self._tls else "127.0.0.1"
        scheme = "https" if self._tls else "http"
        self.port = sockets[0].getsockname()[1]
        self.site = f"{scheme}://{host}:{self.port}"
        self.url = f"{self.site}/api/v3"
        self.ca_file: Path | None = None
        options: dict[str, Any] = {}
        if self._tls:
            self.ca_file, options = _certificates(self.folder)
        storage = Storage(f"{scheme}://127.0.0.1:{sockets[1].getsockname()[1]}", self._refuses)
        self._forge = Forge(
            runner=self.runner, run_details=self._details, enterprise_version=self._version,
            storage=storage, limits=Limits(self._limit),
            site=self.site, ca_file=self.ca_file,
        )  # fmt: skip
        self.token = self._forge.add_token(Token(login=self._login))
        from seatrial_stand_ins.github.door import Door

        config = uvicorn.Config(
            Door(self._forge, check_answers=self._check), log_config=None, log_level="critical", lifespan="off",
            ws="none", access_log=False, timeout_graceful_shutdown=1, **options,
        )  # fmt: skip
        serving = leaving_nothing(config)
        serving.install_signal_handlers = lambda: None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(serving, sockets)), name="github-server", daemon=True
        )
        self._thread.start()
        self._stack.callback(self._thread.join, PATIENCE)
        self._stack.callback(self._tell_to_stop)
        if not self._ready.wait(PATIENCE) or self._broke is not None:
            raise RuntimeError(f"the GitHub server did not start: {self._broke!r}")

    async def _live(self, serving: Any, sockets: list[socket.socket]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._forge.scheduler = Scheduler(
                    tasks=tasks, prepare=self._forge.prepare, choose=self._forge.choose,
                    problem=self._forge.problems.append, ended=self._forge.ended,
                )  # fmt: skip
                # Its own loop would look for the end ten times a second.
                serving.main_loop = self._stop.wait
                listening = tasks.create_task(serving.serve(sockets=sockets))
                while not serving.started and not listening.done():
                    await asyncio.sleep(0.002)
                self._ready.set()
                await self._stop.wait()
                await listening
                for live in list(self._forge.scheduler.live.values()):
                    if live.ongoing.task is not None:
                        live.ongoing.task.cancel()
        except BaseException as error:
            self._broke = error
            self._forge.problems.append(f"the server itself broke: {error!r}")
            raise
        finally:
            self._ready.set()

    def _tell_to_stop(self) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if kind is None and self.problems:
            raise AssertionError("the GitHub server for tests had problems:\n" + "\n".join(self.problems))

    def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it on the server's loop."""
        assert self._loop is not None, "the server is not entered"

        async def doing() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(PATIENCE)

    @property
    def problems(self) -> list[str]:
        """Problems of the server itself or of the runner."""
        return self._forge.problems

    @property
    def repositories(self) -> Mapping[str, Repository]:
        """The added repositories, by name."""
        return self._forge.repositories

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of their answers."""
        return self._forge.requests

    def add_repository(
        self,
        name: str,
        source: Path | None = None,
        *,
        files: Mapping[str, str] | None = None,
        private: bool = True,
        default_branch: str = "main",
        secrets: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        environments: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
    ) -> Repository:
        """A repository: a bare copy of a git repository; or of a plain folder, or of `files`, with one commit.

        `environments` is `{"production": {"secrets": {…}, "variables": {…}}}`. The result has `commit({path: text})`.
        """
        owner, _, short = name.partition("/")
        if not owner or not short or name in self._forge.repositories:
            raise ValueError(f"{name!r} is not OWNER/NAME, or exists already")
        if (source is None) == (files is None):
            raise ValueError("a repository is made either of a folder or of files")
        bare = self.folder / "git" / owner / f"{short}.git"
        if source is None:
            source = self.folder / "first" / owner / short
            source.mkdir(parents=True)
        for path, text in (files or {}).items():
            file = source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        git.make_bare(source, bare, default_branch)
        made = Repository(
            name=name, bare=bare, scratch=self.folder, private=private, default_branch=default_branch,
            secrets=dict(secrets or {}), variables=dict(variables or {}),
        )  # fmt: skip
        for environment, kept in (environments or {}).items():
            made.environments[environment] = Environment(
                name=environment, secrets=kept.get("secrets", {}), variables=kept.get("variables", {})
            )
        self._call(made.listed_workflows)
        made.lateness = self._forge.lateness
        self._forge.repositories[name] = made
        return made

    def add_token(
        self,
        login: str,
        *,
        permissions: Mapping[str, str] | None = None,
        repositories: tuple[str, ...] | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> str:
        """A token of somebody, by default with all rights. `permissions` and `repositories` make it a fine-grained one,
        `scopes` a classic one."""
        known = None if repositories is None else frozenset(repositories)
        return self._forge.add_token(
            Token(login=login, permissions=permissions, repositories=known, scopes=scopes),
            "ghp_" if permissions is None else "github_pat_",
        )

    def revoke(self, token: str) -> None:
        """The token becomes invalid: 401."""
        del self._forge.tokens[token]

    def plant(self, plant: Plant) -> Planted:
        """Plant a fault; see `seatrial_stand_ins.github.plants`."""
        planted = Planted(plant, self._forge.bed)
        if isinstance(plant, Quota):
            self._forge.limits.tighten(plant.remaining, plant.reset_in)
        elif isinstance(plant, LateRefs):
            for repository in self.repositories.values():
                self._call(repository.refs)  # earlier changes are visible at once
        self._forge.bed.append(planted)
        return planted

    def dispatch(
        self, repository: str, workflow: str, *, ref: str = "", inputs: Mapping[str, object] | None = None,
        actor: str = "somebody",
    ) -> RunRecord:  # fmt: skip
        """Another user dispatches a workflow."""
        from seatrial_stand_ins.github.dispatching import dispatch

        it = self.repositories[repository]

        async def doing() -> RunRecord:
            found = await it.workflow(workflow)
            if found is None:
                raise KeyError(workflow)
            return await dispatch(self._forge, it, found, ref or it.default_branch, inputs or {}, actor=actor)

        return self._call(doing)

    def cancel(self, run: RunRecord, *, by: str = "somebody") -> None:
        """Another user cancels a run."""

        async def doing() -> None:
            self._forge.scheduler.cancel(run, by=by)

        self._call(doing)

    def runs(self, repository: str, workflow: str = "") -> list[RunRecord]:
        """Every run of a repository, or of one workflow's file, oldest first, visible or not."""
        found = self.repositories[repository].runs
        return [run for run in found if workflow in ("", run.workflow.path.rpartition("/")[2])]

    def wait_for(self, condition: Callable[[], T | None], timeout: float = PATIENCE) -> T:
        """The condition's value once it is true; AssertionError when it takes too long."""
        end = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < end, f"not true within {timeout:g} s"
            time.sleep(0.01)
        return value


def _listening(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", port))
    opened.listen(256)
    return opened


def _certificates(folder: Path) -> tuple[Path, dict[str, Any]]:
    try:
        import trustme
    except ImportError as error:
        raise ExtraMissing("trustme is not installed: pip install 'seatrial[testing]'") from error
    authority = trustme.CA()
    own = authority.issue_cert("localhost", "127.0.0.1")
    ca, certificate, key = folder / "ca.pem", folder / "certificate.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(str(ca))
    for place, blob in enumerate(own.cert_chain_pems):
        blob.write_to_path(str(certificate), append=place > 0)
    own.private_key_pem.write_to_path(str(key))
    return ca, {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
