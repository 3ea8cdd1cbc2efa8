"""One text to hide in others, whole or in part."""

from __future__ import annotations

import re
from functools import cached_property

from seatrial.engine.spellings import BETWEEN, LONG, PART, STYLE, STYLES, cased, spellings

MASK = "***"

_PLAIN = re.compile("[A-Za-z0-9]+")

REACH = 16
"""Characters of the longest spelling of one character."""

_CUT_ESCAPE = (
    r"""(?:\\+(?:u\{?[0-9a-fA-F]{0,6}|U[0-9a-fA-F]{0,7}|x[0-9a-fA-F]?|[0-7]{0,3})|%(?:25)*[0-9a-fA-F]{0,2}"""
    r"""|&(?:amp;)*#?[0-9A-Za-z]{0,7}|'["'\\]*)*"""
)
"""What may come after the beginning of a word: an escape that was cut."""

_REST_OF_ESCAPE = r"[0-9A-Za-z{};%#]{0,9}?"
"""What may come before the end of a word."""

_CLOSING = re.compile(r"""[\s'"`)\]}]*\Z""")
_OPENING = re.compile(r"""\A[\s'"`(\[{]*""")
_DIGITS = re.compile(r"(?:0x|[0-9a-fA-F]|[\s:,%=;&#x\\-])*")
_DIGIT_LAST = re.compile(r"[0-9a-fA-F][\s:,%=;&#x\\-]*\Z")
_HEX_NOISE = str.maketrans("", "", " :,-%=;&#\\x\r\n\t")


