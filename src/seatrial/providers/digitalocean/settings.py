"""The settings of `[providers.digitalocean]`, and the token of the account."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.model.frozen import frozen
from seatrial.providers.clouds.settings import CloudSettings

ENDPOINT = "https://api.digitalocean.com"
VARIABLES = ("DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN")
REMEDY = "set DIGITALOCEAN_ACCESS_TOKEN, or run `doctl auth init`"


@dataclass(frozen=True, kw_only=True)
class DigitalOceanSettings(CloudSettings):
    """Which account, and what droplets are made from. The network is a VPC."""

    context: str = ""
    """The context of doctl with the token; empty: DIGITALOCEAN_ACCESS_TOKEN or DIGITALOCEAN_TOKEN, else doctl's own."""
    region: str = "fra1"
    """The region of the droplets."""
    tags: Sequence[str] = ()
    """More tags of the droplets: a firewall on one of them then applies to them."""


@frozen
class Credentials:
    """A token, and where it comes from."""

    token: str
    endpoint: str
    found: str


def credentials(context: str) -> Credentials:
    """As doctl looks for them; CannotTell without a token."""
    endpoint = os.environ.get("DIGITALOCEAN_API_URL", "").rstrip("/") or ENDPOINT
    for name in VARIABLES:
        if not context and os.environ.get(name):
            return Credentials(token=os.environ[name], endpoint=endpoint, found=name)
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    path = Path(f"{home}/doctl/config.yaml")
    config = _config(path)
    named = context or str(config.get("context") or "default")
    contexts = {"default": config.get("access-token"), **(config.get("auth-contexts") or {})}
    token = str(contexts.get(named) or "")
    if not token:
        known = ", ".join(sorted(name for name, value in contexts.items() if value)) or "none"
        raise CannotTell(f"no token for DigitalOcean in the context {named!r} of {path}: {known}; {REMEDY}")
    return Credentials(token=token, endpoint=endpoint, found=f"the context {named} of {path}")


def _config(path: Path) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CannotTell(f"{path} cannot be read: {type(error).__name__}; {REMEDY}") from None
    return config if isinstance(config, dict) else {}
