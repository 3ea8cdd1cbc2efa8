"""Contamination: what a trial did to shared infrastructure beside its own resources, and who of all trials did it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase

from seatrial.engine import journal
from seatrial.engine.cleanup import within
from seatrial.engine.context import TrialContext
from seatrial.engine.neighbours import LATE, Neighbour, removing, traced
from seatrial.engine.trial import Trial
from seatrial.model.result import Category, Outcome, Verdict
from seatrial.model.scenario import StepPlan
from seatrial.spi import Auditor, Blame, Finding
from seatrial.spi.contamination import line_of

PATIENCE = 60.0
"""Seconds for one auditor."""

SAID = 3
"""Findings in the error of a suite."""

WORD = 4
"""Characters of a name, from which on a command's text with it shows something."""

EVERYDAY = ("default", "kube-system", "kube-public", "main", "test")
"""Names that everybody uses."""

MOST = 10
"""Findings without blame that are shown."""

_SHOWN = ("what", "change", "where", "mark", "by", "blame", "evidence", "advice")


class Contamination:
    """The check of one trial at its end."""

    def __init__(self, trial: Trial, ctx: TrialContext) -> None:
        self._trial, self._ctx = trial, ctx
        self._raw: list[Finding] = []
        self._problems: list[str] = []
        self._neighbours: dict[str, Neighbour] = {}

    async def look(self, *, before_sweep: bool) -> None:
        """Ask the auditors whose turn it is."""
        if self._trial.run.hurried or self._trial.suite.contamination == "off":
            return
        for auditor in self._trial.auditors.values():
            if auditor.before_sweep == before_sweep:
                async with within(PATIENCE, self._problems.append, f"no answer within {PATIENCE:g} s"):
                    await self._ask(auditor)

    async def close(self) -> None:
        """End the auditors."""
        for auditor in self._trial.auditors.values():
            async with within(PATIENCE, lambda why: self._ctx.log(f"an auditor did not end: {why}", "warning")):
                await auditor.close()

    async def _ask(self, auditor: Auditor) -> None:
        self._raw += await auditor.findings(self._ctx)
        run = self._trial.run
        for other in auditor.others():
            known = self._neighbours.get(other.id)
            # A Git server knows the trial, but not the project, and with it the files.
            if other.id != self._trial.id and (known is None or (other.project and not known.trial.project)):
                self._neighbours[other.id] = Neighbour(other, run.folder if other.run == run.id else None)

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome of the trial with its findings: contaminated, it does not pass. The event has all of them."""
        suite = self._trial.suite
        findings = [graded for one in self._raw if not self._allows(one) and (graded := self._graded(one)) is not None]
        strays = [one for one in findings if one.blame is Blame.NOBODY]
        if suite.contamination != "strict" and len(strays) > MOST:
            findings = [one for one in findings if one.blame is not Blame.NOBODY or one in strays[-MOST:]]
            self._ctx.log(f"{len(strays) - MOST} more changes by others on shared infrastructure are not shown")
        if not findings and not self._problems:
            return outcome
        rows = [{key: value for key, value in asdict(one).items() if key in _SHOWN} for one in findings]
        self._trial.emit("contamination", mode=suite.contamination, findings=rows, problems=self._problems)
        if suite.contamination == "warn" or outcome.verdict is not Verdict.PASSED:
            return outcome
        blamed = [one for one in findings if one.blame is Blame.THIS]
        doubts = (Blame.PERHAPS, Blame.NOBODY) if suite.contamination == "strict" else (Blame.PERHAPS,)
        doubted = [one for one in findings if one.blame in doubts]
        if blamed:
            return _outcome(Verdict.FAILED, "contaminated", [*blamed, *doubted])
        if doubted:
            return _outcome(Verdict.UNKNOWN, "contaminated, perhaps by this trial", doubted)
        if self._problems:
            why = f"whether it is contaminated could not be seen: {'; '.join(dict.fromkeys(self._problems))}"
            return Outcome(verdict=Verdict.UNKNOWN, error=why, category=Category.INFRASTRUCTURE)
        return outcome

    def _allows(self, finding: Finding) -> bool:
        name = finding.what.replace(" ", "/", 1)
        return any(fnmatchcase(name, pattern) for pattern in self._trial.suite.contamination_allow)

    # Who did it

    @property
    def _others(self) -> Sequence[Trial]:
        """The other trials of this run."""
        return [one for one in self._trial.run.trials if one is not self._trial]

    def _graded(self, finding: Finding) -> Finding | None:
        """The finding with all that the trials' own files tell; None: another trial's work, or its owner's own."""
        if finding.change == "deleted" and finding.owner is not None:
            neighbour = self._neighbours.get(finding.owner.id) or Neighbour(finding.owner)
            if not neighbour.needs(finding.at):
                return None
        if finding.blame is Blame.THIS:
            return finding
        mine = traced(self._trial.folder, finding.traces)
        theirs = {id: line for id, one in self._neighbours.items() if (line := one.traced(finding.traces))}
        if mine and not theirs:
            return replace(finding, blame=Blame.THIS, evidence=f"the output of this trial says {mine!r}")
        if theirs and not mine:
            return None
        if mine:
            also = ", ".join(theirs)
            evidence = f"the output of this trial says {mine!r}, and that of the trial {also} too"
            return replace(finding, blame=Blame.PERHAPS, evidence=evidence)
        graded = self._by_signs(finding)
        return None if graded is None or (graded.proven and graded.blame is Blame.NOBODY) else graded

    def _by_signs(self, finding: Finding) -> Finding | None:
        """By the weaker signs, when no output tells; None: they point to another trial."""
        events = journal.read(self._trial.run.folder / "events.jsonl")
        together = [one for one in finding.companions if abs(one[1] - finding.at) <= LATE]
        if together and not removing(events, self._trial.id, finding.at):
            # One selector had both; whose it was, the commands may say.
            evidence = f"{together[0][0]} of this trial was deleted in the same moment"
            mine = _names(self._trial, finding.words)
            if not mine and any(_names(one, finding.words) for one in self._others):
                return None
            return replace(finding, blame=Blame.THIS if mine else Blame.PERHAPS, evidence=evidence)
        if word := _names(self._trial, finding.words):
            others = [one for one in self._others if _names(one, [word])]
            # To read something, a command must name it as well.
            proves = finding.change == "made" and not others
            evidence = f"a command of this trial names {word!r}" + (", and others do too" if others else "")
            return replace(finding, blame=Blame.THIS if proves else Blame.PERHAPS, evidence=evidence)
        if any(_names(one, finding.words) for one in self._others):
            return None
        if finding.blame is Blame.PERHAPS or finding.proven or not finding.by_hand or not finding.at:
            return finding
        for command in self._trial.commands:
            if command.start - LATE <= finding.at <= command.end + LATE:
                evidence = f"but it was {finding.change} while step {command.step} ({command.kind}) ran"
                return replace(finding, evidence=evidence)
        return finding


def _outcome(verdict: Verdict, how: str, findings: Sequence[Finding]) -> Outcome:
    lines = [line_of(asdict(one)) for one in findings]
    more = f"; and {len(lines) - SAID} more" if len(lines) > SAID else ""
    error = f"{how}: {'; '.join(lines[:SAID])}{more}"
    evidence = "\n".join(f"{one.what}: {one.evidence}; {one.advice}" for one in findings)
    return Outcome(verdict=verdict, error=error, category=Category.TEST, evidence=evidence)


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def _names(trial: Trial, words: Sequence[str]) -> str:
    """The first of these words in the commands of a trial's document; empty: it names none."""
    telling = [word for word in words if len(word) >= WORD and word not in EVERYDAY]
    commands = "\n".join(_texts(trial.suite.steps)) if telling else ""
    return next((word for word in telling if _has(commands, word)), "")


def _texts(plans: Sequence[StepPlan]) -> Iterator[str]:
    """The commands of a document, as written."""
    for plan in plans:
        if plan.kind == "custom_command":
            yield from _strings(plan.fields)
        yield from _texts(plan.children)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)
