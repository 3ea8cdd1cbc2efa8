"""The page of Seatrial's files: the one table of them. A test compares it with the files of a run."""

from __future__ import annotations

from scripts.reference.page import Page

STATE = {
    ".gitignore": "keeps the folder out of version control",
    "ledger/RUN.jsonl": "the ledger of a run with possibly remaining resources",
    "runs/RUN/": "one folder for each run; `--report-dir` chooses another",
}
"""In `.seatrial/` of the project."""

RUN = {
    "events.jsonl": "every [event](events.md), one line each; all reports are made from it",
    "results.json": "run id, verdict, duration, totals, and one object per suite",
    "report.html": "the report to read: one file, with a timeline",
    "junit.xml": "JUnit: a test suite per suite, a test case per step",
    "ctrf.json": "CTRF: a test per step",
    "ledger.jsonl": "the ledger, once everything is cleaned up",
    "preflight.json": "of a pipeline: stages and checks",
    "logs/": "of a pipeline: the output of each check, with secrets hidden",
    "DEPLOYMENT/": "one folder for each suite, named by its deployment id",
}
"""In the folder of a run."""

SUITE = {
    "result.json": "the suite's object of `results.json`, by itself; of very many rounds, not every passed one",
    "test.log": "the output of all commands as it comes, secrets masked; each block begins with its time and step",
    "deployment/": "the working folder of the deployment, `$deployment_dir`",
    "artifacts/": "files from `collect` and workflows",
    "artifacts/nodes/NODE/": "console and service log of each node, saved before its removal",
    "artifacts/diagnostics/NODE/": "of a suite that did not pass: service, console, disk, network, processes, power, "
    "uptime; `missing.txt` lists the rest, with reasons",
    "artifacts/diagnostics/resources/": "of such a suite: the state of what steps made, such as a Git repository",
    "artifacts/diagnostics/shared/": "of such a suite: the values of the metrics of its `prometheus` checks",
}
"""In the folder of a suite."""

ELSEWHERE = {
    "$XDG_STATE_HOME/seatrial/leases/": "who holds each port, address and exclusive environment, across projects",
    "$XDG_STATE_HOME/seatrial/services/NAME/": "the record, log, data and locks of a shared service, for you alone",
    "$SEATRIAL_CACHE_DIR/preflight/": "results kept by preflight",
    "$SEATRIAL_CACHE_DIR/libvirt/": "findings about KVM",
    "$SEATRIAL_CACHE_DIR/images/": "node images of `make backends`",
    "seatrial.schema.json": "the JSON Schema of scenarios for your editor, by `seatrial init`",
    "seatrial.settings.schema.json": "the JSON Schema of `seatrial.toml`, beside it",
}
"""Outside the state folder."""


def files() -> Page:
    """Every file."""
    page = Page(
        "Files", "The files written by Seatrial, and their places. A word in capitals in a path stands for many names."
    )
    for title, table in (
        ("In `.seatrial/` of your project", STATE),
        ("In the folder of a run", RUN),
        ("In the folder of a suite", SUITE),
        ("Elsewhere", ELSEWHERE),
    ):
        page.heading(title)
        page.table(
            ("File", "Content"), ((f"`{name}`", f"{text[0].upper()}{text[1:]}.") for name, text in table.items())
        )
    page.say("A killed run leaves true, readable files: each is written as the run goes, or replaced in one move.")
    return page
