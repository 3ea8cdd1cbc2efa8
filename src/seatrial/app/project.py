"""The project: the nearest folder upward with a `seatrial.toml`, its settings, and where its state is."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import DocumentError, Problem, UsageError
from seatrial.registry import Registry

if TYPE_CHECKING:
    from seatrial.loading.settings import Settings

SCHEMA = "seatrial.schema.json"
"""What `seatrial init` writes for editors, at the top of the project: it is no document, and it is versioned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with its settings."""

    folder: Path
    settings: Settings

    def with_flags(self, flags: Mapping[str, object]) -> Project:
        """The same project, with settings from the command line over all others."""
        return replace(self, settings=self.settings.with_flags(flags)) if flags else self

    @property
    def state(self) -> Path:
        """`.seatrial/`."""
        return self.folder / ".seatrial"

    @property
    def ledger_folder(self) -> Path:
        """Where the ledgers of runs are that may still have something out."""
        return self.state / "ledger"

    @property
    def runs(self) -> Path:
        """Where runs keep what they saw."""
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
        """Name patterns, the project's over the defaults."""
        return asdict(self.settings.value("names"))

    @property
    def labels(self) -> Mapping[str, str]:
        """Label patterns that everything made carries besides our own."""
        return dict(self.settings.value("labels") or {})

    @property
    def keep(self) -> str:
        """never, failed or always."""
        return str(self.settings.value("keep") or "never")

    def registry(self, plugins: Sequence[Path]) -> Registry:
        """A registry with the project's plugins and these."""
        registry = Registry()
        problems = []
        for one in self.settings.value("plugins") or ():
            try:
                registry.load(self.folder / one)
            except UsageError as error:
                problems.append(self._wrong_plugin(one, error))
        if problems:
            raise DocumentError(problems)
        for file in plugins:
            registry.load(file)
        return registry

    def _wrong_plugin(self, name: str, error: UsageError) -> Problem:
        """What is wrong with a plugin that the settings name, and where they do so."""
        origin, line, column = self.settings.origin("plugins"), 0, 0
        if self.settings.file and origin.startswith(self.settings.file + ":"):
            origin = self.settings.file
            line, column = self._place_of(name, *self.settings.locate(("plugins",)))
        return Problem(origin, line, column, f"the plugin {name!r} cannot be used: {error}")

    def _place_of(self, name: str, line: int, column: int) -> tuple[int, int]:
        """Where a name stands in a list of the settings that begins at this line and column."""
        for number, text in enumerate(self.settings.text.split("\n")[line - 1 :], line):
            begin = column - 1 if number == line else 0
            found = [text.find(f"{quote}{name}{quote}", begin) for quote in "\"'"]
            if max(found) >= 0:
                return number, max(found) + 1
        return line, column

    def scenarios(self) -> list[Path]:
        """The documents (and parts of them) that `run` takes when it is given none; UsageError when there are none."""
        patterns = list(self.settings.value("scenarios") or ("scenarios",))
        found: list[Path] = []
        for pattern in patterns:
            path = self.folder / pattern
            if path.is_dir():
                found += within(path)
            else:
                found += [path] if path.is_file() else sorted(self.folder.glob(pattern))
        if not found:
            raise UsageError(
                f"no scenario was named, and the project {self.folder} has none in {', '.join(patterns)}; "
                "name a file (`seatrial run FILE`) or begin with `seatrial init`"
            )
        here = Path.cwd()
        return [path.relative_to(here) if path.is_relative_to(here) else path for path in found]

    def new_run_folder(self, run_id: str) -> Path:
        """Make the folder of a new run; one elsewhere (`report_dir`) is found again through a link."""
        if not self.state.is_dir():
            _make(self.state)
            _ignored(self.state)
        own = self.runs / run_id
        wanted = self.settings.value("report_dir")
        if not wanted:
            _make(own)
            return own
        folder = Path(wanted).absolute()
        if (folder / "events.jsonl").exists():
            raise UsageError(f"{wanted}: holds the report of another run already; name a fresh folder")
        _make(folder)
        _make(self.runs)
        own.symlink_to(folder)
        return folder

    def folder_of(self, run_id: str) -> Path | None:
        """The folder of a run, when it is still there."""
        folder = self.runs / run_id
        return folder.resolve() if folder.is_dir() else None

    def run_folder(self, wanted: str) -> Path:
        """The folder of a run by its id, a unique prefix, `last`, or a path; UsageError when there is none."""
        if os.sep in wanted or (Path(wanted) / "events.jsonl").is_file():
            if not (Path(wanted) / "events.jsonl").is_file():
                raise UsageError(f"{wanted}: no run's folder (there is no events.jsonl in it)")
            return Path(wanted).resolve()
        known = sorted(entry.name for entry in self.runs.glob("r*") if entry.is_dir())
        matching = known[-1:] if wanted == "last" else [name for name in known if name.startswith(wanted)]
        if len(matching) != 1:
            what = "is no run" if not matching else "could be " + ", ".join(matching)
            newest = ", ".join(known[-3:]) or "none"
            raise UsageError(f"{wanted!r} {what} of the project {self.folder}; the newest runs: {newest}")
        return (self.runs / matching[0]).resolve()


def within(folder: Path) -> list[Path]:
    """The documents in a folder and below it, in the order of their names; hidden folders (`.seatrial`) have none."""
    held = (one for one in folder.rglob("*") if one.suffix in (".yaml", ".yml", ".json") and one.name != SCHEMA)
    return sorted(one for one in held if not any(part.startswith(".") for part in one.relative_to(folder).parts))


def find(start: Path | None = None) -> Project:
    """The project around a folder (the current one); without a `seatrial.toml` upward it is that folder itself."""
    from seatrial.loading.settings import load

    try:
        here = start or Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current folder was deleted: go to another (`cd`) and try again") from None
    settings = load(here)
    return Project(folder=settings.folder, settings=settings)


def _make(folder: Path) -> None:
    """Make a folder for what a run writes; UsageError when that cannot be, since nothing is started without it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be made ({error.strerror}), and a run writes there what it does; nothing was started"
        ) from error


def _ignored(state: Path) -> None:
    """The state folder keeps itself out of version control."""
    (state / ".gitignore").write_text("*\n")
