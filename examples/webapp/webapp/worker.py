"""The worker: `python3 -m webapp.worker` counts the words of notes, and reports its health."""

from __future__ import annotations

import signal
import socket
import threading

from webapp.settings import Settings, settings

EVERY = 0.5
LIVES = 5
"""Seconds for a worker to count as alive after its last report."""


def work(settings: Settings, name: str) -> int:
    """Report this worker as alive, and count the words of new notes; the number of notes."""
    from webapp.database import connect

    with connect(settings) as database:
        database.execute(
            "INSERT INTO workers (name, seen) VALUES (%s, now()) ON CONFLICT (name) DO UPDATE SET seen = now()", [name]
        )
        # Other workers skip this one's notes.
        rows = database.execute(
            "SELECT id, text FROM notes WHERE words IS NULL ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED"
        ).fetchall()
        for number, text in rows:
            database.execute("UPDATE notes SET words = %s WHERE id = %s", [len(text.split()), number])
    return len(rows)


def alive(settings: Settings) -> list[str]:
    """The names of recently seen workers."""
    from webapp.database import connect

    with connect(settings) as database:
        rows = database.execute(
            "SELECT name FROM workers WHERE seen > now() - make_interval(secs => %s) ORDER BY name", [LIVES]
        ).fetchall()
    return [row[0] for row in rows]


def main() -> None:
    """Work until SIGTERM. Without a database there is nothing to do, and it says so."""
    told, ended = settings(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if not told.has_database:
        print("no database is configured: there is nothing to do", flush=True)
    name = socket.gethostname()
    while not ended.wait(EVERY):
        if told.has_database:
            try:
                work(told, name)
            except Exception as error:  # an unreachable database comes back: the worker outlives it
                print(f"the database does not answer: {type(error).__name__}", flush=True)


if __name__ == "__main__":
    main()
