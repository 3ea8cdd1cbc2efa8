"""One attempt of a check with the cache: look up its result, explain a miss, and store a new result if allowed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.engine.masking import hide_in_urls
from seatrial.errors import CannotTell
from seatrial.preflight.cache import trace
from seatrial.preflight.cache.hashes import described, digest, digest_of
from seatrial.preflight.cache.manifest import Manifest, changes, key_of
from seatrial.preflight.cache.patterns import files_like, matcher
from seatrial.preflight.cache.programs import Programs
from seatrial.preflight.cache.restore import remove_stale, restore, write
from seatrial.preflight.cache.store import Entry
from seatrial.preflight.cache.surroundings import read_of
from seatrial.preflight.cache.tree import Stamp, ignored_note, stamp
from seatrial.preflight.job import folder_of

if TYPE_CHECKING:
    from seatrial.preflight.cache import Cache
    from seatrial.preflight.job import Executor, Job
    from seatrial.preflight.log import Log
    from seatrial.spi import Context

LOOKED_AT = 16 * 1024 * 1024
"""Bytes of an artifact searched for secrets at a time."""

OVERLAP = 64 * 1024
"""Overlap in bytes between two pieces, so no secret is missed at a border."""


class CachedRun:
    """One attempt of one check."""

    def __init__(self, ctx: Context, job: Job, cache: Cache) -> None:
        self._ctx, self._job, self._check, self._cache = ctx, job, job.check, cache
        self._folder = job.folder
        self._manifest: Manifest | None = None
        self._stamps: Mapping[str, Stamp] = {}
        self._made: dict[str, Stamp] = {}
        """The artifacts of needed checks."""
        self._why: list[str] = []
        self._trace: Path | None = None
        self._kept_from: str = ""
        """The reason why the result may not be stored."""

    async def look(self, place: Executor, log: Log) -> Mapping[str, Any] | None:
        """The outputs of the stored result, after its files are restored; None: the check must run."""
        stored = None
        try:
            if off := self._off():
                raise CannotTell(off)
            self._manifest = await self._now(place)
            stored = self._taken(self._manifest, log)
        except CannotTell as error:
            self._why.append(str(error))
        except OSError as error:
            self._why.append(f"the cache cannot be used: {error}")
        self._tell(stored is not None)
        return stored

    @contextmanager
    def running(self) -> Iterator[Job]:
        """During the check: the source may change. The job is traced if requested."""
        job = self._job
        if self._cache.tracing and not self._job.contained:
            self._trace = self._ctx.state / f"{secrets.token_hex(8)}.trace"
            job = replace(job, check=replace(job.check, run=trace.wrapped(job.argv, self._trace, self._path())))
        try:
            with self._cache.tree.changing():
                yield job
        finally:
            if self._trace is not None:
                self._look_at_trace(self._trace)

    def keep(self, outputs: Mapping[str, Any], log: Log) -> None:
        """After a pass: store the result if allowed. Never raises: the cache does not affect the verdict."""
        top = self._ctx.artifacts / folder_of(self._job.name)
        made = [self._ctx.folder / path for path in outputs.get("artifacts", ())]
        files = self._cache.passed[self._job.name] = [(str(file.relative_to(top)), file) for file in made]
        if self._manifest is None:
            return
        told = {name: value for name, value in outputs.items() if name != "artifacts"}
        why = self._kept_from or self._unfit(told, files) or self._changed(self._manifest)
        if not why:
            try:
                key = self._own_key if self._names_source(told, files) else key_of(self._manifest)
                self._cache.store.keep(key, told, log.whole(), files)
                self._cache.store.remember(self._name, self._manifest)
                self._remember_made({path: digest_of(file) for path, file in files})
                self._cache.kept = True
                return
            except OSError as error:
                why = f"it could not be written: {error}"
        self._why.append(f"its result is not stored: {why}")
        self._tell(taken=False)

    @property
    def reusable(self) -> bool:
        """Whether a result of the same dependencies would do."""
        return self._manifest is not None and not self._cache.tracing

    @property
    def _name(self) -> str:
        """The unique name of this check of this source."""
        return f"{self._cache.source}\n{self._job.name}"

    @property
    def _own_key(self) -> str:
        """The key of a result that names the source's folder: no other work tree may take it."""
        assert self._manifest is not None
        return key_of({**self._manifest, "folder": {"the folder of the sources": str(self._job.source)}})

    def _names_source(self, told: Mapping[str, Any], files: Sequence[tuple[str, Path]]) -> bool:
        name = str(self._job.source)
        return name in json.dumps(told, ensure_ascii=False) or any(
            name in text for _, f in files for text in _pieces(f)
        )

    def _remember_made(self, files: Mapping[str, str]) -> None:
        if self._check.artifacts and not self._job.contained:
            self._cache.store.remember_made(self._name, files)

    # Dependencies

    def _off(self) -> str:
        """The reason why the cache is off for this check."""
        if self._cache.off:
            return self._cache.off
        if self._check.cache is False:
            return "it declares `cache: false`"
        if not self._check.wanted:
            return "it declares no `inputs`, so the dependencies of its result are unknown"
        return ""

    async def _now(self, place: Executor) -> Manifest:
        where = await place.identity(self._ctx, self._job)
        if not where:
            raise CannotTell("the environment in which it runs cannot be identified")
        around = self._ctx.environment()
        parts: dict[str, Mapping[str, str]] = {
            "command": self._command(),
            "place": {"the place where it runs": where},
            "variables": self._hidden(self._job.env),
            "secrets": self._hidden(self._job.secrets),
            "surroundings": self._hidden(
                read_of(around, self._check.env_inputs, () if self._job.contained else self._check.run)
            ),
            "needs": {name: made for name in self._job.uses if (made := self._made_by(name))},
            "disk": self._on_disk(),
            "programs": self._programs(),
        }
        if not self._job.contained:
            # Addresses of services are unknown here, and do not affect a version.
            known = {name: value for name, value in self._job.env.items() if "\0" not in value}
            parts["tools"] = {
                shlex.join(tool): await self._cache.version_of(self._ctx, tool, self._folder, known)
                for tool in self._check.tools
            }
        # Last: the command reads the same files right after this.
        parts["files"] = self._cache.tree.contents(self._check.inputs)
        self._stamps = self._cache.tree.stamps(parts["files"])
        if self._cache.explain and (left := self._cache.tree.left_out(self._check.inputs)):
            self._why.append(ignored_note(left))
        return parts

    def _command(self) -> Mapping[str, str]:
        check = self._check
        parts = {
            "the command": self._job.argv,
            "its folder": check.cwd,
            "how the check gets the sources": "copy" if check.copied else check.source,
            **({"the function": asdict(check.function)} if check.function is not None else {}),
            "what passes": [check.passing, dict(check.pass_exit_codes)],
            "outputs of the check": dict(check.outputs),
            "artifacts of the check": check.artifacts,
            **({"checks with artifacts it uses": dict(self._job.uses)} if self._job.uses else {}),
        }
        return {name: json.dumps(value, sort_keys=True) for name, value in parts.items()}

    def _hidden(self, values: Mapping[str, str]) -> Mapping[str, str]:
        salt = self._cache.store.salt()
        return {
            name: hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=salt, digest_size=20).hexdigest()
            for name, value in values.items()
        }

    def _made_by(self, name: str) -> str:
        """A digest of the files made by a check of this run; empty when it made none, or is not part of this run."""
        files = self._cache.passed.get(name, ())
        told = [[path, file.stat().st_mode & 0o7777, digest_of(file)] for path, file in files]
        return digest(json.dumps(told).encode()) if told else ""

    def _on_disk(self) -> Mapping[str, str]:
        """The artifacts of the needed checks as they are in the source now: the command reads these.
        CannotTell when a pattern of theirs is unknown."""
        found: dict[str, str] = {}
        self._made = {}
        for name, patterns in self._job.needs.items():
            states: dict[str, str] = {}
            for pattern in patterns:
                if "${{" in pattern:
                    raise CannotTell(f"the artifact {pattern!r} of {name}, which it needs, is unknown before the run")
                for file in files_like(self._job.source, pattern):
                    path = str(file)
                    self._made[path] = stamp(path)
                    states[path.removeprefix(f"{self._job.source}/")] = described(path, self._cache.hashes)
            if states:
                found[name] = digest(json.dumps(states, sort_keys=True).encode())
        return found

    def _path(self) -> str:
        return self._job.env.get("PATH") or self._ctx.environment().get("PATH", os.defpath)

    def _programs(self) -> Mapping[str, str]:
        programs = Programs(
            folder=self._folder,
            source=self._job.source,
            path="" if self._job.contained else self._path(),
            env={**self._ctx.environment(), **self._job.env},
            hashes=self._cache.hashes,
            versions_known=bool(self._check.tools),
        )
        return programs.of(self._check.run)

    def _changed(self, before: Manifest) -> str:
        """The changed dependencies, in words; empty: none changed during the check."""
        made = self._made
        try:
            now = {"files": self._cache.tree.contents(self._check.inputs), "disk": self._on_disk(),
                   "programs": self._programs()}  # fmt: skip
        except (CannotTell, OSError) as error:
            return str(error)
        if told := changes({part: before[part] for part in now}, now):
            advice = "; exclude files the check itself makes from its inputs with `!pattern`"
            return f"while it ran, {', '.join(told)}{advice if now['files'] != before['files'] else ''}"
        # Equal now, but the check may have seen other content of a written file in between.
        stamps, own = self._cache.tree.stamps(self._stamps), matcher(self._check.made)
        for path, written in self._stamps.items():
            if stamps.get(path) != written and not own.match_file(path):
                return f"while it ran, {path} was written, and may have had other content in between"
        for path, written in self._made.items():
            if made.get(path) != written:
                return f"while it ran, {path} was written, and may have had other content in between"
        return ""

    # Stored results

    def _taken(self, manifest: Manifest, log: Log) -> Mapping[str, Any] | None:
        if self._cache.tracing:
            self._why.append("its inputs are traced, so it has to run")
            return None
        entry = self._cache.store.entry(key_of(manifest)) or self._cache.store.entry(self._own_key)
        if entry is None:
            self._explain_miss(manifest)
            return None
        try:
            return self._put_back(entry, log)
        except OSError as error:
            self._why.append(f"the stored result cannot be restored: {error}")
            return None
        finally:
            entry.close()

    def _explain_miss(self, now: Manifest) -> None:
        before = self._cache.store.last(self._name) if self._cache.explain else None
        if before is None:
            self._why.append("it has no stored result; only passed checks are stored")
        else:
            self._why += changes(before, now) or ["its result is no longer in the cache"]

    def _put_back(self, entry: Entry, log: Log) -> Mapping[str, Any]:
        """Restore its files and its log."""
        files: list[tuple[str, Path]] = []
        for kept in entry.files:
            target = self._ctx.artifacts / folder_of(self._job.name) / kept.path
            write(target, entry.content(kept), kept.mode, aside=target.with_name(f".{target.name}.new"))
            files.append((kept.path, target))
        if not self._job.contained:
            self._into_source(entry)
        outputs: dict[str, Any] = dict(entry.outputs)
        if files:
            outputs["artifacts"] = [str(file.relative_to(self._ctx.folder)) for _, file in files]
        if entry.log:
            log.restore(entry.log)
        self._cache.passed[self._job.name] = files
        self._why.append("none of its dependencies changed")
        return {**outputs, "cached": True}

    def _into_source(self, entry: Entry) -> None:
        """Restore the files where other checks expect them."""
        last = self._cache.store.made(self._name) if self._check.artifacts else {}
        files = {kept.path: kept for kept in entry.files}
        others = matcher(self._job.beside)
        inner = self._folder.relative_to(self._job.source)
        own = {path: made for path, made in last.items() if not others.match_file(str(inner / path))}
        with self._cache.tree.changing():
            remove_stale(self._folder, own, files.keys())
            for kept in entry.files:
                # The temporary file is in the trial's folder, so a killed run leaves nothing in the source.
                restore(self._folder, kept, entry.content(kept), aside=self._ctx.state / secrets.token_hex(8))
        self._remember_made({path: kept.digest for path, kept in files.items()})

    # Limits of storing

    def _unfit(self, told: Mapping[str, Any], files: Sequence[tuple[str, Path]]) -> str:
        """The reason why a result may not be stored; empty: it may."""
        try:
            text = json.dumps(told, ensure_ascii=False)
            if json.loads(text) != told:
                raise TypeError
        except (TypeError, ValueError):
            return "its outputs are not plain values"
        if self._secret_in(text):
            return "a secret is in its outputs"
        for path, file in files:
            if not self._job.contained and os.path.realpath(self._folder / path) != str(self._folder / path):
                return f"its artifact {path} is a link"
            if self._secret_in(path) or any(map(self._secret_in, _pieces(file))):
                return f"a secret is in its artifact {self._ctx.masked(path)}"
        most = self._cache.limit // 4
        if sum(file.stat().st_size for _, file in files) > most:
            return f"its artifacts are larger than a quarter of the cache ({most} bytes)"
        return ""

    def _secret_in(self, text: str) -> bool:
        """Whether a declared secret is in a text; a URL of an artifact may carry a user's name."""
        return self._ctx.masked(text) != hide_in_urls(text)

    def _look_at_trace(self, file: Path) -> None:
        """Warn of undeclared files that it read."""
        try:
            read = trace.read_in(file, self._job.source, self._folder)
        finally:
            file.unlink(missing_ok=True)
        try:
            declared = self._cache.tree.files(self._check.inputs)
        except CannotTell:
            declared = set()
        missing = trace.undeclared(read, declared, self._check.artifacts, self._folder, self._job.source)
        if not missing:
            return
        globs = ", ".join(trace.globs(missing))
        self._ctx.log(f"{self._job.name} read files outside its inputs; add to `inputs`: {globs}", "warning")
        self._kept_from = f"it read undeclared files: {globs}"
        if self._manifest is not None:
            with suppress(OSError):
                self._cache.store.drop(key_of(self._manifest))
                self._cache.store.drop(self._own_key)

    def _tell(self, taken: bool) -> None:
        if self._cache.explain:
            self._ctx.emit("cache", step=self._ctx.step, taken=taken, why=list(self._why))


def _pieces(file: Path) -> Iterator[str]:
    """A file as text, piece by piece."""
    with file.open("rb") as content:
        before = b""
        while piece := content.read(LOOKED_AT):
            yield (before + piece).decode(errors="replace")
            before = piece[-OVERLAP:]
