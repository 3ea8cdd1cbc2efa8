"""CloudStack's API through the `cs` client: paged lists, jobs followed to their end, errors in the cloud's own words.

`cs` blocks, so each request is one short thread. Requests are POSTs, so signatures appear in no URL and no log.
"""

from __future__ import annotations

import asyncio
import copy
import re
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from seatrial.errors import CannotTell, ExtraMissing
from seatrial.spi.concurrency import finish_despite_cancel

if TYPE_CHECKING:
    from cs import CloudStack

PAGE = 500
RETRIES = 4
"""Retries of a query without a valid answer; a command that changes something is sent once."""

PATIENCE = 30
"""Minimum seconds for the answer to a command: CloudStack finishes some commands before it answers."""

NAMES = ("endpoint", "key", "secret", "timeout", "verify", "cert", "cert_key", "dangerous_no_tls_verify", "expiration")
"""Supported settings of the client's configuration."""

CAPACITY = (533, 534, 535)
"""Error codes for a lack of room: no capacity, an unavailable resource, a limit of the account."""


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a listed object."""
    return {str(tag.get("key")): str(tag.get("value")) for tag in thing.get("tags") or ()}


class CloudRefused(CannotTell):
    """CloudStack answered with an error: its code and its words."""

    def __init__(self, message: str, *, code: int = 0, text: str = "") -> None:
        super().__init__(message)
        self.code, self.text = code, text


class NoSuchThing(CloudRefused):
    """The requested object does not exist."""


class NoRoom(CloudRefused):
    """The cloud has no capacity for it, or the account's limit is reached."""


class JobNeverEnded(CannotTell):
    """A job did not end within its deadline; its effect may still come."""


@runtime_checkable
class HoldsAccount(Protocol):
    """A provider with all nodes in one account."""

    async def cloud(self) -> Cloud:
        """The account."""


