"""The settings of `[providers.hetzner]`, and the token of the project."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.model.frozen import frozen
from seatrial.providers.clouds.settings import CloudSettings

ENDPOINT = "https://api.hetzner.cloud/v1"
REMEDY = "set HCLOUD_TOKEN, or make a context with `hcloud context create NAME`"


@dataclass(frozen=True, kw_only=True)
class HetznerSettings(CloudSettings):
    """Which project, and what servers are made from."""

    context: str = ""
    """The context of the hcloud command with the token; empty: HCLOUD_TOKEN, else the active context."""
    location: str = ""
    """The location of the servers, such as `fsn1`; empty: Hetzner chooses."""
    firewall: str = ""
    """A firewall of the project that applies to the servers, by name; empty: none."""
    spread: bool = False
    """Each server of a suite is on another host: a placement group of the suite, for 10 servers at most."""


@frozen
class Credentials:
    """A token, and where it comes from."""

    token: str
    endpoint: str
    found: str


def credentials(context: str) -> Credentials:
    """As the hcloud command looks for them; CannotTell without a token."""
    token, endpoint = os.environ.get("HCLOUD_TOKEN", ""), os.environ.get("HCLOUD_ENDPOINT", "") or ENDPOINT
    if token and not context:
        return Credentials(token=token, endpoint=endpoint, found="HCLOUD_TOKEN")
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    path = Path(os.environ.get("HCLOUD_CONFIG") or f"{home}/hcloud/cli.toml")
    try:
        config = tomllib.loads(path.read_text())
    except FileNotFoundError:
        config = {}
    except (OSError, ValueError) as error:
        raise CannotTell(f"{path} cannot be read: {type(error).__name__}; {REMEDY}") from None
    name = context or os.environ.get("HCLOUD_CONTEXT") or config.get("active_context") or ""
    contexts = {str(one.get("name")): str(one.get("token") or "") for one in config.get("contexts") or ()}
    if context and not contexts.get(context):
        known = ", ".join(sorted(contexts)) or "none"
        raise CannotTell(f"providers.hetzner.context is {context!r}, and {path} has no such token: {known}; {REMEDY}")
    if not contexts.get(name):
        raise CannotTell(f"no token for Hetzner Cloud; {REMEDY}")
    return Credentials(token=contexts[name], endpoint=endpoint, found=f"the context {name} of {path}")
