"""Secrets in text: every spelling of a known secret, and passwords in URLs, become `***`.

A character may be written in several ways (JSON, URLs, HTML, shells, SQL), so a secret is searched for as a sequence of
alternatives. A plain search for its longest word comes first: most texts cost one look.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from html.entities import codepoint2name

MASK = "***"

SHORTEST = 3
"""Minimum length of a secret: a shorter one would mask parts of ordinary words."""

LONG = 8
"""Minimum length for a search across line ends: shorter secrets would match by accident."""

PIECE = 128
"""Length of the pieces of a long secret: a pattern of thousands of characters would take seconds to build."""

PART = 4
"""Minimum number of letters and digits of an incomplete secret at a cut."""

CUT = 180
"""Minimum length of a text to search for an incomplete secret at its ends; names and ids are shorter."""

_BREAK = r"(?:\r?\n|(?:\\+r)?\\+n)[ \t]*"
"""The end of a line, as it is or as JSON spells it, and the indent of the next."""

_STYLE = (
    r"(?:\x1b|\\u001[bB]|\\x1[bB]|\\033)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\|\\u0007)|[@-Z^_])"
)
"""Terminal escapes (colours and the like), raw or as JSON and shells spell them."""

_STYLES = re.compile(_STYLE)
_BETWEEN = re.compile(f"{_BREAK}|{_STYLE}")

_MARK = re.compile(r"…(?: ?\([^()\n]*\))?\n?|\n?\[\.\.\. \d+ bytes left out \.\.\.\]\n?|\.\.\.")
"""The words in place of text that was cut."""

_USERINFO = re.compile(r"(?i)([a-z][a-z0-9+.-]*:(?:\\*/){2})([^\s/?#\"'<>\\]*)@(?=[^\s@])")
_QUERY = re.compile(
    r"(?i)((?:[?&#;]|\\+u0026|%26|%3f)(?:amp;)?[\w.\[\]-]*?"
    r"(?:passw(?:or)?d\w*|passphrase|pwd|secret|token|credentials?|signature|(?<=[?&#;])(?:sig|key|auth|jwt|pass)"
    r"|(?:api|access|private|account|shared|auth|secret)[_-]?key)\]?(?:=|%3d))"
    r"(?:[^&#;\s\"'<>\\%:,.)]|[:,.)](?=[^&#;\s\"'<>\\])|%(?!26)[0-9a-f]{2})+"
)
_HEX_NOISE = str.maketrans("", "", " :,-%\\x\r\n\t")


class Masks:
    """The secrets of a run; `hide` is the way of every text out of the process."""

    def __init__(self) -> None:
        self._words: dict[str, _Word] = {}
        self._whole: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._words)

    def add(self, secret: str) -> bool:
        """Hide this text from now on, in all its spellings; False if it is too short for that."""
        if len(secret) < SHORTEST:
            return False
        if secret not in self._whole:
            self._whole.append(secret)
            known = {**self._words, **{text: _Word(text, hex) for text, hex in _forms(secret)}}
            # The longest first: a secret may be a part of another.
            self._words = dict(sorted(known.items(), key=lambda item: len(item[0]), reverse=True))
        return True

    def hide(self, text: str) -> str:
        """The text with every secret masked, even across line ends or with colours inside; passwords of URLs too."""
        text = hide_in_urls(text)
        if not self._words:
            return text
        reading = _Reading(text)
        for word in self._words.values():
            text = word.hide(text, reading)
        return self._without_parts(text)

    def hide_all(self, value: object) -> object:
        """A JSON value with every secret masked, in keys and numbers too."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hide_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.hide_all(item) for item in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return MASK if self.hide(str(value)) == MASK else value
        return self.hide(str(value))

    def occurs_in(self, data: bytes) -> bool:
        """Whether a secret may be in these bytes: a quick look before the search."""
        joined = data.translate(None, b" \t\r\n")
        plain = joined.lower().translate(None, b":,-%\\x")
        return any(
            word.needle.encode() in (plain if word.hex else joined) or not word.needle for word in self._words.values()
        )

    def _without_parts(self, text: str) -> str:
        """The text without incomplete secrets at its ends and beside marks of a cut."""
        marks = list(_MARK.finditer(text)) if "…" in text or "..." in text else []
        if not marks and len(text) < CUT:
            return text
        pieces, at = [], 0
        for mark in [*marks, None]:
            piece = text[at : mark.start() if mark else len(text)]
            for secret in self._whole:
                if at or len(text) >= CUT:
                    piece = _without_end_of(secret, piece)
                if mark or len(text) >= CUT:
                    piece = _without_beginning_of(secret, piece)
            pieces += [piece, mark.group() if mark else ""]
            at = mark.end() if mark else at
        return "".join(pieces)


