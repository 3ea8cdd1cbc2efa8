"""Phrases that slow a reader down, each with a replacement. STYLE.md shows them as pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.prose.passages import Passage


@dataclass(frozen=True, slots=True)
class Rule:
    """One phrase."""

    name: str
    """For `prose: allow NAME`."""
    pattern: str
    """A regular expression; case is ignored."""
    advice: str
    """The replacement."""
    example: str
    """A sentence with the phrase in it, for the test."""

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Each occurrence."""
        return re.finditer(self.pattern, text, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """An occurrence of a phrase."""

    passage: Passage
    rule: Rule
    line: int
    phrase: str

    def __str__(self) -> str:
        return f'{self.passage.file}:{self.line}: {self.rule.name}: "{self.phrase}": {self.rule.advice}'


RULES = (
    Rule(
        "is-no",
        r"(?<!there )\b(?:is|are|was|were) no\b(?! (?:longer|more|such|need|way|room|point|reason|one)\b)",
        "write 'is not a …' or 'invalid …'",
        "'x' is no size",
    ),
    Rule(
        "is-none", r"\b(?:that|which|it|this) (?:is|are) none\b", "name the thing: 'is not a …'", "a key that is none"
    ),
    Rule(
        "is-told",
        r"\b(?:is|are|was|were|be|been|being|gets?|not) (?:told|said)\b(?! apart)",
        "name the actor: 'Seatrial reports …', 'the log shows …'",
        "the doubt is told once",
    ),
    Rule("tell-of", r"\btell(?:s|ing)? of\b|\btold of\b", "write 'report' or 'describe'", "it tells of a failure"),
    Rule("as-ever", r"\bas ever\b", "write 'as usual', or leave it out", "it runs as ever"),
    Rule("say", r"(?:, say(?=[,.;:)]|$)|\bsay,(?= \w+[.;)]))", "write 'for example'", "three nodes, say."),
    Rule("no-telling", r"\bno telling\b", "write 'cannot be determined'", "there is no telling who answers"),
    Rule("what-of", r"\bwhat of (?:it|them|that|this)\b", "name it: 'the parts of …'", "what of it is left"),
    Rule("one-too-many", r"\bone \w+ too many\b", "write 'unexpected …'", "'x' is one word too many"),
    Rule("that-was", r"\ba run that was\b", "write 'a finished run'", "write reports of a run that was"),
    Rule("nothing-of", r"\bnothing of\b", "write 'no part of' or 'none of'", "nothing of it is kept"),
    Rule("whoever", r"\b(?:whoever|whomever|whosoever|whatsoever)\b", "write 'anyone who'", "whoever reads it"),
    Rule(
        "nobodys",
        r"\b(?:nobody|anybody|everybody|somebody)(?:'s|’s)",
        "write 'does not block …', 'belongs to no one', or name the owner",
        "it is in nobody's way",
    ),
    Rule("of-ours", r"\bours\b", "write 'created by Seatrial'", "a thing of ours"),
    Rule(
        "not-there",
        r"(?<!whether )\b(?:is|are|was|were) (?:not |no longer |already |still |yet |not yet )*there\b"
        r"(?! (?:is|are|was|were|a|an|any|no|to)\b)",
        "write 'exists', 'is missing' or 'is not implemented yet'",
        "the step is not yet there",
    ),
    Rule(
        "through", r"\b(?:is|are|was|were|be) (?:not )?through\b(?! \w)", "write 'finished'", "the init was not through"
    ),
    Rule(
        "come-within",
        r"\b(?:did|does|has|have) not (?:come|came)(?: up)? within\b",
        "write 'Timed out after … waiting for …'",
        "the state did not come within 5 s",
    ),
    Rule(
        "how-it-went",
        r"\bhow (?:it|they|that|this|all) (?:went|ended|goes|ends)\b",
        "write 'the result'",
        "it says how it went",
    ),
    Rule(
        "became-of",
        r"\b(?:became|becomes?|come|came) of\b",
        "write 'the result of' or 'the state of'",
        "what became of it",
    ),
    Rule(
        "give-back",
        r"\b(?:gives?|given|gave|giving)(?: \w+){0,3} back\b",
        "write 'remove', 'release' or 'clean up'",
        "it gives everything back",
    ),
    Rule(
        "break-off",
        r"\b(?:breaks?|broke|broken|breaking) off\b",
        "write 'was interrupted' or 'disconnected'",
        "it broke off",
    ),
    Rule("mend", r"\bmend(?:s|ed|ing)?\b", "write 'fix' or 'repair'", "mend what ruff can"),
    Rule("anew", r"\banew\b|\bafresh\b", "write 'again'", "it is read anew"),
    Rule(
        "archaic",
        r"\b(?:thereof|therein|thereby|wherein|whereof|whereby|whence)\b",
        "write it out",
        "the parts thereof",
    ),
    Rule(
        "stands",
        r"\b(?:stands?|stood) (?:in|on|at|there|beside|under|alone)\b",
        "write 'is in' or 'appears in'",
        "it stands in the file",
    ),
    Rule("but-for", r"\bbut for\b", "write 'except for'", "all but for one"),
    Rule(
        "so-many",
        r"\bso many \w+ at (?:a time|once)\b",
        "write 'the maximum number of … at a time'",
        "so many suites at a time",
    ),
    Rule("ones-own", r"\bone(?:'s|’s) own\b", "write 'your own'", "a check of one's own"),
    Rule("living", r"\bliving (?:run|process|trial)\b", "write 'active'", "a living run"),
    Rule(
        "cost-nothing",
        r"\bcosts? nothing but\b",
        "say what happens: 'the run continues'",
        "it costs nothing but the reuse",
    ),
    Rule("to-nothing", r"\bcame? to nothing\b", "write 'failed'", "the call came to nothing"),
    Rule("red-of", r"\ba (?:red|green) of\b", "write 'is reported separately'", "a red of its own"),
    Rule("spec", r"\b(?-i:SPEC)\b", "the reader has no SPEC: name the page under docs/", "the exit code of SPEC 9"),
)


def find(passage: Passage) -> Iterator[Finding]:
    """The phrases of a passage, without the file's exceptions."""
    for rule in RULES:
        if rule.name in passage.allowed:
            continue
        for match in rule.find(passage.text):
            yield Finding(passage, rule, passage.line_of(match.start()), " ".join(match[0].split()))
