"""The project: the nearest folder upward with a `seatrial.toml`, its settings and its state."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import DocumentError, Problem, UsageError
from seatrial.model.frozen import frozen
from seatrial.registry import Registry

if TYPE_CHECKING:
    from seatrial.loading.settings import Settings

SCHEMA = "seatrial.schema.json"
"""The schema of scenarios for editors, at the top of a project, written by `seatrial init`."""

SETTINGS_SCHEMA = "seatrial.settings.schema.json"
"""The schema of `seatrial.toml`, beside it."""

DOCUMENTS = (".yaml", ".yml", ".json")
"""Endings of the names of documents."""


@frozen
class Project:
    """A folder with its settings."""

    folder: Path
    settings: Settings

    def with_flags(self, flags: Mapping[str, object]) -> Project:
        """The same project; settings from the command line override all others."""
        return replace(self, settings=self.settings.with_flags(flags)) if flags else self

    @property
    def state(self) -> Path:
        """`.seatrial/`."""
        return self.folder / ".seatrial"

    @property
    def ledger_folder(self) -> Path:
        """The folder for ledgers of runs with resources."""
        return self.state / "ledger"

    @property
    def runs(self) -> Path:
        """The folder for reports of runs."""
        return self.state / "runs"

    @property
    def providers(self) -> Collection[str]:
        """The providers that have a table of settings."""
        names: Collection[str] = self.settings.value("providers")
        return names

    def provider_settings(self, registry: Registry) -> Callable[[str], Any]:
        """The settings of each provider, by its name; DocumentError when asked for some that are wrong."""
        from seatrial.loading.provider_settings import ProviderSettings

        return ProviderSettings(self.settings, registry)

    @property
    def names(self) -> Mapping[str, str]:
        """Name patterns: the defaults, overridden by the project's."""
        return asdict(self.settings.value("names"))

    @property
    def labels(self) -> Mapping[str, str]:
        """Additional label patterns for all resources."""
        return dict(self.settings.value("labels") or {})

    @property
    def keep(self) -> str:
        """never, failed or always."""
        return str(self.settings.value("keep") or "never")

    def registry(self, plugins: Sequence[Path | str]) -> Registry:
        """A registry with the project's plugins and these."""
        registry = Registry()
        problems = []
        for name in self.settings.value("plugins") or ():
            try:
                registry.load(self.folder / name)
            except UsageError as error:
                problems.append(self._wrong_plugin(name, error))
        if problems:
            raise DocumentError(problems)
        for file in plugins:
            registry.load(Path(file))
        return registry

    def _wrong_plugin(self, name: str, error: UsageError) -> Problem:
        """The problem with a plugin, at its place in the settings."""
        origin, line, column = self.settings.origin("plugins"), 0, 0
        if self.settings.file and origin.startswith(self.settings.file + ":"):
            origin = self.settings.file
            line, column = self.settings.locate(("plugins",))
            before = "\n" * (line - 1) + " " * (column - 1)
            rest = "\n".join(self.settings.text.split("\n")[line - 1 :])[column - 1 :]
            if found := re.search(f"[\"']{re.escape(name)}[\"']", rest):
                *above, last = (before + rest[: found.start()]).split("\n")
                line, column = len(above) + 1, len(last) + 1
        return Problem(origin, line, column, f"invalid plugin {name!r}: {error}")

    def scenarios(self) -> list[Path]:
        """The documents for `seatrial run` without paths; UsageError if there are none."""
        patterns = list(self.settings.value("scenarios") or ("scenarios",))
        documents: list[Path] = []
        for pattern in patterns:
            path = self.folder / pattern
            if path.is_dir():
                documents += within(path)
            else:
                documents += [path] if path.is_file() else sorted(self.folder.glob(pattern))
        if not documents:
            raise UsageError(
                f"the project {self.folder} has no scenarios (searched: {', '.join(patterns)}); "
                "name a file (`seatrial run FILE`) or create a first scenario with `seatrial init`"
            )
        return [from_here(path) for path in documents]

    def new_run_folder(self, run_id: str) -> Path:
        """Create the folder of a new run; if `report_dir` is elsewhere, a link leads to it."""
        if not self.state.is_dir():
            _make(self.state)
            (self.state / ".gitignore").write_text("*\n")
        own = self.runs / run_id
        wanted = self.settings.value("report_dir")
        if not wanted:
            _make(own, 0o700)
            return own
        folder = Path(wanted).absolute()
        if (folder / "events.jsonl").exists():
            raise UsageError(f"{wanted} already contains the report of another run; choose a new folder")
        _make(folder, 0o700)
        _make(self.runs)
        own.symlink_to(folder)
        return folder

    def forget(self, run_id: str) -> None:
        """Remove the folder of a run that could not start; another folder of yours keeps its files."""
        own = self.runs / run_id
        if own.is_symlink():
            (own / "events.jsonl").unlink(missing_ok=True)
            with suppress(OSError):
                own.resolve().rmdir()
            own.unlink()
        else:
            shutil.rmtree(own, ignore_errors=True)

    def folder_of(self, run_id: str) -> Path | None:
        """The folder of a run, if it still exists."""
        folder = self.runs / run_id
        return folder.resolve() if folder.is_dir() else None

    def newest_run(self) -> str:
        """The id of the last run; empty if there is none."""
        return max((entry.name for entry in self.runs.glob("r*")), default="")

    def trial(self, wanted: str) -> tuple[str, str]:
        """The ids of a run and of the trial in it, by the trial's id (`E2E_RUN_ID`) or a unique prefix. Both are empty
        if no trial is meant; UsageError if there is none of this id."""
        if not wanted.startswith("t") or os.sep in wanted or (Path(wanted) / "events.jsonl").is_file():
            return "", ""
        folders = (entry for entry in self.runs.glob("r*/*-t*") if entry.is_dir())
        known = {entry.name.rpartition("-")[2]: entry.parent.name for entry in sorted(folders)}
        matching = [trial for trial in known if trial.startswith(wanted)]
        if len(matching) != 1:
            what = f"matches several trials: {', '.join(matching)}; use a longer prefix" if matching else ""
            newest = ", ".join(sorted(known)[-3:]) or "none"
            what = what or f"is not a trial of the project {self.folder}; the newest trials: {newest}"
            raise UsageError(f"{wanted!r} {what}")
        return known[matching[0]], matching[0]

    def run_folder(self, wanted: str) -> Path:
        """The folder of a run by its id, a unique prefix, `last`, or a path; UsageError if there is none."""
        if os.sep in wanted or (Path(wanted) / "events.jsonl").is_file():
            if not (Path(wanted) / "events.jsonl").is_file():
                raise UsageError(f"{wanted} is not the folder of a run (it has no events.jsonl)")
            return Path(wanted).resolve()
        known = sorted(entry.name for entry in self.runs.glob("r*") if entry.is_dir())
        matching = known[-1:] if wanted == "last" else [name for name in known if name.startswith(wanted)]
        if len(matching) != 1:
            if not known:
                raise UsageError(f"no runs yet in the project {self.folder}; start one with `seatrial run`")
            if matching:
                raise UsageError(f"{wanted!r} matches several runs: {', '.join(matching)}; use a longer prefix")
            newest = ", ".join(known[-3:])
            raise UsageError(f"no run {wanted!r} in the project {self.folder}; the newest runs: {newest}")
        return (self.runs / matching[0]).resolve()


def from_here(path: Path) -> Path:
    """A path relative to the current folder if it is in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def within(folder: Path) -> list[Path]:
    """The documents in a folder and below it, sorted by name, without hidden folders such as `.seatrial`."""
    files = (
        file for file in folder.rglob("*") if file.suffix in DOCUMENTS and file.name not in (SCHEMA, SETTINGS_SCHEMA)
    )
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def find(start: Path | None = None) -> Project:
    """The project of a folder (default: the current one); without a `seatrial.toml` upward, the folder itself."""
    from seatrial.loading.settings import load

    try:
        here = start or Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current folder was deleted; change to another one and try again") from None
    settings = load(here)
    return Project(folder=settings.folder, settings=settings)


def _make(folder: Path, mode: int = 0o777) -> None:
    """Create a folder for a run; UsageError if this fails, because a run needs it."""
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"could not create the folder {folder} of the run: {error.strerror}; nothing was started"
        ) from error
