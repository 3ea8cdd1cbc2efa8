"""Forty secrets, and every way in which common tools write one. A program too: it says them all where it is told to.

It imports nothing of Seatrial: what a tool writes is worked out here anew.
"""

from __future__ import annotations

import base64
import html
import json
import os
import pprint
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

PEM = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz1jn65BtOMvdyHKcvjBeBSDZH2r1
wVQkrLfUdG17LYuxKpQxqAEcbqvC3wW1cQkS5sd0YTTqfP5Q6Wb3nRxC
-----END PRIVATE KEY-----
"""

VALUES: Mapping[str, str] = {
    "plain": "hunter2-AbCdEfGhIj",
    "eight": "Zq7vT2xK",
    "digits": "830117492655",
    "hexadecimal": "deadbeef0badcafe77",
    "uuid": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
    "base64": "c2VjcmV0LXRva2VuIQ==",
    "base64 with signs": "abKu+/cdQx+/efTz+/ghLm==",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fw",
    "double quotes": 'paWx"ssKq"woRt"rdZm',
    "single quotes": "huXz'ntLw'erQp'twYk",
    "all quotes": "qaLp\"wsOk'edIj`rfUh\"tgYg'",
    "backslashes": "C:\\wuKem\\pzTfw\\xcRvq",
    "backslash at the end": "endsWithVq8\\",
    "dollars": "pwKx$$rdQz$HOMElessZ${xYw}",
    "percents": "100%25LqWz%2Fsafe%Tyu%",
    "plus and space": "gtR+hyU+jiO kLp+mnB",
    "slashes": "kdPath/toXw/theQm/sesamZk",
    "ampersands": "vfA&bgB<nhC>mjD&amp;kiE",
    "tags": "<scrZpt>qwXrty</scrZpt>",
    "two lines": "fgLineOneXk\nzsLineTwoWq",
    "line ends of Windows": "prLineOneMx\r\nwdLineTwoKv",
    "a line end": "trailingNewQz7x\n",
    "leading spaces": "  leadingSpQk8z",
    "tabs": "tbOne\tqzTwo\twxThr",
    "cyrillic": "парольXk-ключикWq",
    "umlauts": "GrüßeQx-ÄöüWkp-Straße",
    "emoji": "clé🔑secrèteQw9x",
    "chinese": "密码Zq7是很长的Wx9秘密Kt4",
    "hebrew": "סודXq7-סודיWz9pK",
    "combining": "e\u0301clairQz-cle\u0301fWx",
    "yaml": "yesQx: noWz # commKentLp",
    "braces": "{kyQz: [aaWx, bbTv], *anchQr &refLm}",
    "long": "".join(f"{n * 7919 % 999983:06d}{chr(65 + n % 26)}{chr(97 + n * 7 % 26)}" for n in range(60)),
    "signs": "!@#$%^&*()_+Qw9x-=[]{}|;Zk7v':\",./<>?`~Lm4p",
    "key": PEM,
    "url": "postgres://appQz:s3cr3tKx/p%40ssWv@db.exLq.org:5432/xTm?sslmode=reqZw",
    "json": '{"usQwer":"apPzp","paKssx":"s3cVr3t-in-jLson"}',
    "words": "correctQ horseW batteryZ stapleX",
    "flag": "--flagQz-likeWx-secretKv",
    "looks like escapes": "Qz\\033Wx\\x41Kv\\u0041Lp\\nTm",
}


def _raw(text: str) -> bytes:
    return text.encode()


def _go(text: str) -> str:
    return re.sub("[&<>]", lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(text, ensure_ascii=False))


def _escaped(text: str, signs: str) -> str:
    return "".join(f"\\{sign}" if sign in signs else sign for sign in text)


def _c_like(text: str, quotes: str) -> str:
    for sign, spelled in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(sign, spelled)
    return _escaped(text, quotes)


def _bash(text: str) -> str:
    """As `printf %q` and `set -x` print what is not plain, in the locale C."""
    plain = _c_like(text, "'")
    return "$'" + "".join(c if c.isascii() else "".join(f"\\{b:03o}" for b in c.encode()) for c in plain) + "'"


def _unicode(text: str, pattern: str) -> str:
    return "".join(c if c.isascii() else pattern.format(ord(c)) for c in _c_like(text, '"'))


def _based(before: bytes, text: str, after: bytes = b"") -> str:
    return base64.b64encode(before + _raw(text) + after).decode()


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return f"\n{indent}".join(text[at : at + width] for at in range(0, len(text), width))


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "without its ends": str.strip,
    "on one line": lambda text: " ".join(text.splitlines()),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "indented": lambda text: "\n".join(f"      {line}" for line in text.splitlines()),
    "wrapped": lambda text: _wrapped(text, 30) if len(text) >= 8 else text,
    "wrapped and indented": lambda text: _wrapped(text, 12, "    "),
    "coloured": lambda text: f"\x1b[31m{text[:5]}\x1b[1m{text[5:]}\x1b[0m",
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON twice": lambda text: json.dumps(json.dumps(text)),
    "JSON three times": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "JSON of Go": _go,
    "JSON of Go twice": lambda text: _go(_go(text)),
    "JSON of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "repr": repr,
    "repr of bytes": lambda text: repr(_raw(text)),
    "repr twice": lambda text: repr(repr(text)),
    "ascii": ascii,
    "pprint": lambda text: pprint.pformat({"k": text}, width=24),
    "Rust": lambda text: _unicode(text, "\\u{{{0:x}}}"),
    "Go's %+q": lambda text: _unicode(text, "\\U{0:08x}"),
    "a C string": lambda text: "".join(f"\\x{byte:02x}" for byte in _raw(text)),
    "a C array": lambda text: ", ".join(f"0x{byte:02x}" for byte in _raw(text)),
    "JavaScript": lambda text: f"'{_c_like(text, chr(39))}'",
    "a shell's word": shlex.quote,
    "a shell's word in another": lambda text: shlex.quote(f"sh -c {shlex.quote(text)}"),
    "declare -x": lambda text: f'declare -x T="{_escaped(text, chr(34) + chr(92) + "$`")}"',
    "$'...'": _bash,
    "backslashes": lambda text: re.sub(r"([^\w\n])", r"\\\1", text),
    "Compose": lambda text: text.replace("$", "$$"),
    "SQL": lambda text: "'" + text.replace("'", "''") + "'",
    "SQL of MySQL": lambda text: f"'{_c_like(text, chr(39))}'",
    "CSV": lambda text: '"' + text.replace('"', '""') + '"',
    "YAML, double quotes": lambda text: f'k: "{_c_like(text, chr(34))}"',
    "YAML, single quotes": lambda text: "k: '" + text.replace("'", "''").replace("\n", "\n\n  ") + "'",
    "YAML, a block": lambda text: "k: |\n" + "\n".join(f"  {line}" for line in text.splitlines()),
    "YAML, folded": lambda text: 'k: "' + "\\\n  \\ ".join(_c_like(text, '"').split(" ")) + '"',
    "XML": escape,
    "an attribute": quoteattr,
    "XML by numbers": lambda text: "".join(c if c.isalnum() and c.isascii() else f"&#{ord(c)};" for c in text),
    "XML by hexadecimal numbers": lambda text: "".join(
        c if c.isalnum() and c.isascii() else f"&#x{ord(c):X};" for c in text
    ),
    "HTML": html.escape,
    "HTML in ASCII": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
    "a part of a URL": lambda text: quote(text, safe=""),
    "a path of a URL": quote,
    "a URL in small letters": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "a form": quote_plus,
    "all in percents": lambda text: "".join(f"%{byte:02X}" for byte in _raw(text)),
    "an annotation of GitHub": lambda text: text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"),
    "base64": lambda text: _based(b"", text),
    "base64 at offset 1": lambda text: _based(b"u", text, b":"),
    "base64 at offset 2": lambda text: _based(b"us", text, b":"),
    "basic authorization": lambda text: _based(b"u:", text),
    "base64 of a line": lambda text: _based(b"", text, b"\n"),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(_raw(text)).decode().rstrip("="),
    "base64 in lines": lambda text: base64.encodebytes(b"a " + _raw(text)).decode(),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps([text]).encode()).decode(),
    "base64 of Go's JSON": lambda text: base64.b64encode(f"[{_go(text)}]".encode()).decode(),
    "base64 of base64": lambda text: _based(b'["', _based(b"", text)),
    "hexadecimal": lambda text: _raw(text).hex(),
    "capital hexadecimal": lambda text: _raw(text).hex().upper(),
    "a dump": lambda text: _raw(text).hex(" "),
    "a fingerprint": lambda text: _raw(text).hex(":"),
    "read as Latin-1": lambda text: _raw(text).decode("latin-1"),
    "in ASCII alone": lambda text: text.encode("ascii", "replace").decode(),
}

VARIABLE = "SECRET_{}"


def environment() -> dict[str, str]:
    """The secrets in variables SECRET_0, SECRET_1, …"""
    return {VARIABLE.format(number): value for number, value in enumerate(VALUES.values())}


def declared() -> dict[str, str]:
    """The same variables with a document's templates."""
    return {name: f"${{{{ secrets.{name} }}}}" for name in environment()}


