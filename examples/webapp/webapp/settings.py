"""The app's settings, from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Read once, when a process starts."""

    storage: Path
    """The folder of uploads, and of notes when there is no database."""
    host: str = ""
    """Of PostgreSQL; empty: there is none."""
    port: int = 5432
    user: str = "webapp"
    database: str = "webapp"
    password: str = field(default="", repr=False)
    version: str = "development"

    @property
    def has_database(self) -> bool:
        """Whether one is configured; not whether it answers."""
        return bool(self.host)

    def connection(self) -> dict[str, Any]:
        """The arguments for psycopg. It waits at most 3 s for a silent database."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "dbname": self.database,
            "password": self.password,
            "connect_timeout": 3,
            "application_name": f"webapp {self.version}",
        }


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a process."""
    return Settings(
        storage=Path(environment.get("STORAGE") or "storage"),
        host=environment.get("POSTGRES_HOST", "").strip(),
        port=int(environment.get("POSTGRES_PORT") or 5432),
        user=environment.get("POSTGRES_USER") or "webapp",
        database=environment.get("POSTGRES_DB") or "webapp",
        password=environment.get("POSTGRES_PASSWORD", ""),
        version=environment.get("KAMAL_VERSION") or "development",
    )
