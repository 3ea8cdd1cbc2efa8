"""Values on their way in and out: environment variables, and errors as text. A variable that holds a secret is a
secret of the engine, in no layer and in no trace."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Container, Mapping
from typing import Any

from seatrial.links.dagger import without_trace
from seatrial.links.dagger.session import Session
from seatrial.links.paths import cache_folder, write_once
from seatrial.spi import Context


def with_variables(
    ctx: Context, session: Session, container: Any, variables: Mapping[str, str], hidden: Container[str] = ()
) -> Any:
    """The container with these variables; those in `hidden` are secrets, however short."""
    for name, value in sorted(variables.items()):
        if name not in hidden and ctx.masked(value) == value:
            container = container.with_env_variable(name, value)
        else:
            container = container.with_secret_variable(name, secret(session, name, value))
    return container


def secret(session: Session, name: str, value: str) -> Any:
    """A secret of the engine. It tells secrets apart by name, not by value: a changed value needs another name."""
    return session.client.set_secret(f"{name}-{_mark(value)}", value)


def plain(ctx: Context, error: Exception) -> str:
    """What the engine says, without the number of its trace."""
    return ctx.masked(without_trace(str(error)))


def _mark(value: str) -> str:
    """A mark of a value, from which nobody can guess it; the same in every run of this user."""
    folder = cache_folder("dagger")
    salt = write_once(folder / "salt", secrets.token_bytes(32), folder / f".{secrets.token_hex(8)}")
    return hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=salt, digest_size=10).hexdigest()