def lines(share: int = 1) -> Iterator[str]:
    """Every secret in every spelling; of more shares than one: each pair of both is in the first with the same odds."""
    for at, (name, value) in enumerate(VALUES.items()):
        for turn, (spelling, spell) in enumerate(SPELLINGS.items()):
            if (at + turn) % share == 0:
                yield f"[{name}, {spelling}] {spell(value)} [end]"


def said(share: int = 1) -> str:
    """All of them in one text."""
    return "\n".join(lines(share)) + "\n"


# What must not be found

WINDOW = 8
"""Characters in a row that give a part of a secret away."""


def windows() -> dict[str, str]:
    """Each part of a spelled secret that must be nowhere, with the names of both."""
    found: dict[str, str] = {}
    for name, value in VALUES.items():
        for spelling, spell in SPELLINGS.items():
            spelled = spell(value).replace("\x1b[31m", "").replace("\x1b[1m", "")
            width = WINDOW if spelling not in DENSE else 3 * WINDOW
            for at in range(max(1, len(spelled) - width + 1)):
                part = spelled[at : at + width]
                if len(part) == width and _telling(part):
                    found.setdefault(part, f"{name}, {spelling}")
    return found


DENSE = ("a C string", "a C array", "all in percents", "hexadecimal", "capital hexadecimal", "a dump", "a fingerprint")

