"""The journal: every event goes to `events.jsonl` first, then to the reporters."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.model.event import Event
from seatrial.spi import Reporter

MASK = "***"

LONG = 8
"""Minimum length for a search across line ends: shorter secrets would match by accident."""

_BREAK = re.compile(r"(?:\r?\n|(?:\\r)?\\n)[ \t]*")
"""The end of a line, as it is or as JSON spells it, and the indent of the next."""

_STYLE = re.compile(
    r"(?:\x1b|\\u001[bB]|\\x1[bB]|\\033)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\|\\u0007)|[@-Z^_])"
)
"""Terminal escapes (colours and the like), raw or as JSON and shells spell them."""

_encoder = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False, allow_nan=False
)

_OURS = {
    "step", "type", "status", "verdict", "category", "op", "state", "level", "attempts", "exit_code", "interrupted",
}  # fmt: skip
"""Event data with Seatrial's own words: a secret equal to one of them must not break the results."""


class Journal:
    """Writes events and hands them on; after a failed write no verdict is green."""

    def __init__(self, file: Path, run: str, reporters: Sequence[Reporter]) -> None:
        self.run = run
        self.trouble = ""
        """Why events or reports could not be written; empty: no failure."""
        self.broken = ""
        """Why the journal itself cannot be written; no step begins after that."""
        self._reporters = list(reporters)
        self._masks: list[str] = []
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._loop = asyncio.get_running_loop()
        # Read the wall clock once. From here on the loop's clock counts, even a virtual one.
        self._epoch = time.time() - self._loop.time()

    def now(self) -> float:
        """Seconds since 1970 by the loop's clock."""
        return self._epoch + self._loop.time()

    def mask(self, secret: str) -> None:
        """Mask this text, and its JSON and base64 spellings, in all later output."""
        if len(secret) < 3:
            return
        # The longest first: a secret may be a part of another.
        self._masks = sorted({*self._masks, *_spellings(secret)}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """The text with every secret masked, even across line ends or with colours inside."""
        for secret in self._masks:
            text = text.replace(secret, MASK)
        if not self._masks:
            return text
        # Reports drop colours: a secret split by them would be whole there.
        plain = _STYLE.sub("", text)
        if plain != text:
            text = self._joined(text, plain, _STYLE.pattern, 0)
        if "\n" in text or "\\n" in text:
            between = f"{_BREAK.pattern}|{_STYLE.pattern}"
            text = self._joined(text, re.sub(between, "", text), between, LONG)
        return text

    def _joined(self, text: str, joined: str, between: str, least: int) -> str:
        """The text without secrets that appear once `between` is removed from between their characters."""
        for secret in self._masks:
            if len(secret) >= least and secret in joined:
                text = re.sub(f"(?:{between})*".join(map(re.escape, secret)), MASK, text)
        return text

    def emit(self, kind: str, trial: str, data: dict[str, object]) -> None:
        """Write an event, then hand it to the reporters."""
        at = round(self.now(), 6)
        if self._masks:
            data = {name: value if name in _OURS else self._hidden(value) for name, value in data.items()}
        self._write(_line({"kind": kind, "at": at, "run": self.run, "trial": trial, "data": data}))
        event = Event(kind, at, self.run, trial, data)
        complaints = []
        for reporter in tuple(self._reporters):
            try:
                reporter.on(event)
            except BaseException as error:
                self._reporters.remove(reporter)
                complaints.append(f"the reporter {type(reporter).__name__} failed: {type(error).__name__}: {error}")
        # Last, so that every reporter has the events in the order of the file.
        for complaint in complaints:
            self.complain(complaint)

    def _hidden(self, value: object) -> object:
        """A JSON value with every secret masked, in keys and numbers too."""
        if isinstance(value, str):
            return self.masked(value)
        if isinstance(value, Mapping):
            return {self.masked(str(key)): self._hidden(one) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._hidden(one) for one in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return MASK if str(value) in self._masks else value
        return self.masked(str(value))

    def complain(self, trouble: str) -> None:
        """Remember a failure of Seatrial itself: the run cannot pass any more."""
        if not self.trouble:
            self.trouble = trouble
        self.emit("log", "", {"level": "error", "text": trouble})

    def close(self) -> None:
        """Let the reporters finish."""
        for reporter in self._reporters:
            try:
                reporter.close()
            except BaseException as error:
                name = type(reporter).__name__
                self.trouble = self.trouble or f"a report could not be written: {name}: {type(error).__name__}: {error}"
        os.close(self._file)

    def _write(self, line: str) -> None:
        if self.broken:
            return
        rest = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self.trouble = self.broken = f"the journal cannot be written: {error.strerror}"


def _line(record: dict[str, object]) -> str:
    try:
        return _encoder.encode(record)
    except (ValueError, TypeError, RecursionError):
        # A plugin's value without a JSON form: an approximate text is better than none.
        return _encoder.encode(_sayable(record))


def _sayable(value: object, depth: int = 0) -> object:
    if depth > 20:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _sayable(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(one, depth + 1) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        return str(value)
    except Exception as error:
        return f"a {type(value).__name__} without a text form: {type(error).__name__}"


def _spellings(secret: str) -> set[str]:
    """A secret as it may appear in texts: plain, line by line, in JSON, in a URL, in HTML, as a shell or Python shows
    it, in base64 at any offset."""
    import base64
    import html
    from urllib.parse import quote, quote_plus

    found = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    page = html.escape(secret)
    found |= {html.escape(secret, quote=False), page, page.replace("&#x27;", "&#39;"), page.replace("&#x27;", "'"),
              page.replace("&#x27;", "&apos;"), page.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}  # fmt: skip
    raw = secret.encode("utf-8", "surrogateescape")
    found |= {repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1], json.dumps(json.dumps(secret))[3:-3]}
    # `sh -x` and the like.
    found |= {secret.replace("'", quoted) for quoted in ("'\\''", "'\"'\"'")}
    for before in range(3):
        # Only the characters determined by the secret's own bits.
        whole = base64.b64encode(b"\0" * before + raw).decode()
        core = whole[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
        if before == 0 or len(core) >= 8:
            found |= {core, core.replace("+", "-").replace("/", "_")}
    stripped = {secret.strip(), *(line.strip() for line in secret.splitlines() if len(line.strip()) >= 8)}
    return {one for one in found | stripped if len(one) >= 3}


def read(file: Path) -> list[Event]:
    """Read a journal; an invalid line is left out."""
    with file.open("rb") as lines:
        return list(filter(None, map(event_of, lines)))


def event_of(line: bytes) -> Event | None:
    """The event in a line of a journal; None if a crash or a full disk damaged it."""
    try:
        record = json.loads(line)
        return Event(record["kind"], record["at"], record["run"], record["trial"], record["data"])
    except (ValueError, KeyError, TypeError):
        return None
