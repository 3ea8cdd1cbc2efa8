"""The journal: file first, reporters after, secrets nowhere."""

import base64
import json
import os
import resource
import shlex
import subprocess
import sys
from urllib.parse import quote

import pytest

from seatrial.engine.journal import Journal, read
from seatrial.testing import virtual_time

SECRET = 'p"ä\\ss/w+rd\nsecond line of it'


class Kept:
    def __init__(self):
        self.events = []
        self.closed = False

    def on(self, event):
        self.events.append(event)

    def close(self):
        self.closed = True


class Breaks(Kept):
    def on(self, event):
        super().on(event)
        if event.kind == "two":
            raise ValueError("I broke")

    def close(self):
        super().close()
        raise RuntimeError("and again")


@pytest.fixture
def journal(tmp_path):
    """A journal and its one reporter, on virtual time."""

    async def made(*reporters):
        return Journal(tmp_path / "events.jsonl", "r1", reporters)

    with virtual_time() as time:
        yield lambda *reporters: time.run(made(*reporters))


def test_an_event_is_in_the_file_before_a_reporter_sees_it(tmp_path, journal):
    class Looks(Kept):
        def on(self, event):
            self.events.append((tmp_path / "events.jsonl").read_text().count("\n"))

    looks = Looks()
    made = journal(looks)
    made.emit("one", "", {})
    made.emit("two", "t1", {"x": 1})
    assert looks.events == [1, 2]


def test_what_is_written_is_read_back(tmp_path, journal):
    kept = Kept()
    made = journal(kept)
    made.emit("one", "t1", {"text": "ä\udc80\u2028", "n": [1, None, True]})
    made.emit("two", "", {})
    made.close()
    assert kept.closed
    assert list(read(tmp_path / "events.jsonl")) == kept.events


def test_a_journal_cut_at_any_byte_gives_the_whole_events_before_the_cut(tmp_path, journal):
    made = journal()
    for n in range(4):
        made.emit("kind", "t1", {"n": n, "text": "ä" * n})
    made.close()
    data = (tmp_path / "events.jsonl").read_bytes()
    cut = tmp_path / "cut.jsonl"
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        whole = data[:size].count(b"\n")
        # A line without its end can be whole by chance: only its last byte is missing.
        assert [e.data["n"] for e in read(cut)] in (list(range(whole)), list(range(whole + 1)))
        assert len(list(read(cut))) == whole or data[size : size + 1] == b"\n"


def test_a_torn_line_in_the_middle_does_not_hide_what_follows(tmp_path, journal):
    made = journal()
    made.emit("one", "", {})
    made.close()
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"kind":"zero","at":1.\n\0\0\0\n[1]\n7\n' + file.read_bytes())
    assert [event.kind for event in read(file)] == ["one"]


def test_a_broken_reporter_is_told_once_and_the_others_see_everything_in_order(tmp_path, journal):
    breaks, kept = Breaks(), Kept()
    made = journal(breaks, kept)
    for kind in ("one", "two", "three"):
        made.emit(kind, "", {})
    made.close()
    assert [event.kind for event in kept.events] == ["one", "two", "log", "three"]
    assert [event.kind for event in read(tmp_path / "events.jsonl")] == ["one", "two", "log", "three"]
    assert [event.kind for event in breaks.events] == ["one", "two"]
    assert "Breaks failed: ValueError: I broke" in made.trouble
    assert not made.broken, "the journal itself is well: steps go on"


def test_a_reporter_that_cannot_close_does_not_keep_the_others_open(journal):
    last = Kept()
    made = journal(Breaks(), last)
    made.close()
    assert last.closed
    assert "Breaks: RuntimeError: and again" in made.trouble


SPELLINGS = {
    "plain": SECRET,
    "a line of it": "xx second line of it xx",
    "in JSON": json.dumps({"password": SECRET}),
    "in JSON without escapes": json.dumps({"password": SECRET}, ensure_ascii=False),
    "in a URL": f"https://user:{quote(SECRET, safe='')}@host/",
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in base64 after a user's name": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "in base64 after one letter more": base64.b64encode(f"user1:{SECRET} more".encode()).decode(),
    "in URL-safe base64": base64.urlsafe_b64encode(f"u:{SECRET}".encode()).decode(),
}


