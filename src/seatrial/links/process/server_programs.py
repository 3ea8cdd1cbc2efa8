"""Server programs of this host: where they are, and how to start them as another user."""

from __future__ import annotations

import itertools
import os
import pwd
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from seatrial.errors import CannotTell, ToolMissing

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
"""Debian's folders for servers, not on every user's PATH."""

PACKAGES = {
    **dict.fromkeys(("initdb", "postgres", "pg_ctl", "pg_isready", "createdb", "psql"), "postgresql"),
    **dict.fromkeys(("mariadbd", "mysqld", "mysql_install_db"), "mariadb-server"),
    **dict.fromkeys(("redis-server", "redis-cli"), "redis"),
    "memcached": "memcached",
    "rabbitmq-server": "rabbitmq-server",
    "nginx": "nginx",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
}
"""Debian's packages of common services."""


def search_path(folders: Iterable[str]) -> str:
    """PATH for server programs: these folders (of `*` the highest version), then the user's, then those of servers."""
    named, usual = (itertools.chain.from_iterable(map(_newest, patterns)) for patterns in (folders, PLACES))
    return os.pathsep.join([*named, os.environ.get("PATH", os.defpath), *usual])


def argv_of(words: Sequence[str], *, path: str, user: str, keys: str) -> list[str]:
    """The arguments to start a program as a user, if this process may change it. ToolMissing names its package; `keys`:
    the start of the keys `user` and `path` in the document."""
    found = shutil.which(words[0], path=path)
    if found is None:
        package = PACKAGES.get(words[0])
        remedy = f"apt-get install {package} (Debian), or name" if package else "install it, or name"
        raise ToolMissing(
            f"the program {words[0]!r} is not installed: {remedy} its folder in the service's `{keys}path`; "
            f"looked in {path}"
        )
    if not user or os.geteuid():
        return [found, *words[1:]]
    entry = user_of(user, keys)
    ids = ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--init-groups"]
    return ["setpriv", *ids, "--", found, *words[1:]]


def user_of(name: str, keys: str) -> pwd.struct_passwd:
    """A user of this host; CannotTell when it does not exist."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise CannotTell(f"the user {name!r} of the service's `{keys}user` does not exist on this host") from None


def _newest(pattern: str) -> list[str]:
    """The folders for a pattern, the highest version first."""

    def version(folder: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", folder)]

    path = Path(pattern).expanduser()
    found = [str(one) for one in Path(path.anchor).glob(str(path.relative_to(path.anchor)))] if path.anchor else []
    return sorted(found, key=version, reverse=True)
