"""The auditor of a Git server whose list of activities comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from tests.checks.fakes import FakeContext

from seatrial.links.gitea import Gitea, Listed
from seatrial.links.gitea.contamination import GiteaAuditor
from seatrial.spi import Context
from seatrial.spi.output import LOG

PUSHED = "==> git push\nTo http://127.0.0.1:3000/anna/shared.git\n * [new branch] main -> main\n"


@dataclass(slots=True)
class Late(Gitea):
    """A server with one repository, which shows a push to it from the given look at its activities on."""

    shows_at: int = 1
    looks: list[str] = field(default_factory=list)

    async def pages(self, path: str, key: str = "", **query: object) -> list[Mapping[str, Any]]:
        updated = "2026-01-01T00:01:00Z" if len(self.looks) >= self.shows_at else "2025-01-01T00:00:00Z"
        home = {"id": 1, "full_name": "anna/shared", "html_url": "", "description": "", "updated_at": updated}
        return [{**home, "created_at": "2025-01-01T00:00:00Z"}]

    async def get(self, path: str, **query: object) -> Any:
        self.looks.append(path)
        row = {"op_type": "commit_repo", "created": "2026-01-01T00:01:00Z", "act_user": {"login": "anna"}}
        return [row] if len(self.looks) >= self.shows_at else []


class Telling(FakeContext):
    """A context that keeps what is logged."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.told = folder, list[str]()

    def log(self, text: str, level: str = "info") -> None:
        self.told.append(text)


@pytest.mark.parametrize(("output", "found"), [
    (PUSHED, ["changed"]),
    (PUSHED.replace("127.0.0.1", "git.example"), []),
    (PUSHED.replace("shared", "shared2"), []),
    ("==> git push\nTo nobody\n", []),
])  # fmt: skip
def test_a_push_that_the_output_tells_of_is_waited_for(
    output: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.links.gitea.contamination.LAG", 0)
    (tmp_path / LOG).write_text(output)
    server = Late("http://127.0.0.1:3000", shows_at=4)
    auditor = GiteaAuditor(server, "t1", since=1767225600.0)
    assert [one.change for one in asyncio.run(auditor.findings(cast("Context", Telling(tmp_path))))] == found


REFUSED = f"{PUSHED}error: failed to push some refs to 'http://127.0.0.1:3000/anna/shared.git'\n"


@pytest.mark.parametrize(("output", "found"), [
    (PUSHED, [("changed", "perhaps")]),
    (REFUSED, []),
    (REFUSED + PUSHED, [("changed", "perhaps")]),
])  # fmt: skip
def test_a_push_that_the_server_took_and_never_shows_is_a_doubt(
    output: str, found: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.links.gitea.contamination.LAG", 0)
    monkeypatch.setattr("seatrial.links.gitea.contamination.CATCHES_UP", 0)
    (tmp_path / LOG).write_text(output)
    auditor = GiteaAuditor(Late("http://127.0.0.1:3000", shows_at=100), "t1", since=1767225600.0)
    findings = asyncio.run(auditor.findings(cast("Context", Telling(tmp_path))))
    assert [(one.change, one.blame.value) for one in findings] == found


@pytest.mark.parametrize(("before", "found"), [(["anna/shared"], []), ([], ["made"])])
def test_what_was_there_in_the_first_second_was_not_made_by_the_trial(
    before: list[str], found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server tells whole seconds."""
    monkeypatch.setattr("seatrial.links.gitea.contamination.LAG", 0)
    (tmp_path / LOG).write_text("")

    async def look() -> list[str]:
        server = Late("http://127.0.0.1:3000", shows_at=100)

        async def listed() -> list[Listed]:
            return [one for one in await server.repositories() if one.name in before]

        since = datetime.fromisoformat("2025-01-01T00:00:00Z").timestamp()
        auditor = GiteaAuditor(server, "t1", since, asyncio.create_task(listed()))
        findings = await auditor.findings(cast("Context", Telling(tmp_path)))
        await auditor.close()
        return [one.change for one in findings]

    assert asyncio.run(look()) == found