class Reading:
    """A text as the searches see it, worked out when the first of them needs it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.styled = STYLES.search(text) is not None
        self.broken = "\n" in text or "\\n" in text

    @cached_property
    def joined(self) -> str:
        """Without ends of lines and colours."""
        return re.sub(BETWEEN, "", self.text)

    @cached_property
    def plain(self) -> str:
        """Without the signs between hexadecimal numbers."""
        return self.text.lower().replace("0x", "").translate(_HEX_NOISE)


class Word:
    """One text to hide: a secret, a line of it, or its base64 or hexadecimal form."""

    def __init__(self, text: str, hex: bool) -> None:
        self.text, self.hex = text, hex
        plain = text.replace("\0", "")
        between = "\0" if plain != text else ""  # UTF-16, read as UTF-8
        pieces: list[str] = _PLAIN.findall(plain)
        longest: str = max(pieces, key=len, default="")
        self.needle = text if hex else between.join(longest)
        """Part of every spelling."""
        ends = ("", "") if hex else (_first(plain), _first(plain[::-1])[::-1])
        self._head, self._tail = map(between.join, ends)
        """Parts of every incomplete spelling."""

    def hide(self, text: str, reading: Reading) -> str:
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
        return re.compile("".join(map(spellings, self.text)))

    @cached_property
    def _across(self) -> re.Pattern[str]:
        return re.compile(f"(?:{BETWEEN})*".join(map(spellings, self.text)))

    @cached_property
    def _styled(self) -> re.Pattern[str]:
        return re.compile(f"(?:{STYLE})*".join(map(spellings, self.text)))

    @cached_property
    def _hexadecimal(self) -> re.Pattern[str]:
        pairs = [cased(self.text[at : at + 2]) for at in range(0, len(self.text), 2)]
        return re.compile(r"(?:[\s:,%=;&#x-]|\\+x|0x)*".join(pairs))

    # Incomplete at a cut

    def may_be_cut_in(self, text: str) -> bool:
        """Whether a part of it may be in this text: a quick look."""
        return self._head in text or self._tail in text

    def hide_beginning(self, text: str) -> str:
        """A text without the beginning of the word at its end."""
        start, part = self._beginning(text)
        if self.hex:
            return f"{text[:start]}{MASK}" if part else text
        return f"{text[:start]}{MASK}{_CLOSING.findall(text[start:])[0]}" if self._tells(part) else text

    def begins_at(self, text: str) -> int:
        """Where the beginning of the word starts at the end of lines of text, if the next line can be its rest; else
        the length of the text."""
        start, part = self._beginning(text)
        while part == self.text:  # all of it; its last characters may begin it again
            after = start + 1
            start, part = self._beginning(text[after:])
            start += after
        return start if self.hex or self._tells(part) or "\n" in part else len(text)

    def _beginning(self, text: str) -> tuple[int, str]:
        """Where its beginning starts at the end of a text, and how much of the word it is."""
        at = max(0, len(text) - REACH * (len(self.text) + 1))
        near = text[at:]
        if self.hex:
            start = self._digits_at_end(near) if _DIGIT_LAST.search(near) else None
            return (len(text), "") if start is None else (at + start, near[start:])
        found = self._begun.search(near) if self._head in near else None
        return (len(text), "") if found is None else (at + found.start(), self.text[: _depth(found)])

    def hide_end(self, text: str) -> str:
        """A text without the end of the word at its beginning."""
        near = text[: REACH * (len(self.text) + 1)]
        if self._tail not in near:
            return text
        if self.hex:
            end = self._digits_at_start(near)
            return f"{MASK}{text[end:]}" if end else text
        found = self._ended.match(near)
        if found is None or not self._tells(self.text[-_depth(found) :]):
            return text
        return f"{_OPENING.findall(near)[0]}{MASK}{text[found.end() :]}"

    @cached_property
    def _begun(self) -> re.Pattern[str]:
        """Its first characters, each in a group within the one before it."""
        pattern = ""
        for character in reversed(self.text):
            pattern = f"({_sign(character)}{pattern and pattern + '?'})"
        return re.compile(f"{pattern}{_CUT_ESCAPE}{_CLOSING.pattern}")

    @cached_property
    def _ended(self) -> re.Pattern[str]:
        """Its last characters, each in a group around the one before it."""
        pattern = ""
        for character in self.text:
            pattern = f"({pattern and pattern + '?'}{_sign(character)})"
        return re.compile(f"{_OPENING.pattern}{_REST_OF_ESCAPE}{pattern}")

    def _digits_at_end(self, near: str) -> int | None:
        """Where its first digits begin, if they are the last ones; the last but one when a cut went through `0x`."""
        digits, places = _digits(near)
        for dropped in (0, 1):
            for known in range(min(len(self.text) - 1, len(digits) - dropped), 2 * PART - 1, -1):
                if digits[: len(digits) - dropped].endswith(self.text[:known]):
                    start = places[-known - dropped]
                    return start if _DIGITS.fullmatch(near, start) else None
        return None

    def _digits_at_start(self, near: str) -> int:
        """Where its last digits end, if they are the first ones; else 0."""
        digits, places = _digits(near)
        for known in range(min(len(self.text) - 1, len(digits)), 2 * PART - 1, -1):
            if digits.startswith(self.text[-known:]):
                end = places[known - 1] + 1
                return end if _DIGITS.fullmatch(near, 0, end) else 0
        return 0

    def _tells(self, part: str) -> bool:
        return sum(map(str.isalnum, part)) >= PART or len(part) >= 2 * PART


def _sign(character: str) -> str:
    """A spelled character, and what may stand between it and the next."""
    return f"{spellings(character)}(?:{BETWEEN})*"


def _first(text: str) -> str:
    """The first letters and digits that are spelled in one way alone; empty when others come before them."""
    found = _PLAIN.search(text)
    return found[0][:PART] if found and not any(map(str.isalnum, text[: found.start()])) else ""


def _depth(found: re.Match[str]) -> int:
    return sum(begin >= 0 for begin, _ in found.regs[1:])


def _digits(text: str) -> tuple[str, list[int]]:
    """The hexadecimal digits of a text, and their places."""
    found = [digit for digit in re.finditer("0x|[0-9a-fA-F]", text) if digit[0] != "0x"]
    return "".join(digit[0].lower() for digit in found), [digit.start() for digit in found]
