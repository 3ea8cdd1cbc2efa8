"""Secrets in text: every spelling of common tools, incomplete ones at a cut, and passwords in URLs."""

import base64
import json
import random
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
    "ASCII alone": lambda secret: secret.encode("ascii", "replace").decode(),
}


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
