"""A repository of the server: a real git repository, and GitHub's records about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from seatrial_stand_ins.github import git
from seatrial_stand_ins.github.groups import Groups
from seatrial_stand_ins.github.plants import LateRefs
from seatrial_stand_ins.github.reading import workflow_name
from seatrial_stand_ins.github.records import Deployment, RunRecord, WorkflowRecord, new_id, now

WORKFLOWS = ".github/workflows"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, as read from git."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    name: str
    email: str
    date: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in a tree."""

    path: str
    kind: str
    """`blob`, `tree` or `commit`, as in git."""
    sha: str
    size: int


@dataclass(slots=True, kw_only=True)
class Environment:
    """A target of deployments, with its own secrets and variables."""

    name: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    environment_id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)


@dataclass(slots=True)
class _Hidden:
    """A ref's real value, the time when the server noticed it, and the number of looks since."""

    sha: str
    looks: int
    since: float
    late: LateRefs


@dataclass(slots=True, kw_only=True)
class Repository:
    """`acme/notes`, made by `add_repository`."""

    name: str
    bare: Path
    scratch: Path
    private: bool = True
    default_branch: str = "main"
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    repository_id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)
    runs: list[RunRecord] = field(default_factory=list)
    workflows: dict[str, WorkflowRecord] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    groups: Groups[object] = field(default_factory=Groups)
    lateness: Callable[[], LateRefs | None] = lambda: None
    """Called for each changed ref: how long it keeps its old value; None: not at all."""
    _shown: dict[str, str] = field(default_factory=dict)
    _hidden: dict[str, _Hidden] = field(default_factory=dict)
    _files: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    _commits: dict[str, Commit] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """`acme`."""
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        """`notes`."""
        return self.name.partition("/")[2]

    def environment(self, name: str) -> Environment:
        """An environment; as on GitHub, naming it creates it."""
        return self.environments.setdefault(name, Environment(name=name))

    def commit(self, files: Mapping[str, str | None], *, message: str = "A change", branch: str = "") -> str:
        """Commit files (None: delete it) on top of a branch, like a push; returns the new sha. Blocks."""
        scratch = self.scratch / f"work-{new_id()}"
        return git.commit(self.bare, branch or self.default_branch, files, message, scratch)

    async def refs(self, *, look: bool = True) -> Mapping[str, str]:
        """Every visible branch and tag to its commit, by its full name; `look`: count this as a look at the refs."""
        true = {}
        format_ = "--format=%(refname) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
        for line in (
            (await git.call(self.bare, "for-each-ref", format_, "refs/heads", "refs/tags")).decode().split("\n")
        ):
            name, _, sha = line.partition(" ")
            if name:
                true[name] = sha
        self._look(true, 1 if look else 0)
        return dict(self._shown)

    def _look(self, true: Mapping[str, str], counts: int) -> None:
        now_ = time.monotonic()
        shown = {name: sha for name, sha in self._shown.items() if name in true}
        changed = {}
        for name, sha in true.items():
            if shown.get(name) == sha:
                continue
            hidden = self._hidden.get(name)
            if hidden is None or hidden.sha != sha:
                late = self.lateness()
                hidden = _Hidden(sha, 0, now_, late) if late is not None else None
            if hidden is None or (hidden.looks >= hidden.late.looks and now_ - hidden.since >= hidden.late.seconds):
                shown[name] = sha
            else:
                hidden.looks += counts
                changed[name] = hidden
        self._shown, self._hidden = shown, changed

    async def resolve(self, ref: str) -> str | None:
        """The commit of a branch, a tag, a full ref or a sha, as far as it is visible."""
        refs = await self.refs()
        for name in (ref, f"refs/{ref}", f"refs/heads/{ref}", f"refs/tags/{ref}"):
            if name in refs:
                return refs[name]
        if ref == "HEAD":
            return refs.get(f"refs/heads/{self.default_branch}")
        if len(ref) < 7 or not all(char in "0123456789abcdef" for char in ref):
            return None
        try:
            sha = (await git.call(self.bare, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")).decode().strip()
        except git.GitFailed:
            return None
        return None if self._hidden and sha in await self._unseen() else sha

    async def _unseen(self) -> set[str]:
        tips = [hidden.sha for hidden in self._hidden.values()]
        listed = await git.call(self.bare, "rev-list", *tips, "--not", *self._shown.values())
        return set(listed.decode().split())

    async def read(self, sha: str, path: str) -> bytes | None:
        """A file at a commit; None: it does not exist."""
        if (sha, path) not in self._files:
            try:
                self._files[sha, path] = await git.call(self.bare, "cat-file", "blob", f"{sha}:{path}")
            except git.GitFailed:
                self._files[sha, path] = None
        return self._files[sha, path]

    async def entries(self, sha: str, path: str) -> list[Entry] | None:
        """The entries of a folder, or the one file at the path; None: the path does not exist."""
        try:
            inside = await git.call(self.bare, "ls-tree", "-l", "-z", f"{sha}:{path}")
            under = f"{path}/" if path else ""
        except git.GitFailed:
            inside, under = await git.call(self.bare, "ls-tree", "-l", "-z", sha, path), ""
        found = []
        for line in inside.decode().split("\0"):
            about, _, name = line.partition("\t")
            if name:
                _, kind, blob, size = about.split()
                found.append(Entry(under + name, kind, blob, 0 if size == "-" else int(size)))
        return found or None

    async def about(self, sha: str) -> Commit:
        """A commit, as read from git."""
        if sha not in self._commits:
            said = await git.call(self.bare, "show", "-s", "--format=%T%n%P%n%an%n%ae%n%at%n%B", sha)
            tree, parents, name, email, date, message = said.decode().split("\n", 5)
            when = datetime.fromtimestamp(int(date), UTC)
            self._commits[sha] = Commit(sha, tree, tuple(parents.split()), name, email, when, message.strip("\n"))
        return self._commits[sha]

    async def history(self, sha: str, path: str = "") -> list[str]:
        """The commits from this one back, newest first; with a path, only its own."""
        limits = ["--", path] if path else []
        return (await git.call(self.bare, "rev-list", sha, *limits)).decode().split()

    async def listed_workflows(self) -> list[WorkflowRecord]:
        """The workflows of the default branch, and removed ones with runs."""
        refs = await self.refs(look=False)
        sha = refs.get(f"refs/heads/{self.default_branch}")
        files = await self.entries(sha, WORKFLOWS) if sha else None
        there = set()
        for entry in files or []:
            if entry.kind == "blob" and entry.path.endswith((".yml", ".yaml")) and sha:
                there.add(entry.path)
                text = (await self.read(sha, entry.path) or b"").decode(errors="replace")
                known = self.workflows.setdefault(entry.path, WorkflowRecord(path=entry.path, name=entry.path))
                known.name = workflow_name(text, entry.path)
                known.state = "active" if known.state == "deleted" else known.state
        for path, known in self.workflows.items():
            if path not in there:
                known.state = "deleted"
        return [known for known in self.workflows.values() if known.state != "deleted" or known.runs]

    async def workflow(self, wanted: str) -> WorkflowRecord | None:
        """A workflow by its number or the name of its file."""
        for known in await self.listed_workflows():
            if wanted == str(known.workflow_id) or wanted == known.path.rpartition("/")[2]:
                return known
        return None
