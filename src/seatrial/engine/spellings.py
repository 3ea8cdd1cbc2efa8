"""How tools write a secret: each character in several ways, and the whole as base64 or hexadecimal numbers."""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from html.entities import codepoint2name

SHORTEST = 3
"""Minimum length of a secret: a shorter one would mask parts of ordinary words."""

LONG = 8
"""Minimum length for a search across line ends: shorter secrets would match by accident."""

PIECE = 128
"""Length of the pieces of a long secret: a pattern of thousands of characters would take seconds to build."""

PART = 4
"""Minimum number of letters and digits of an incomplete secret at a cut."""

BREAK = r"(?:[\"'\\]?\r?\n|(?:\\+r)?\\+n)[ \t]*(?:[\"']|\\(?= ))?"
"""The end of a line, as it is or as JSON spells it, and the indent of the next; long literals are closed before it and
opened again after it, or continued by a backslash."""

STYLE = (
    r"(?:\x1b|\\u001[bB]|\\x1[bB]|\\033)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\|\\u0007)|[@-Z^_])"
)
"""Terminal escapes (colours and the like), raw or as JSON and shells spell them."""

STYLES = re.compile(STYLE)
BETWEEN = f"{BREAK}|{STYLE}"
"""What may stand between two characters of a secret; compiled when a secret is looked for, because that takes 7 ms."""


@lru_cache(maxsize=512)
def spellings(character: str) -> str:
    """A pattern of every way to write a character: plain, doubled, and escaped as in JSON, C, shells, URLs, HTML."""
    if character.isascii() and character.isalnum():
        return character
    code, plain = ord(character), re.escape(character)
    raw = character.encode("utf-8", "surrogateescape") if not 0xD800 <= code < 0xDC80 else b"?"
    units = character.encode("utf-16-be", "surrogatepass").hex()
    name = codepoint2name.get(code, "apos" if character == "'" else f"#{code}")
    ways = [
        rf"\\*{plain}{{1,2}}",  # `\/`, `\"`, and `''` of SQL and YAML
        "".join(rf"\\+u{cased(units[at : at + 4])}" for at in range(0, len(units), 4)),
        "".join(rf"\\+x{cased(f'{byte:02x}')}" for byte in raw),
        rf"\\+x{cased(f'{code:02x}')}",
        rf"\\+u\{{0*{cased(f'{code:x}')}\}}",  # Rust, Swift, JavaScript, PHP
        rf"\\+U0*{cased(f'{code:x}')}",  # Python, YAML, Go
        "".join(rf"\\+{byte:03o}" for byte in raw),
        "".join(rf"%(?:25)*{cased(f'{byte:02x}')}" for byte in raw),
        rf"&(?:amp;)*(?:{name}|#0*{code}|#[xX]0*{cased(f'{code:x}')});",
    ]
    ways += {
        " ": [r"\+"],
        "'": [r"'[\"'\\]*'"],  # quoted again and again: `'\''`, `'"'"'`
        "\\": [r"\\+"],
        "\t": [r"\\+t"],
        "\x1b": [r"\\+[eE]"],
        "\r": [r"\\+r", ""],
        "\n": [r"(?:\r?\n|(?:\\+r)?\\+n| )[ \t]*", ""],
    }.get(character, [] if character.isascii() else ["\ufffd+", r"\?+", "".join(map(_latin, raw))])
    return f"(?:{'|'.join(ways)})"


def _latin(byte: int) -> str:
    """A byte read as a character of its own."""
    return rf"(?:{re.escape(chr(byte))}|\\+u00{cased(f'{byte:02x}')})"


def cased(digits: str) -> str:
    """A pattern of hexadecimal digits in either case."""
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in digits)


def forms_of(secret: str) -> list[tuple[str, bool]]:
    """A secret, its lines, in the other case and backwards, its base64 at each offset, and its hexadecimal digits
    (True); also of its UTF-16."""
    lines = [line.strip() for line in secret.splitlines() if line.strip()]
    texts = [line for line in lines if len(line) >= LONG]
    if len(texts) < max(len(lines), 2):  # short lines are known by their neighbours alone
        texts += [secret, secret.strip()]
    raw, wide = secret.encode("utf-8", "surrogateescape"), secret.encode("utf-16-le", "surrogatepass")
    for content in {raw, *_in_json(secret)}:
        texts += _in_base64(content)
    texts += _in_base32(raw)
    texts += [*_in_base64(wide, again=False), "\0".join(secret)]
    if LONG <= len(secret) < PIECE and not secret.isalpha():  # a word may stand in the text by itself
        texts += [secret.upper(), secret.lower(), secret[::-1]]
    forms = [(piece, False) for text in dict.fromkeys(texts) if len(text) >= SHORTEST for piece in _pieces(text)]
    digits = [piece for content in (raw, wide) for piece in _pieces(content.hex())]
    return [*forms, *((piece, True) for piece in digits)] if len(raw) >= PART else forms


def _in_json(secret: str) -> set[bytes]:
    """A secret as a JSON document spells it, for a document that is encoded whole."""
    told = {json.dumps(secret), json.dumps(secret, ensure_ascii=False)}
    told |= {re.sub("[&<>]", lambda sign: f"\\u{ord(sign[0]):04x}", text) for text in told}  # Go's
    return {text[1:-1].encode("utf-8", "surrogateescape") for text in told}


def _in_base64(raw: bytes, *, again: bool = True) -> list[str]:
    """What base64 makes of a secret, wherever it is in the encoded text; `again`: and of that, as the registry
    passwords in a secret of Kubernetes are."""
    found = []
    for before in range(3):
        # Only the characters determined by the secret's own bits.
        whole = base64.b64encode(b"\0" * before + raw).decode()
        core = whole[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
        if before == 0 or len(core) >= 6:
            found += [core, core.replace("+", "-").replace("/", "_")]
            if again and len(core) >= LONG:
                found += _in_base64(core.encode(), again=False)
    return found


def _in_base32(raw: bytes) -> list[str]:
    """What base32 makes of a secret, wherever it is in the encoded text."""
    found = []
    for before in range(5):
        whole = base64.b32encode(b"\0" * before + raw).decode()
        core = whole[-(-before * 8 // 5) : (before + len(raw)) * 8 // 5]
        found += [core, core.lower()] if len(core) >= LONG else []
    return found


def _pieces(text: str) -> list[str]:
    """A text of moderate length as it is; a longer one, such as a key of many lines, in pieces of this length."""
    if len(text) < 2 * PIECE:
        return [text]
    count = len(text) // PIECE
    return [text[at * PIECE : (at + 1) * PIECE if at < count - 1 else None] for at in range(count)]
