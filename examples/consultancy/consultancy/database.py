"""One variable says where the database is: `postgresql://user:password@host:port/name`."""

from typing import Any
from urllib.parse import unquote, urlsplit


def database_of(url: str) -> dict[str, Any]:
    """Django's settings of a database, from its URL."""
    if url == "sqlite://:memory:":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    where = urlsplit(url)
    if where.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"DATABASE_URL: {where.scheme}:// is no database that this project knows")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(where.path.lstrip("/")),
        "USER": unquote(where.username or ""),
        "PASSWORD": unquote(where.password or ""),
        "HOST": where.hostname or "",
        "PORT": where.port or 5432,
        "OPTIONS": {"connect_timeout": 10},
    }
