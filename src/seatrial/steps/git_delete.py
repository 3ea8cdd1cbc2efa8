"""`git_delete`: remove a repository of this trial before its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from seatrial.errors import UsageError
from seatrial.links.gitea import Gitea
from seatrial.links.gitea.place import OfRepository, wrong_server
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.steps.git_repository import KIND, OWNER


@step("git_delete")
@dataclass(frozen=True, kw_only=True)
class GitDelete(OfRepository):
    """Remove a repository that `git_repository` made in this trial, before the trial's end: a fault for your product.
    No other repository is ever removed."""

    decides: ClassVar[bool] = False

    server: str = ""
    """The server's URL, as in `git_repository`; default: $E2E_GITEA_API_URL."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_name()
        yield from wrong_server(self.server)

    async def run(self, ctx: Context) -> None:
        """CannotTell when the server does not answer, or refuses it."""
        place = Gitea(self.server or ctx.environment()["E2E_GITEA_API_URL"]).place
        entry = f"{place}/{self.repository}"
        if not ctx.holds(KIND, entry, owner=OWNER):
            raise UsageError(
                f"this trial has no repository {self.repository} at {place}: no step `git_repository` made it"
            )
        await ctx.give_back(KIND, entry)
