"""Whether a repository has a branch, a file with the right content, and a commit of the right signer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from seatrial.checks.content import held, holds, shown, unreadable
from seatrial.expressions.text import uses
from seatrial.links.git.place import AtRepository
from seatrial.links.git.remote import Fetched, is_path
from seatrial.model import json_text
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.model.values import Expression, Timeout
from seatrial.registry import check
from seatrial.spi import Context


@check("git")
@dataclass(frozen=True, kw_only=True)
class Git(AtRepository):
    """A repository, over HTTP, SSH or in a folder, has a branch and a file as expected:
    `git:https://git.example.org/acme/notes.git`."""

    expression_names: ClassVar[tuple[str, ...]] = ("content", "json", "commit")

    branch: str = ""
    """The branch; default: the default branch."""
    path: str = ""
    """A file in it."""
    exists: bool = True
    """Whether the file, or else the branch, must exist."""
    contains: str | tuple[str, ...] = ()
    """A text, or a list of texts, required in the file."""
    lacks: str | tuple[str, ...] = ()
    """A text, or a list of texts, forbidden in the file."""
    that: Expression = Expression("")
    """CEL over `content` (of the file), `json` (the same, if it is JSON), `commit` (the newest one: `sha`, `author`,
    `email`, `time`, `message`)."""
    signers: str = ""
    """A file like git's `allowedSignersFile`, relative to the document: one of them must have signed the commit with an
    SSH key."""
    timeout: Timeout = Timeout(30.0)
    """Time limit for each call of git."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        if not rest.startswith(":") or not rest[1:].strip():
            raise ValueError("missing URL; allowed: git:URL, like git:https://git.example.org/acme/notes.git")
        return {"url": rest[1:].strip()}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_repository()
        if self.path and not is_path(self.path):
            yield "path", "invalid path; allowed: FOLDER/FILE from the top of the repository"
        if self.branch.startswith("-"):
            yield "branch", "invalid branch"
        if not self.path:
            for key in ("contains", "lacks"):
                if getattr(self, key):
                    yield key, f"`{key}` is for a file: give its `path`"
        if not self.exists:
            for key in ("contains", "lacks", "that", "signers"):
                if getattr(self, key):
                    yield key, f"`{key}` cannot be used with `exists: false`"

    def asks_others(self, ctx: Context) -> bool:
        return not self.url.startswith(("/", "file://"))

    async def observe(self, ctx: Context) -> Observation:
        remote = self.remote(ctx)
        named = f"branch {self.branch}" if self.branch else "the default branch"
        if not await remote.head(self.branch):
            wanted = self.exists or bool(self.path)
            return (failed if wanted else passed)(f"no {named}", self._expected(), f"{remote.bare_url} has no {named}")
        if not self.exists and not self.path:
            return failed(named, self._expected(), f"{remote.bare_url} has {named}")
        async with remote.fetched(self.branch) as fetched:
            return await self._judged(ctx, fetched)

    def _expected(self) -> str:
        what = self.path or (f"branch {self.branch}" if self.branch else "a default branch")
        return what if self.exists else f"no {what}"

    async def _judged(self, ctx: Context, fetched: Fetched) -> Observation:
        commit = await fetched.commit()
        if self.signers and (wrong := await self._unsigned(ctx, fetched, commit.sha)):
            return wrong
        data = await fetched.file(self.path) if self.path else b""
        if data is None or not self.exists:
            seen, wanted = f"no {self.path}" if data is None else self.path, self._expected()
            why = f"commit {commit.sha[:12]} has {seen}"
            return (failed if (data is None) is self.exists else passed)(seen, wanted, why)
        text = data.decode("utf-8", errors="replace")
        wrong = held(ctx, text, self.contains, self.lacks, self.path) if self.path else None
        if wrong is not None:
            return wrong
        seen = shown(ctx, text) if self.path else commit.sha
        if not self.that:
            return passed(seen, self._expected())
        if uses(self.that, "content") and (why := unreadable(text)):
            return unknown(f"{self.path} cannot be read: {why}", self.that)
        parsed: object = None
        try:
            parsed = json_text.loads(text)
        except ValueError as error:
            if uses(self.that, "json"):
                why = f"{self.path or 'the content'} is not JSON ({error}), and `that` uses it"
                return unknown(why, self.that, seen)
        return await holds(ctx, self.that, seen, content=text, json=parsed, commit=asdict(commit))

    async def _unsigned(self, ctx: Context, fetched: Fetched, sha: str) -> Observation | None:
        signers = ctx.document_folder / self.signers
        if not signers.is_file():
            return unknown(f"the file of signers {self.signers} does not exist", "a signature")
        kind = await fetched.signature()
        if kind != "ssh":
            how = "is signed, but not by an SSH key" if kind else "is not signed"
            return failed(
                "another signature" if kind else "no signature", "a signature of a signer", f"commit {sha[:12]} {how}"
            )
        why = await fetched.distrust(signers)
        return failed("another signature", "a signature of a signer", f"commit {sha[:12]}: {why}") if why else None