class _Reading:
    """A text as the searches see it, worked out when the first of them needs it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.styled = _STYLES.search(text) is not None
        self.broken = "\n" in text or "\\n" in text

    @cached_property
    def joined(self) -> str:
        """Without ends of lines and colours."""
        return _BETWEEN.sub("", self.text)

    @cached_property
    def plain(self) -> str:
        """Without the signs between hexadecimal numbers."""
        return self.text.lower().translate(_HEX_NOISE)


class _Word:
    """One text to hide: a secret, a line of it, or its base64 or hexadecimal form."""

    def __init__(self, text: str, hex: bool) -> None:
        self.text, self.hex = text, hex
        self.needle = text if hex else max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")
        """Part of every spelling."""

    def hide(self, text: str, reading: _Reading) -> str:
        if self.hex:
            return self._hexadecimal.sub(MASK, text) if self.needle in reading.plain else text
        if self.needle in reading.text:
            text = self._spelled.sub(MASK, text)
        across = reading.broken and len(self.text) >= LONG
        if (across or reading.styled) and self.needle in reading.joined:
            text = (self._across if across else self._styled).sub(MASK, text)
        return text

    @cached_property
    def _spelled(self) -> re.Pattern[str]:
        return re.compile("".join(map(_spellings, self.text)))

    @cached_property
    def _across(self) -> re.Pattern[str]:
        return re.compile(f"(?:{_BETWEEN.pattern})*".join(map(_spellings, self.text)))

    @cached_property
    def _styled(self) -> re.Pattern[str]:
        return re.compile(f"(?:{_STYLE})*".join(map(_spellings, self.text)))

    @cached_property
    def _hexadecimal(self) -> re.Pattern[str]:
        digits = [f"[{c}{c.upper()}]" if c.isalpha() else c for c in self.text]
        pairs = [first + second for first, second in zip(digits[::2], digits[1::2], strict=True)]
        return re.compile(r"(?:[\s:,%-]|\\+x|0x)*".join(pairs))


@lru_cache(maxsize=512)
def _spellings(character: str) -> str:
    """A pattern of every way to write a character: plain, doubled, and escaped as in JSON, C, shells, URLs, HTML."""
    if character.isascii() and character.isalnum():
        return character
    code, plain = ord(character), re.escape(character)
    raw = character.encode("utf-8", "surrogateescape") if not 0xD800 <= code < 0xDC80 else b"?"
    units = character.encode("utf-16-be", "surrogatepass").hex()
    name = codepoint2name.get(code, "apos" if character == "'" else f"#{code}")
    ways = [
        rf"\\*{plain}{{1,2}}",  # `\/`, `\"`, and `''` of SQL and YAML
        "".join(rf"\\+u{_cased(units[at : at + 4])}" for at in range(0, len(units), 4)),
        "".join(rf"\\+x{_cased(f'{byte:02x}')}" for byte in raw),
        rf"\\+x{_cased(f'{code:02x}')}",
        "".join(rf"\\+{byte:03o}" for byte in raw),
        "".join(rf"%(?:25)*{_cased(f'{byte:02x}')}" for byte in raw),
        rf"&(?:amp;)*(?:{name}|#0*{code}|#[xX]0*{_cased(f'{code:x}')});",
    ]
    ways += {
        " ": [r"\+"],
        "'": [r"'\\+''", "'\"'\"'"],
        "\\": [r"\\+"],
        "\t": [r"\\+t"],
        "\r": [r"\\+r", ""],
        "\n": [r"(?:\r?\n|(?:\\+r)?\\+n| )[ \t]*", ""],
    }.get(character, [] if character.isascii() else ["\ufffd+", r"\?+"])
    return f"(?:{'|'.join(ways)})"


def _cased(digits: str) -> str:
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in digits)


def _forms(secret: str) -> list[tuple[str, bool]]:
    """A secret, its lines, its base64 at each offset, and its hexadecimal digits (True)."""
    lines = [line.strip() for line in secret.splitlines() if line.strip()]
    texts = [line for line in lines if len(line) >= LONG]
    if len(texts) < max(len(lines), 2):  # short lines are known by their neighbours alone
        texts += [secret, secret.strip()]
    raw = secret.encode("utf-8", "surrogateescape")
    for before in range(3):
        # Only the characters determined by the secret's own bits.
        whole = base64.b64encode(b"\0" * before + raw).decode()
        core = whole[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
        if before == 0 or len(core) >= 6:
            texts += [core, core.replace("+", "-").replace("/", "_")]
    forms = [(piece, False) for text in texts if len(text) >= SHORTEST for piece in _pieces(text)]
    return [*forms, *((piece, True) for piece in _pieces(raw.hex()))] if len(raw) >= PART else forms


def _pieces(text: str) -> list[str]:
    """A text of moderate length as it is; a longer one, such as a key of many lines, in pieces of this length."""
    if len(text) < 2 * PIECE:
        return [text]
    count = len(text) // PIECE
    return [text[at * PIECE : (at + 1) * PIECE if at < count - 1 else None] for at in range(count)]


def hide_in_urls(text: str) -> str:
    """The text without the user and password of each URL, and without values named like a secret in a query."""
    if "@" in text:
        text = _USERINFO.sub(_without_userinfo, text)
    return _QUERY.sub(rf"\g<1>{MASK}", text) if "=" in text or "%3" in text else text


def _without_userinfo(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    # The user alone of an SSH address is how to reach a machine, as in `ssh://root@127.0.0.1:2222`.
    alone = re.match(r"(?i)(?:git\+)?s(?:sh|ftp):", scheme) and not re.search(r"(?i):|%3a", user)
    return found.group() if alone else f"{scheme}{MASK}@"


def _without_beginning_of(secret: str, piece: str) -> str:
    """A text without the beginning of a secret at its end."""
    kept = piece.rstrip("'\"`)]} \n")
    if secret[:PART] in kept[-len(secret) :]:
        for size in range(min(len(secret), len(kept)), PART - 1, -1):
            if kept.endswith(secret[:size]) and _telling(secret[:size]):
                return kept[:-size] + MASK + piece[len(kept) :]
    return piece


def _without_end_of(secret: str, piece: str) -> str:
    """A text without the end of a secret at its beginning."""
    kept = piece.lstrip("'\"`([{ \n")
    if secret[-PART:] in kept[: len(secret)]:
        for size in range(min(len(secret), len(kept)), PART - 1, -1):
            if kept.startswith(secret[-size:]) and _telling(secret[-size:]):
                return piece[: len(piece) - len(kept)] + MASK + kept[size:]
    return piece


def _telling(part: str) -> bool:
    return sum(map(str.isalnum, part)) >= PART
