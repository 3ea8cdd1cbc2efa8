"""Secrets in text: every spelling of common tools, incomplete ones at a cut, and passwords in URLs."""

import base64
import json
import random
import re
from urllib.parse import quote

import pytest

from seatrial.engine.masking import MASK, Masks

SECRET = "p\"ä\\ss/w+rd&<x>'q' $2`é"


def masks(*secrets):
    made = Masks()
    for secret in secrets:
        assert made.add(secret)
    return made


def go(secret):
    """As Go's encoding/json writes it."""
    text = json.dumps(secret)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def double_quoted(secret):
    for sign in '\\"$`':
        secret = secret.replace(sign, f"\\{sign}")
    return f'declare -x TOKEN="{secret}"'


SPELLINGS = {
    "JSON of Go": go,
    "JSON of Go within JSON": lambda secret: go(go(secret)),
    "JSON of PHP": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "SQL and YAML": lambda secret: f"'{secret.replace(chr(39), chr(39) * 2)}'",
    "a doubled double quote": lambda secret: f'"{secret.replace(chr(34), chr(34) * 2)}"',
    "double quotes of a shell": double_quoted,
    "Compose and make": lambda secret: secret.replace("$", "$$"),
    "XML": lambda secret: (
        secret.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;").replace('"', "&#34;")
    ),
    "a URL with small letters": lambda secret: quote(secret, safe="").lower(),
    "a URL within a URL": lambda secret: quote(quote(secret, safe="")),
    "a form": lambda secret: quote(secret, safe="").replace("%20", "+"),
    "octal numbers of git": lambda secret: "".join(
        sign if sign.isascii() else "".join(f"\\{byte:03o}" for byte in sign.encode()) for sign in secret
    ),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "capital hexadecimal": lambda secret: secret.encode().hex().upper(),
    "a dump": lambda secret: secret.encode().hex(" "),
    "a fingerprint": lambda secret: secret.encode().hex(":"),
    "a C string": lambda secret: "".join(f"\\x{byte:02x}" for byte in secret.encode()),
    "octal numbers of printf": lambda secret: "".join(f"\\{byte:03o}" for byte in secret.encode()),
    "quoted-printable": lambda secret: "".join(f"={byte:02X}" for byte in secret.encode()),
    "numbers of HTML": lambda secret: "".join(f"&#x{byte:x};" for byte in secret.encode()),
    "decimal numbers of HTML": lambda secret: "".join(f"&#{byte};" for byte in secret.encode()),
    "bytes in JSON": lambda secret: json.dumps(list(secret.encode())),
    "the same over many lines": lambda secret: json.dumps(list(secret.encode()), indent=2),
    "bytes of Go": lambda secret: f"[{' '.join(map(str, secret.encode()))}]",
    "a list of characters": lambda secret: json.dumps(list(secret), ensure_ascii=False),
    "base32": lambda secret: base64.b32encode(secret.encode()).decode(),
    "ASCII alone": lambda secret: secret.encode("ascii", "replace").decode(),
}


PASSWORD = "Sup3r-s3cret!Pass/word+12"


def lines_of(data, size, form, shown=None, *, address="{:08x}: "):
    """A dump as `xxd`, `hexdump` and `od` print it: so many bytes a line, and the characters at its end."""
    width = len(form(data[:size]))
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield address.format(at) + (f"{form(piece):{width}}  {shown.format(text)}" if shown else form(piece))


def words(piece):
    return [second << 8 | first for first, second in zip(piece[::2], [*piece[1::2], 0], strict=False)]


DUMPS = {
    "xxd": (16, lambda piece: piece.hex(" ", -2), "{}", "{:08x}: "),
    "xxd -b": (6, lambda piece: " ".join(f"{byte:08b}" for byte in piece), "{}", "{:08x}: "),
    "hexdump -C": (16, lambda piece: f"{piece[:8].hex(' ')}  {piece[8:].hex(' ')}", "|{}|", "{:08x}  "),
    "hexdump": (16, lambda piece: " ".join(f"{word:04x}" for word in words(piece)), None, "{:07x} "),
    "od": (16, lambda piece: " ".join(f"{word:06o}" for word in words(piece)), None, "{:07o} "),
    "od -c": (16, lambda piece: "".join(f"{chr(byte):>4}" for byte in piece), None, "{:07o}"),
    "od -An -b": (16, lambda piece: " ".join(f"{byte:03o}" for byte in piece), None, ""),
    "od -tu1": (16, lambda piece: "".join(f"{byte:4}" for byte in piece), None, "{:07o}"),
}


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.parametrize("before", range(17))
def test_a_dump_of_several_lines_is_masked_with_the_characters_beside_it(name, before):
    size, form, shown, address = DUMPS[name]
    data = b"k" * before + PASSWORD.encode() + b"zz"
    text = "\n".join(lines_of(data, size, form, shown, address=address))
    hidden = masks(PASSWORD).hide(text)
    assert MASK in hidden
    for at in range(len(PASSWORD) - 5):
        part = PASSWORD[at : at + 6].encode()
        # Of a number for two bytes, one may be the secret's and one another's: it stays.
        inner = part[1:] if name in ("od", "hexdump") else part
        assert part.decode() not in hidden
        assert part.decode() not in re.sub(r"\s", "", hidden)
        forms = [form(inner)] if name != "hexdump -C" else [inner.hex(" ")]
        assert [one for one in forms if one.strip() in hidden] == []


