"""`init`, `doctor`, `schema` and `completion`: set up a project and a machine."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from seatrial.cli.parser import Arguments, Command, Parser, existing_file, format_argument, one_of, seconds

DOCUMENTS = ("scenario", "pipeline", "settings")
SHELLS = ("bash", "zsh", "fish", "tcsh")


def init_arguments(parser: Parser) -> None:
    """All of `init`."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="project folder (default: the current one)",
    )


def init(arguments: Arguments) -> int:
    """Write the missing files, and print the next steps."""
    from seatrial.app.init import begin

    sys.stdout.write(begin(arguments.folder))
    return 0


def doctor_arguments(parser: Parser) -> None:
    """All of `doctor`."""
    parser.add_argument(
        "provider", nargs="*", metavar="PROVIDER", help="examine only these (default: all, and the machine itself)"
    )
    parser.add_argument(
        "--deadline", type=seconds, default=30.0, metavar="TIME", help="time limit per provider (default 30s)"
    )
    parser.add_argument(
        "--plugin", type=existing_file, action="append", default=[], metavar="FILE", help="load a plugin file"
    )
    format_argument(parser)


def doctor(arguments: Arguments) -> int:
    """Examine the machine and its providers."""
    from seatrial.app.doctor import described, examine

    findings = examine(arguments.provider, plugins=tuple(arguments.plugin), deadline=arguments.deadline)
    if arguments.format == "json":
        sys.stdout.write(json.dumps(findings.data(), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(described(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else 0))
    return 0 if findings.works else 3


def schema_arguments(parser: Parser) -> None:
    """All of `schema`."""
    parser.add_argument(
        "what", nargs="?", choices=DOCUMENTS, type=one_of(DOCUMENTS), default="scenario", metavar="DOCUMENT",
        help="kind of document: scenario (default), pipeline, or settings (seatrial.toml)",
    )  # fmt: skip
    parser.add_argument(
        "--plugin",
        type=existing_file,
        action="append",
        default=[],
        metavar="FILE",
        help="include the steps, checks, … of this plugin file",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="output file (default: standard output)")


def schema(arguments: Arguments) -> int:
    """Print the JSON Schema of documents."""
    if arguments.what == "pipeline":
        from seatrial.app.preflight import schema_text as pipeline_schema

        text = pipeline_schema()
    else:
        from seatrial.app.init import schema_text

        text = schema_text(tuple(arguments.plugin), of=arguments.what)
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{arguments.out}\n")
    return 0


def completion_arguments(parser: Parser) -> None:
    """All of `completion`."""
    parser.add_argument("shell", choices=SHELLS, type=one_of(SHELLS), metavar="SHELL", help="bash, zsh, fish or tcsh")


def completion(arguments: Arguments) -> int:
    """Print the completion script of a shell."""
    from seatrial.cli.completion import script

    sys.stdout.write(script(arguments.shell))
    return 0


COMMANDS = {
    "init": Command(
        arguments=init_arguments,
        act=init,
        more="Existing files are not changed.",
        examples=(
            ("init", "in the current folder"),
            ("init trials && cd trials && seatrial run", "in a new folder, then run it"),
        ),
    ),
    "doctor": Command(
        arguments=doctor_arguments,
        act=doctor,
        more="Exit code 0 if the default provider (local), or every provider you name, works here; otherwise 3.",
        examples=(
            ("doctor", "the whole machine: results, and commands to install the rest"),
            ("doctor containers libvirt", "two providers"),
            ("doctor --format json", "as JSON"),
        ),
    ),
    "schema": Command(
        arguments=schema_arguments,
        act=schema,
        examples=(
            ("schema --out seatrial.schema.json", "for editors: `# yaml-language-server: $schema=…`"),
            ("schema --plugin my_steps.py", "with your own steps"),
            ("schema pipeline --out pipeline.schema.json", "for pipeline files"),
            ("schema settings --out settings.schema.json", "for seatrial.toml"),
        ),
    ),
    "completion": Command(
        arguments=completion_arguments,
        act=completion,
        examples=(
            ("completion bash >~/.local/share/bash-completion/completions/seatrial", "for new shells"),
            ("completion zsh >~/.zfunc/_seatrial", "with ~/.zfunc in fpath"),
            ("completion fish >~/.config/fish/completions/seatrial.fish", "for all shells, immediately"),
        ),
    ),
}