class Cloud:
    """One account at one endpoint."""

    def __init__(self, client: CloudStack, secret: str) -> None:
        self.endpoint = client.endpoint
        self.secret = secret
        self.project = ""
        """The identifier of the project for all lists; empty: none."""
        self._client = client
        self._patient = copy.copy(client)
        self._patient.timeout = max(client.timeout, PATIENCE)
        # Kept-alive connections end with this object.
        weakref.finalize(self, client.session.close)

    @property
    def scope(self) -> dict[str, Any]:
        """The parameter of commands in the project."""
        return {"projectid": self.project} if self.project else {}

    async def ask(self, command: str, **parameters: Any) -> Mapping[str, Any]:
        """Send a query; retried when CloudStack gives no valid answer."""
        for attempt in range(RETRIES):
            try:
                return await self._call(self._client, command, parameters)
            except CloudRefused:
                raise
            except CannotTell:
                await asyncio.sleep(0.2 * 2**attempt)
        return await self._call(self._client, command, parameters)

    async def list(self, command: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """A whole list, page by page."""
        objects: list[dict[str, Any]] = []
        for page in range(1, 1000):
            answer = await self.ask(command, page=page, pagesize=PAGE, **{**self.scope, **parameters})
            part = list(answer.get(key) or [])
            objects += part
            if not part or (len(part) < PAGE and len(objects) >= int(answer.get("count") or 0)):
                break
        return objects

    async def do(self, command: str, *, deadline: float, **parameters: Any) -> Mapping[str, Any]:
        """Run a command, synchronous or by a job, and return its result. JobNeverEnded after `deadline` seconds."""
        answer = await self.begin(command, **parameters)
        return answer if "jobid" not in answer else await self.job(str(answer["jobid"]), command, deadline=deadline)

    async def begin(self, command: str, **parameters: Any) -> Mapping[str, Any]:
        """Start a command: the answer with `jobid`, and the `id` of the future object."""
        return await self._call(self._patient, command, parameters)

    async def job(self, id: str, command: str, *, deadline: float) -> Mapping[str, Any]:
        """Poll a job until it has ended: its result."""
        pause = 0.05
        try:
            async with asyncio.timeout(deadline):
                while (job := await self.ask("queryAsyncJobResult", jobid=id)).get("jobstatus") == 0:
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.3, 2.0)
        except TimeoutError:
            raise JobNeverEnded(
                f"{command}: CloudStack's job {id} did not end within {deadline:g} s; "
                f"`queryAsyncJobResult jobid={id}` shows its result"
            ) from None
        result = job.get("jobresult") or {}
        if job.get("jobstatus") != 1 or job.get("jobresultcode"):
            raise _refused(command, result if isinstance(result, Mapping) else {"errortext": result})
        return result if isinstance(result, Mapping) else {}

    async def _call(self, client: CloudStack, command: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request. If cancelled, it still waits for the answer: no object may appear after the sweep."""
        request = asyncio.to_thread(self._sent, client, command, dict(parameters))
        return await finish_despite_cancel(request, client.timeout * 2)

    def _sent(self, client: CloudStack, command: str, parameters: dict[str, Any]) -> Mapping[str, Any]:
        import requests
        from cs import CloudStackApiException, CloudStackException

        try:
            answer = getattr(client, command)(**parameters)
        except CloudStackApiException as error:
            raise _refused(command, error.error if isinstance(error.error, Mapping) else {}) from None
        except CloudStackException as error:  # its arguments describe the answer, never the request
            reason = str(error.args[0]) if error.args else ""
            raise CannotTell(f"{command}: the answer of {self.endpoint} is not from CloudStack: {reason}") from None
        except requests.RequestException as error:
            raise CannotTell(f"{command}: {self.endpoint} is unreachable: {_reason(error)}") from None
        return answer if isinstance(answer, Mapping) else {}


def connect(profile: str = "") -> Cloud:
    """The account from the environment (`CLOUDSTACK_…`) or `cloudstack.ini`, as `cs` reads them; `profile`: that
    section of the file. ExtraMissing without `cs`; CannotTell without a configuration."""
    try:
        from cs import CloudStack
        from cs.client import DEFAULT_CONFIG, read_config, read_config_from_ini, strtobool
    except ImportError as error:
        raise ExtraMissing("the client `cs` is not installed: pip install 'seatrial[cloudstack]'") from error
    import configparser

    try:
        settings = {**DEFAULT_CONFIG, **read_config_from_ini(profile)} if profile else read_config()
    except SystemExit as error:
        raise CannotTell(f"CloudStack is not configured: {error}; {REMEDY}") from None
    except configparser.NoSectionError:
        raise CannotTell(f"cloudstack.ini has no section {profile!r}; {REMEDY}") from None
    except (ValueError, configparser.Error) as error:
        raise CannotTell(f"the configuration of CloudStack cannot be read: {type(error).__name__}; {REMEDY}") from None
    if missing := [name for name in ("endpoint", "key", "secret") if not settings.get(name)]:
        raise CannotTell(f"the configuration of CloudStack has no {' and no '.join(missing)}; {REMEDY}")
    given = {name: settings[name] for name in NAMES if settings.get(name) not in (None, "")}
    careless = strtobool(str(given.pop("dangerous_no_tls_verify", "no")))
    headers = settings.get("headers")
    client = CloudStack(**given, method="post", dangerous_no_tls_verify=careless, trace=False, headers=headers)
    return Cloud(client, str(settings["secret"]))


REMEDY = (
    "set CLOUDSTACK_ENDPOINT, CLOUDSTACK_KEY and CLOUDSTACK_SECRET, or write them into ~/.cloudstack.ini; for a "
    'section other than [cloudstack], set `profile = "…"` under [providers.cloudstack] in seatrial.toml'
)


def _refused(command: str, answer: Mapping[str, Any]) -> CloudRefused:
    code, text = int(answer.get("errorcode") or 0), str(answer.get("errortext") or "nothing")
    kind: type[CloudRefused] = CloudRefused
    if "entity does not exist" in text or re.search(r"unable to find .* (by|with) id", text, re.IGNORECASE):
        kind = NoSuchThing
    elif code in CAPACITY or re.search(r"insufficient|no host has capacity|has been exceeded", text, re.IGNORECASE):
        kind = NoRoom
    return kind(f"{command}: CloudStack says ({code}): {text}", code=code, text=text)


def _reason(error: Exception) -> str:
    """Why a request failed, without its address or its content."""
    match = re.search(r"\[Errno \d+\] [^'\")]+|CERTIFICATE_VERIFY_FAILED[^'\")]*|[Rr]ead timed out", str(error))
    return match[0].strip() if match else type(error).__name__
