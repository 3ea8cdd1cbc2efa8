"""How often words occur: a noun could replace most clauses with relative words; "you" addresses the reader."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
RELATIVE = frozenset({"that", "which", "what", "whose"})
YOU = frozenset({"you", "your", "yours", "yourself", "you're", "you've", "you'll"})


@dataclass(frozen=True, slots=True)
class WordCount:
    """Words of some texts."""

    words: int = 0
    relative: int = 0
    you: int = 0

    def __add__(self, other: WordCount) -> WordCount:
        return WordCount(self.words + other.words, self.relative + other.relative, self.you + other.you)

    @property
    def relative_per_100(self) -> float:
        """Relative words in 100 words."""
        return 100 * self.relative / self.words if self.words else 0.0

    @property
    def you_per_100(self) -> float:
        """ "You" and "your" in 100 words."""
        return 100 * self.you / self.words if self.words else 0.0


def count(texts: Iterable[str]) -> WordCount:
    """Count the words of all texts together."""
    words = [word.lower().replace("’", "'") for text in texts for word in _WORD.findall(text)]
    return WordCount(len(words), sum(word in RELATIVE for word in words), sum(word in YOU for word in words))
