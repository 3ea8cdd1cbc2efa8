"""Plain lines during a run, for logs, pipes, CI jobs and simple terminals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from seatrial.model.event import Event
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document
from seatrial.reports.words import Row
from seatrial.spi.contamination import blame_of, line_of

EVIDENCE = 12
"""Maximum lines of evidence for a step; the reports have all lines."""
WIDTH = 50
"""Maximum characters in a line of check names, to fit 60 columns."""
LISTED = 40
"""Maximum number of suites in a full summary; a longer one omits passed suites."""


@reporter("console")
class Console(Document):
    """A line per step, failures with observed and expected values, and a summary."""

    file = "console.txt"

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._colour = bool(self.options.get("colour", False))
        self._marks = words.MARKS if _speaks_unicode(self.out) else words.ASCII_MARKS
        self._verbose = bool(self.options.get("verbose", False))
        self._prefixed = False
        self._running: set[str] = set()
        self._lines: list[str] = []
        handlers = (
            self._run_started, self._suite_started, self._step_started, self._step_finished, self._fault, self._cluster,
            self._log, self._printed, self._diagnostics, self._contamination, self._cleanup_finished,
            self._suite_finished, self._run_finished,
        )  # fmt: skip
        self._handlers = {handler.__name__.removeprefix("_"): handler for handler in handlers}
        """By the kind of their event."""

    def on(self, event: Event) -> None:
        super().on(event)
        handler = self._handlers.get(event.kind)
        if handler is not None:
            handler(event, event.data)

    def close(self) -> None:
        """Write the summary of an unfinished run; write the file if the output is one."""
        if not self.fold.run["finished"]:
            self._summary()
        if isinstance(self.out, Path):
            super().close()

    def text(self) -> str:
        return "".join(self._lines)

    def say(self, line: str = "", state: str = "") -> None:
        """Write one line in the colour of the state."""
        if self._marks is words.ASCII_MARKS:
            line = line.encode("ascii", "backslashreplace").decode()
        line = words.harmless(line)
        if self._colour and state in words.COLOURS:
            line = f"\x1b[{words.COLOURS[state]}m{line}\x1b[0m"
        self._print(line)

    def _print(self, line: str) -> None:
        if isinstance(self.out, Path):
            self._lines.append(f"{line}\n")
        else:
            self.out.write(f"{line}\n")
            self.out.flush()

    def _line(self, trial: str, depth: int, text: str, state: str = "") -> None:
        self.say(f"{self._prefix(trial)}{'  ' * depth}{text}", state)

    def _prefix(self, trial: str) -> str:
        """The name of the suite, if suites run in parallel."""
        several = self._prefixed and trial and len(self.fold.suites) > 1
        return f"[{words.one_line(self.fold.suites[trial]['name'], 40)}] " if several else ""

    def _run_started(self, event: Event, data: Mapping[str, Any]) -> None:
        self.say(f"Seatrial {data.get('version', '')}  run {event.run}".strip())
        parallel = (data.get("options") or {}).get("parallel")
        self._prefixed = isinstance(parallel, int) and parallel > 1

    def _suite_started(self, event: Event, data: Mapping[str, Any]) -> None:
        self._running.add(event.trial)
        self._prefixed = self._prefixed or len(self._running) > 1
        row = self.fold.suites[event.trial]
        if len(self._running) == 1 and not self._prefix(event.trial):
            self.say()
        place = list(self.fold.suites).index(event.trial) + 1 if len(self.fold.suites) < 1000 else 0
        count = f" ({place} of {len(self.fold.suites)})" if place and len(self.fold.suites) > 1 else ""
        self._line(event.trial, 0, f"{words.plain(row['name'])} on {row['provenance']['provider']}{count}")

    def _step_started(self, event: Event, data: Mapping[str, Any]) -> None:
        row = self.fold.step(event.trial, str(data.get("step")))
        if row is not None and row["steps"]:
            self._line(event.trial, _depth(row), f"{self._marks['running']} {words.title(row)}", "running")

    def _step_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        row = self.fold.step(event.trial, str(data.get("step")))
        if row is None:
            return
        depth, state = _depth(row), words.state(row)
        say = f"{self._marks[state]} {words.title(row)}"
        if state == "skipped":
            self._line(event.trial, depth, f"{say}  (skipped: {words.one_line(row['reason'], 120)})", state)
            return
        verdict = "" if state == "passed" else f"  {words.word(state, row['verdict']).upper()}"
        again = f", attempt {row['attempts']}" if row["attempts"] > 1 else ""
        self._line(event.trial, depth, f"{say}{verdict}  ({words.seconds(row['duration'])}{again})", state)
        if state == "passed":
            self._checked(event.trial, depth + 2, row)
        self._trouble(event.trial, depth + 1, row)

    def _checked(self, trial: str, depth: int, row: Row) -> None:
        """List the passed checks of a step; other checks follow with reasons."""
        line, room = "", WIDTH - len(self._prefix(trial))
        for check in row["validation_results"]:
            if words.check_state(check) != "passed":
                continue
            name = words.one_line(check["check"], 60)
            if line and len(line) + len(name) > room:
                self._line(trial, depth, line)
                line = ""
            line += ("  " if line else "") + name
        if line:
            self._line(trial, depth, line)

    def _trouble(self, trial: str, depth: int, row: Row) -> None:
        """List the checks of a step that did not pass, and its evidence."""
        for check in row["validation_results"]:
            state = words.check_state(check)
            if state != "passed":
                text = f"{self._marks[state]} {words.one_line(check['check'], 120)}"
                self._line(trial, depth, f"{text}  {words.word(state, check['verdict']).upper()}", state)
                for line in words.details(check):
                    self._line(trial, depth + 2, line)
        if row["error"] and not any(words.state(child) in ("failed", "unknown") for child in row["steps"]):
            category = f"{row['category']}: " if row["category"] else ""
            self._line(trial, depth, f"{category}{words.one_line(row['error'], 600)}")
            if row.get("line"):
                self._line(trial, depth, f"at {row['document']}:{row['line']}")
            # The lines of `validate` about checks repeat the ones above.
            repeated = tuple(f"{check['verdict']}: {check['check']}" for check in row["validation_results"])
            lines = words.plain(row["evidence"]).strip().splitlines()
            for line in [line for line in lines if not line.startswith(repeated)][-EVIDENCE:]:
                self._line(trial, depth, f"| {line}")

    def _fault(self, event: Event, data: Mapping[str, Any]) -> None:
        row = self.fold.step(event.trial, str(data.get("step", "")))
        self._line(event.trial, _depth(row) + 1, f"{self._marks['fault']} {words.fault(data)}", "fault")

    def _cluster(self, event: Event, data: Mapping[str, Any]) -> None:
        """The origin and the reuse of a suite's cluster; a dropped one is already a warning."""
        deployer = self.fold.suites.get(str(data.get("deployed_by")), {"name": data.get("deployed_by", "")})
        texts = {
            "kept": "snapshot kept for later suites",
            "reused": f"not deployed: restored from the snapshot of {words.one_line(deployer['name'], 80)}",
            "parked": "kept for later suites",
            "moored": "kept for later suites",  # in older journals
        }
        took = f"  ({words.seconds(data['duration'])})" if "duration" in data else ""
        row = self.fold.step(event.trial, str(data.get("step", "")))
        if data.get("op") in texts:
            self._line(event.trial, _depth(row) + 1, f"{texts[data['op']]}{took}")

    def _log(self, event: Event, data: Mapping[str, Any]) -> None:
        trial = event.trial if event.trial in self.fold.suites else ""
        if data.get("level") == "notice":
            self._line(trial, 1, words.one_line(data.get("text", ""), 600))
        if data.get("level") in ("warning", "error"):
            state = "failed" if data["level"] == "error" else "allowed"
            self._line(trial, 1, f"{data['level']}: {words.one_line(data.get('text', ''), 600)}", state)

    def _printed(self, event: Event, data: Mapping[str, Any]) -> None:
        """Output of a command, as it comes."""
        if self._verbose:
            row = self.fold.step(event.trial, str(data.get("step", "")))
            for line in words.plain(data.get("text", "")).splitlines():
                self._line(event.trial, _depth(row) + 1, f"| {line}")

    def _diagnostics(self, event: Event, data: Mapping[str, Any]) -> None:
        self._line(event.trial, 1, f"diagnostics: {words.plain(data.get('path') or data.get('folder'))}")
        for node, parts in (data.get("missing") or {}).items():
            for reason in dict.fromkeys(parts.values()):
                listed = ", ".join(part for part, other in parts.items() if other == reason)
                self._line(event.trial, 2, words.one_line(f"{node}: no {listed} ({reason})", 200))

    def _contamination(self, event: Event, data: Mapping[str, Any]) -> None:
        for row in data.get("findings") or ():
            self._line(event.trial, 1, f"contamination: {words.one_line(line_of(row), 600)}")
            self._line(event.trial, 2, f"blame: {words.one_line(blame_of(row), 600)}")
        for problem in data.get("problems") or ():
            self._line(event.trial, 1, f"contamination could not be looked for: {words.one_line(problem, 600)}")

    def _cleanup_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        took = f"  ({words.seconds(data.get('duration') or 0.0)})"
        kept, left = data.get("kept") or [], data.get("left") or []
        state = "left behind" if left else "passed"
        text = f"{self._marks[state]} clean-up  {data.get('given_back', 0)} removed"
        text += f", {len(kept)} kept" if kept else ""
        text += f", {len(left)} LEFT BEHIND" if left else ""
        trial = event.trial if event.trial in self.fold.suites else ""
        self._line(trial, 1, text + took, state)
        for resource in left:
            row = {"kind": "", "name": "", "owner": "", "error": "", **resource}
            self._line(trial, 2, f"{self._marks['left behind']} {words.left_line(row)}", state)

    def _suite_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        self._running.discard(event.trial)
        row = self.fold.suites[event.trial]
        state = words.state(row)
        name = words.plain(row["name"])
        if state == "skipped":
            reason = words.one_line(row["reason"], 200)
            self._line(event.trial, 0, f"{self._marks[state]} {name}  skipped: {reason}", state)
            return
        why = f": {row['category']}" if row["category"] else ""
        text = f"{self._marks[state]} {name}  {words.word(state).upper()}{why}  ({words.seconds(row['duration'])})"
        self._line(event.trial, 0, text, state)
        if row["error"] and not any(words.state(step) in ("failed", "unknown") for step in row["workflow_steps"]):
            self._line(event.trial, 1, words.one_line(row["error"], 600))
        if row["reason"]:
            self._line(event.trial, 1, words.one_line(row["reason"], 600))

    def _run_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        self._summary()

    def _summary(self) -> None:
        run = self.fold.results()
        rows = run["results"]
        shown = rows if len(rows) <= LISTED else [row for row in rows if not row["success"]]
        self.say()
        if rows:
            self.say("Summary")
        width = min(34, max((len(words.one_line(row["name"], 80)) for row in shown), default=0))
        for row in shown:
            state = words.state(row)
            name = words.one_line(row["name"], 80)
            if len(name) > width:
                self.say(f"  {name}")
                name = ""
            category = f"  {row['category']}" if row["category"] else ""
            verdict = words.word(state).upper() if state not in ("passed", "skipped", "pending") else state
            took = words.seconds(row["duration"]) if row["duration"] else "-"
            self.say(f"{self._marks[state]} {name:<{width}}  {verdict:<11} {took:>6}{category}", state)
        if len(shown) < len(rows):
            self.say(f"  {words.count(len(rows) - len(shown), 'more suite')} passed")
        for left in run["left_behind"]:
            self.say(f"{self._marks['left behind']} left behind: {words.left_line(left)}", "left behind")
        kept = sum(len(row["kept"]) for row in (run, *rows))
        if kept:
            self.say(f"Kept: {words.count(kept, 'resource')}; remove with")
            self.say(f"  seatrial clean {run['run_id']} --all")
        self._result(run)

    def _result(self, run: Row) -> None:
        code, state = run["exit_code"], words.result(run)
        result = "NOTHING RAN" if code == 5 else state.upper()
        self.say()
        text = f"RESULT: {result}   {words.totals(run)}   Total: {words.seconds(run['duration'])}"
        self.say(text, state if state in ("passed", "failed", "left behind") else "unknown")
        if not run["finished"]:
            self.say("The run did not finish: `seatrial clean` removes its resources.")
        meaning = words.EXIT_CODES.get(code, "")
        self.say(f"Exit code {code}: {meaning}" if meaning else f"Exit code {code}")
        for path in self.options.get("reports") or ():
            self.say(f"Report: {path}")


def _depth(row: Row | None) -> int:
    return 1 + str(row["step"]).count(".") if row else 0


def _speaks_unicode(out: TextIO | Path) -> bool:
    encoding = None if isinstance(out, Path) else getattr(out, "encoding", None)
    try:
        "✓✗○▸…⚡".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