_HARMLESS = re.compile("BEGIN|PRIVA|IVATE|TE KEY|END P|are -x|clare|%25?0[DA]|0D%2")
"""Public: the frame of a key, the words of a shell, ends of lines."""


def _telling(part: str) -> bool:
    return sum(map(str.isalnum, re.sub("quot|amp|apos|x27|x22|034", "", part))) >= WINDOW - 3 and not _HARMLESS.search(
        part
    )


def exposed(text: str, parts: Mapping[str, str]) -> list[str]:
    """The spelled secrets of which a text has a part."""
    found: dict[str, str] = {}
    for width in (WINDOW, 3 * WINDOW):
        for at in range(len(text) - width + 1):
            part = text[at : at + width]
            if (told := parts.get(part)) and told not in found:
                found[told] = text[max(0, at - 30) : at + 40]
    return [f"{told}: {where!r}" for told, where in found.items()]


# The program


SHARE = 9
"""The program says a ninth of all: each secret in seven or eight spellings, each spelling of four or five secrets."""


def main(place: str, *words: str) -> int:
    """Say all secrets at a place; the exit code."""
    text = said(SHARE)
    if place == "file":
        Path(words[0]).write_text(text)
    elif place == "stderr":
        sys.stderr.write(text)
        return 1
    elif place == "pieces":  # two writes for every line, cut within the secret
        for line in lines(SHARE):
            raw = f"{line}\n".encode()
            os.write(1, raw[: len(raw) // 2])
            os.write(1, raw[len(raw) // 2 :])
    elif place == "json":
        json.dump({"state": "running", "message": text, "nodes": {}, "lines": list(lines(SHARE))}, sys.stdout)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