def _words(secret):
    lines = [secret, *secret.splitlines()]
    return lines + [base64.b64encode(b"\0" * n + secret.encode()).decode()[4:-4] for n in range(3)]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_hidden(tmp_path, journal, spelling):
    kept = Kept()
    made = journal(kept)
    made.mask(SECRET)
    made.emit("output", "t1", {"text": SPELLINGS[spelling], "outputs": {"k": [{"deep": SPELLINGS[spelling]}]}})
    made.close()
    for text in (kept.events[0].data["text"], kept.events[0].data["outputs"]["k"][0]["deep"]):
        assert "***" in text
        for word in _words(SECRET):
            assert word not in text
            assert json.dumps(word)[1:-1] not in text
    assert list(read(tmp_path / "events.jsonl")) == kept.events


@pytest.mark.parametrize("quote", ["&#x27;", "&#39;", "&apos;", "'"])
def test_a_secret_is_hidden_in_pages(tmp_path, journal, quote):
    kept = Kept()
    made = journal(kept)
    made.mask("a<b>&\"c'd0")
    made.emit("output", "t1", {"text": f"<td>a&lt;b&gt;&amp;&quot;c{quote}d0</td>"})
    made.close()
    assert kept.events[0].data["text"] == "<td>***</td>"


@pytest.mark.parametrize(
    "show", [repr, ascii, lambda one: repr(one.encode()), shlex.quote, lambda one: json.dumps(json.dumps(one)),
             lambda one: "'" + one.replace("'", "'\\''") + "'"],
)  # fmt: skip
def test_a_secret_is_hidden_as_programs_show_it(journal, show):
    made = journal()
    secret = "o'neil & \\ <é>\"1"
    made.mask(secret)
    said = made.masked(f"token={show(secret)} after")
    assert "neil" not in said
    assert "***" in said
    assert said.endswith(" after")


def test_a_secret_is_hidden_in_keys_and_numbers_and_objects(tmp_path, journal):
    kept = Kept()
    made = journal(kept)
    made.mask("8675309")
    made.emit(
        "step_finished", "t1", {"outputs": {"a8675309": 8675309, "other": 86753091}, "path": tmp_path / "8675309"}
    )
    made.close()
    assert "8675309" not in (tmp_path / "events.jsonl").read_text().replace("86753091", "")
    assert kept.events[0].data["outputs"] == {"a***": "***", "other": 86753091}


@pytest.mark.parametrize("secret", ["data", "passed", "kind", '":"', "true", "step_finished", '"},{"', "trial"])
def test_a_secret_that_is_a_word_of_ours_does_not_break_the_events(tmp_path, journal, secret):
    kept = Kept()
    made = journal(kept)
    made.mask(secret)
    made.emit("step_finished", "t1", {"verdict": "passed", "step": "1", "error": f"it was {secret}", "n": True})
    made.close()
    event = next(read(tmp_path / "events.jsonl"))
    assert event == kept.events[0]
    assert (event.kind, event.data["verdict"], event.data["step"]) == ("step_finished", "passed", "1")
    assert event.data["error"] == "it was ***"


def test_the_longer_of_two_secrets_is_hidden_whole(journal):
    made = journal()
    made.mask("secret")
    made.mask("secretive-word")
    assert made.masked("a secretive-word here") == "a *** here"
    made.close()


def test_values_that_json_cannot_say_are_told_as_well_as_can_be(tmp_path, journal):
    class Rude:
        def __str__(self):
            raise RuntimeError("no")

    loop: list[object] = []
    loop.append(loop)
    kept = Kept()
    made = journal(kept)
    made.emit("one", "", {"nan": float("nan"), "keys": {("a", 1): 2}, "rude": Rude(), "loop": loop, "path": tmp_path})
    made.close()
    line = (tmp_path / "events.jsonl").read_text()
    told = json.loads(line, parse_constant=pytest.fail)["data"]
    assert told["nan"] is None
    assert kept.events[0].data["nan"] is None, "reports have what the journal has"
    assert told["keys"] == {"('a', 1)": 2}
    assert told["rude"] == "a Rude without a text form: RuntimeError"
    assert told["path"] == str(tmp_path)


