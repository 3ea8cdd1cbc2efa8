"""Rows of texts and JSON that cannot be read as they are meant: compressed, in another encoding, with a name twice; and
of commands that the shell itself could not run."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

from tests.acceptance.harness import Document, suite, validate
from tests.truth.case import Case
from tests.truth.documents import command
from tests.truth.host_wires import web
from tests.truth.on_host import check, looks, row

PAGE = "<title>Harbour</title>\n<p>ERROR: no ship for Zoë</p>\n" * 4
WIDE, GZIP = PAGE.encode("utf-16"), gzip.compress(PAGE.encode())
RAW_DEFLATE = zlib.compress(PAGE.encode())[2:-4]
BROTLI = bytes.fromhex("8b0e00f825c2225b61a204")
"""An answer that is marked as brotli; nothing here decodes it."""
CLEAN = PAGE.replace("ERROR", "NOTE").encode()

PARTS = gzip.compress(b"<title>Harbour</title>") + GZIP
"""Two members, as a server sends that compresses piece by piece."""

TWICE = '{"state": "ok", "state": "failed"}'


def _http() -> Iterator[Case]:
    def http(what: str, letter: str, look: str, body: bytes, headers: str = "", **keys: Any) -> Case:
        def document(given: Any) -> Document:
            url = f"http://127.0.0.1:{given['open']}/as?{body.hex()}&{headers}"
            return suite(validate({"check": "http", "url": url, **keys}))

        return row(what, f"http {look}", letter, document, around=web)

    for name, absent in (("lacks", {"lacks": "ERROR"}), ("that", {"that": "!body.contains('ERROR')"})):
        yield http("its body is brotli", "U", name, BROTLI, "content-encoding=br", **absent)
        yield http("its body is zstd by its header", "U", name, CLEAN, "content-encoding=zstd", **absent)
        yield http("its body is gzip", "F", name, GZIP, "content-encoding=gzip", **absent)
        yield http("its body is gzip, without a header", "U", name, GZIP, **absent)
        yield http("its body is gzip, named as Latin-1", "U", name, GZIP, "kind=text/html;charset=iso-8859-1", **absent)
        yield http("its body is deflated, without a header", "U", name, RAW_DEFLATE, **absent)
        yield http("its body is UTF-16", "F", name, WIDE, "kind=text/html;charset=utf-16", **absent)
        yield http("its body is UTF-16, without a header", "U", name, WIDE, **absent)
        yield http(
            "its body is UTF-16, named as Latin-1", "U", name, WIDE, "kind=text/html;charset=iso-8859-1", **absent
        )
        yield http("its charset is unknown", "U", name, CLEAN, "kind=text/html;charset=no-such-set", **absent)
        yield http("its body is UTF-8", "P", name, CLEAN, **absent)
        yield http("its body is Latin-1, as named", "P", name, CLEAN.decode().encode("latin-1"),
                   "kind=text/html;charset=iso-8859-1", **absent)  # fmt: skip
        yield http("its body is empty", "P", name, b"", **absent)
    yield http("the text is there, its body is UTF-16", "U", "contains", WIDE, contains="ERROR")
    yield http("the text is there, a letter is Latin-1", "P", "contains", PAGE.encode("latin-1"), contains="ERROR")
    yield http("a letter of the text is Latin-1", "U", "lacks", PAGE.encode("latin-1"), lacks="Zoë")
    for name, absent in (("lacks", {"lacks": "ERROR"}), ("contains", {"contains": "Harbour"})):
        yield http("its gzip was cut", "F", name, GZIP[:-12], "content-encoding=gzip", **absent)
        yield http("its deflate was cut", "F", name, zlib.compress(PAGE.encode())[:-12], "content-encoding=deflate",
                   **absent)  # fmt: skip
        yield http("its gzip has two parts", "F" if name == "lacks" else "P", name, PARTS, "content-encoding=gzip",
                   **absent)  # fmt: skip
    part, header = PAGE[:20].encode(), f"status=206&content-range=bytes 0-19/{len(PAGE)}"
    yield http("it answers only a part", "U", "lacks", part, header, lacks="ERROR")
    yield http("it answers only a part", "U", "that", part, header, that="!body.contains('ERROR')")
    yield http("it answers only a part, as expected", "P", "lacks, status", part, header, lacks="ERROR", status=206)
    yield http("its JSON has NaN", "U", "that", b'{"lag": NaN}', that="json.lag != 100.0")
    yield http("its JSON has half a character", "U", "that", b'{"name": "\\ud800"}', that="json.name != 'ship'")
    yield http("a name stands twice in its JSON", "U", "that", TWICE.encode(), that="json.state == 'ok'")
    yield http("a name stands twice in its JSON", "U", "that, the last", TWICE.encode(), that="json.state == 'failed'")
    yield http("its JSON is in Latin-1, as named", "P", "that", '{"name": "Zoë"}'.encode("latin-1"),
               "kind=application/json;charset=iso-8859-1", that="json.name == 'Zoë'")  # fmt: skip
    yield http("its answer has no body", "R", "lacks, HEAD", PAGE.encode(), lacks="ERROR", method="HEAD")
    yield http("its answer has no body", "R", "that, HEAD", PAGE.encode(), that="body == ''", method="HEAD")
    yield http("it answers HEAD", "P", "HEAD", PAGE.encode(), method="HEAD")

    def redirected(given: Any, **keys: Any) -> Document:
        return suite(validate({"check": "http", "url": f"http://127.0.0.1:{given['open']}/status/302", **keys}))

    yield row("it leads to another page", "http lacks", "U", lambda given: redirected(given, lacks="hello"), around=web)
    yield row("it leads to another page", "http lacks, follow", "F",
              lambda given: redirected(given, lacks="hello", redirects="follow"), around=web)  # fmt: skip
    yield row("it leads to another page, as expected", "http lacks, status", "P",
              lambda given: redirected(given, lacks="hello", status=302), around=web)  # fmt: skip


def _texts() -> Iterator[Case]:
    def prints(data: bytes) -> str:
        return "printf '" + "".join(f"\\{byte:03o}" for byte in data) + "'"

    short = "ERROR: no ship\n".encode("utf-16")
    yield check("its output is UTF-16", "U", looks(prints(short), lacks="ERROR"), look="command lacks")
    yield check(
        "its output is UTF-16", "U", looks(prints(short), that="!stdout.contains('ERROR')"), look="command that"
    )
    yield check("its output is gzip", "U", looks(prints(GZIP), lacks="ERROR"), look="command lacks")
    yield check("its output has zero bytes between words", "P", looks(prints(b"HOME=/root\0USER=me\0"), lacks="ERROR"),
                look="command lacks")  # fmt: skip
    yield check("its output has one bad byte", "P", looks(prints(b"a note f\xfcr all\n" * 9), lacks="ERROR"),
                look="command lacks")  # fmt: skip
    write = command(f"{prints(short)} > harbour.log; {prints(GZIP)} > harbour.log.gz")
    for name in ("harbour.log", "harbour.log.gz"):
        yield check(f"the file {name} is no plain text", "U", {"check": "file", "path": name, "lacks": "ERROR"}, write,
                    look="file lacks")  # fmt: skip
    yield check("a name stands twice in its JSON", "U", looks(f"echo '{TWICE}'", that="json.state == 'failed'"),
                look="command that")  # fmt: skip
    outputs = command(f"echo '{TWICE}'", id="told")
    yield check("a name stands twice in the JSON of a step", "U",
                looks("true", that="steps.told.outputs.json.state == 'failed'"), outputs, look="outputs")  # fmt: skip
    events = command("echo '" + json.dumps({"type": "made"}) + "' > log; echo '" + TWICE + "' >> log")
    looked = {"check": "events", "log": {"path": "log", "other_lines": True}, "expect": [{"type": "made"}],
              "within": "1s"}  # fmt: skip
    yield check("a name stands twice in a line", "U", looked, events, look="events log")


def _shells() -> Iterator[Case]:
    missing = "no-such-program-of-ours"
    for what, text, shell in (
        ("a program of its pipe is missing", f"{missing} | false", ""),
        ("a program inside of it is missing", f'test "$({missing})" = well', ""),
        ("its text has an open quote", "test 'well", ""),
        ("its text has an open if", "if true; then false", ""),
        ("its text for bash has an open if", "if true; then false", "bash -e"),
        ("a program of its pipe for bash is missing", f"{missing} | false", "bash -e"),
    ):
        more = {"shell": shell} if shell else {}
        yield row(what, "expect: failure", "U", command(text, expect="failure", **more))
        yield row(what, "custom_command", "U", command(text, **more))
        for code in (1, 2):
            yield check(what, "U" if (code == 2) == ("open" in what) else "X", looks(text, exit_code=code, **more),
                        look=f"command exit_code {code}")  # fmt: skip
    yield row(
        "it fails with words like those of a shell",
        "expect: failure",
        "P",
        command("echo '/bin/ship: no harbour' >&2; false", expect="failure"),
    )
    yield row("a program that may be missing", "custom_command", "P", command(f"{missing} || true"))


CASES = [*_http(), *_texts(), *_shells()]