def test_ordinary_numbers_and_characters_are_left_alone():
    made = masks(PASSWORD, "abcdef")
    text = json.dumps({"rows": [1, 2, 3, 83, 117, 112, 50], "x": ["a", "b", "c"]}) + " a b c d x 0000020 5375 7033"
    assert made.hide(text) == text


@pytest.mark.parametrize("name", ["od -tu1", "xxd", "od -c"])
def test_a_dump_that_is_cut_within_the_secret_shows_no_part_of_it(name):
    size, form, shown, address = DUMPS[name]
    text = "\n".join(lines_of(b"x" * 200 + PASSWORD.encode() + b"y" * 200, size, form, shown, address=address))
    made = masks(PASSWORD)
    line = next(at for at, row in enumerate(text.splitlines()) if "S" in row or " 83" in row)
    first = "\n".join(text.splitlines()[: line + 1]) + "\n"
    assert made.decided(first) < len(first)
    assert MASK in made.hide(first + "… (cut)")


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_secret_is_hidden_in_the_spelling_of(name):
    spelled = SPELLINGS[name](SECRET)
    text = masks(SECRET).hide(f"before {spelled} after")
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert MASK in text
    assert len(text) < len("before  after") + 30, text


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_a_short_secret_is_hidden_in_base64_at_any_offset(before):
    encoded = base64.b64encode(f"{before}hunter2:more".encode()).decode()
    text = masks("hunter2").hide(encoded)
    assert MASK in text
    left = base64.b64decode(text.replace(MASK, "")[: len(text) // 4 * 4] + "==", validate=False)
    assert b"unter" not in left


def test_a_long_key_is_hidden_line_by_line_and_as_a_whole():
    key = base64.encodebytes(random.Random(1).randbytes(1600)).decode()
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{key}-----END RSA PRIVATE KEY-----\n"
    hidden = masks(key)
    for text in (key, json.dumps({"key": key}), key.replace("\n", ""), key.replace("\n", "\r\n    ")):
        left = hidden.hide(text)
        assert len(left) < len(text) / 3
        assert not any(line in left for line in key.splitlines())


LONG = "x" * 190


@pytest.mark.parametrize("part", [5, 9, 23])
@pytest.mark.parametrize(
    "cut",
    [
        lambda secret, part: LONG + secret[:part],
        lambda secret, part: f"{LONG}{secret[:part]}'",
        lambda secret, part: f"short {secret[:part]}… (20 more characters), and more",
        lambda secret, part: f"{secret[-part:]} {LONG}",
        lambda secret, part: f"… (300 characters before)\n{secret[-part:]} rest",
        lambda secret, part: f"a\n{secret[:part]}\n[... 77 bytes left out ...]\n{secret[-part:]}\nb",
        lambda secret, part: f"{secret[:part]}...",
    ],
)
def test_a_part_of_a_secret_beside_a_cut_is_hidden(cut, part):
    secret = "hunter2-AbCdEfGhIjKlMnOp"
    text = masks(secret).hide(cut(secret, part))
    assert secret[:part] not in text
    assert secret[-part:] not in text
    assert MASK in text


def test_names_are_not_parts_of_a_secret():
    hidden = masks("staging-password-of-production")
    for name in ("production", "stag", "staging", "of-production"):
        assert hidden.hide(name) == name


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://app:hunter2@127.0.0.1:1/x", "postgresql://***@127.0.0.1:1/x"),
        ("https://ghp_0123@github.com/a.git", "https://***@github.com/a.git"),
        ('{"u":"https:\\/\\/u:hunter2@host\\/"}', '{"u":"https:\\/\\/***@host\\/"}'),
        ("see http://h/x?token=hunter2: it failed", "see http://h/x?token=***: it failed"),
        ("http://h/?a=1&amp;api_key=hunter2&b=2", "http://h/?a=1&amp;api_key=***&b=2"),
        ("http://h/?X-Amz-Signature=ab%2Fcd&x=1", "http://h/?X-Amz-Signature=***&x=1"),
        ("http://h/?a=1\\u0026password=hunter2\\u0026b", "http://h/?a=1\\u0026password=***\\u0026b"),
        ("https://h/cb#access_token=hunter2", "https://h/cb#access_token=***"),
        ("sftp://me:hunter2@h/", "sftp://***@h/"),
        ("ssh://root@127.0.0.1:2222", "ssh://root@127.0.0.1:2222"),
        ("https://registry:443/@scope/name", "https://registry:443/@scope/name"),
        ("http://h/?monkey=1&page=2&tokens_left=3", "http://h/?monkey=1&page=2&tokens_left=3"),
        ("write to me@example.org", "write to me@example.org"),
    ],
)
def test_passwords_of_urls_are_hidden_though_nobody_declared_them(address, shown):
    assert Masks().hide(address) == shown


def test_a_secret_of_two_characters_is_refused():
    made = Masks()
    assert not made.add("ab")
    assert made.hide("cab") == "cab"