def test_time_is_the_loops_and_never_goes_back(tmp_path, journal, monkeypatch):
    made = journal()
    made.emit("one", "", {})
    monkeypatch.setattr("time.time", lambda: 0.0)
    made.emit("two", "", {})
    made.close()
    first, second = read(tmp_path / "events.jsonl")
    assert second.at >= first.at > 1_600_000_000


def test_a_journal_on_a_full_disk_is_remembered_and_reporters_still_hear(tmp_path, journal, monkeypatch):
    kept = Kept()
    made = journal(kept)
    made.emit("one", "", {})
    real = os.write
    room = [25]

    def full(fd, data):
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr("os.write", full)
    made.emit("two", "", {})
    room[0] = 10_000
    made.emit("three", "", {})
    made.close()
    assert made.broken == made.trouble == "the journal cannot be written: No space left on device"
    assert [event.kind for event in kept.events] == ["one", "two", "three"]
    assert [event.kind for event in read(tmp_path / "events.jsonl")] == ["one"], "nothing follows the torn line"


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path):
    """The real thing: the kernel cuts the write short, then refuses it."""
    program = f"""
import asyncio, resource
from pathlib import Path
from seatrial.engine.journal import Journal
async def main():
    journal = Journal(Path({str(tmp_path / "events.jsonl")!r}), "r1", [])
    for n in range(100):
        journal.emit("one", "", {{"text": "x" * 100}})
    print(journal.broken)
asyncio.run(main())
"""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=limit, timeout=30, check=False
    )
    assert done.stdout == "the journal cannot be written: File too large\n", done.stderr
    assert (tmp_path / "events.jsonl").stat().st_size == 1000
    assert 0 < len(list(read(tmp_path / "events.jsonl"))) < 100


@pytest.mark.parametrize("indent", ["", "    ", "\t"])
@pytest.mark.parametrize("width", [1, 7, 20, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", "\\r\\n"])
def test_a_secret_that_is_broken_over_lines_is_hidden(journal, width, indent, end):
    secret = "correct-horse-battery-staple-0123456789"
    made = journal()
    made.mask(secret)
    wrapped = (end + indent).join(secret[at : at + width] for at in range(0, len(secret), width))
    said = made.masked(f"before\n{wrapped} after")
    assert said.startswith("before\n")
    assert said.endswith("*** after")
    assert "staple" not in said.replace(end + indent, "")


# A short one is not looked for over the ends of lines.
@pytest.mark.parametrize(
    ("secret", "end"), [("12345", ""), *(("correct-horse-battery", end) for end in ("", "\n", "\\n  "))]
)
@pytest.mark.parametrize("style", ["\x1b[0m", "\x1b[1;36m\x1b[4m", "\\u001b[36m", "\x1b]8;;file:x\x07", "\x1bM"])
def test_a_secret_with_colours_in_it_is_hidden(journal, secret, end, style):
    made = journal()
    made.mask(secret)
    said = made.masked(f"{style}before {secret[:2]}{style}{end}{style}{secret[2:4]}{style}{secret[4:]} after")
    assert said == f"{style}before *** after"


@pytest.mark.parametrize("before", ["", "x", "xy", "a longer text, so that the secret is across the end of a line: "])
def test_a_secret_in_wrapped_base64_is_hidden(journal, before):
    secret = "correct-horse-battery-staple-0123456789" * 2
    made = journal()
    made.mask(secret)
    encoded = base64.encodebytes(f"{before}{secret} and more".encode()).decode()
    assert "\n" in encoded.strip()
    said = made.masked(encoded)
    left = base64.b64decode(said.replace("***", "").replace("\n", "") + "===", validate=False)
    assert b"battery" not in left
    assert "***" in said


def test_lines_that_hold_no_secret_stay_as_they_are(journal):
    made = journal()
    made.mask("correct-horse-battery-staple")
    text = "correct-\nhorse and\n  others\n" * 50
    assert made.masked(text) == text
