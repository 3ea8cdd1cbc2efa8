"""`init`, `doctor`, `schema` and `mcp`: set up a project, a machine and agents."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from seatrial.cli.parser import FOLDER, FORMAT, Arguments, Command, argument, choice, flag, plugin, seconds


def init(arguments: Arguments) -> int:
    from seatrial.app.init import begin

    sys.stdout.write(begin(arguments.folder, system=arguments.system, ci_server=arguments.ci or ""))
    return 0


def doctor(arguments: Arguments) -> int:
    from seatrial.app.doctor import described, examine

    findings = examine(arguments.provider, plugins=tuple(arguments.plugins), deadline=arguments.deadline)
    if arguments.format == "json":
        sys.stdout.write(json.dumps(findings.data(), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(described(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else 0))
    return 0 if findings.works else 3


def schema(arguments: Arguments) -> int:
    from seatrial.app.schemas import schema_text

    text = schema_text(tuple(arguments.plugins), of=arguments.what)
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{arguments.out}\n")
    return 0


def mcp(arguments: Arguments) -> int:
    from seatrial.mcp import serve

    return serve(arguments.folder, allow_run=arguments.allow_run)


COMMANDS = {
    "init": Command(
        act=init,
        arguments=(
            FOLDER,
            argument("--system", default="", metavar="KIND",
                     help="system of the first scenario if the folder has several deployments; `sample`: Seatrial's"),
            choice("--ci", ("github", "gitlab", "jenkins"), default=None, metavar="SERVER",
                   help="also write a job that runs the scenario: github, gitlab or jenkins"),
        ),
        more="It looks for your deployment in the folder (a script, a workflow, …) and writes a first scenario: deploy "
        "it, take a node away, bring it back. Without one, the scenario deploys Seatrial's sample. Nothing is run, and "
        "no existing file is changed.",
        examples=(
            ("init", "in the current folder"),
            ("init --system command --ci gitlab", "for the deployer in it, with a job for GitLab"),
            ("init trials && cd trials && seatrial run", "in a new folder, then run it"),
        ),
    ),
    "doctor": Command(
        act=doctor,
        arguments=(
            argument("provider", nargs="*", metavar="PROVIDER",
                     help="examine only these (default: all, and the machine itself)"),
            # An emulated guest on a busy machine is slow.
            argument("--deadline", type=seconds, default=30.0, metavar="TIME",
                     help="time limit per provider (default 30s)"),
            plugin(),
            FORMAT,
        ),
        more="Exit code 0 if the default provider (local), or every provider you name, works here; otherwise 3.",
        examples=(
            ("doctor", "the whole machine: results, and commands to install the rest"),
            ("doctor containers libvirt", "two providers"),
            ("doctor --format json", "as JSON"),
        ),
    ),
    "schema": Command(
        act=schema,
        arguments=(
            choice("what", ("scenario", "pipeline", "settings"), nargs="?", default="scenario", metavar="DOCUMENT",
                   help="kind of document: scenario (default), pipeline, or settings (seatrial.toml)"),
            plugin("include the steps, checks, … of this plugin file"),
            argument("--out", type=Path, metavar="FILE", help="output file (default: standard output)"),
        ),
        examples=(
            ("schema --out seatrial.schema.json", "for editors: `# yaml-language-server: $schema=…`"),
            ("schema --plugin my_steps.py", "with your own steps"),
            ("schema pipeline --out pipeline.schema.json", "for pipeline files"),
            ("schema settings --out settings.schema.json", "for seatrial.toml"),
        ),
    ),
    "mcp": Command(
        act=mcp,
        arguments=(FOLDER, flag("--allow-run", help="also offer tools to start and stop runs")),
        more="An MCP client starts it and talks to it on standard input and output. Without --allow-run the client can "
        "list and check scenarios and read results, but start nothing. Needs an extra: pip install 'seatrial[mcp]'.",
        examples=(
            ("mcp", "in a project folder, read-only"),
            ("mcp /srv/shop --allow-run", "another project, with permission to run scenarios and pipelines"),
        ),
    ),
}  # fmt: skip
