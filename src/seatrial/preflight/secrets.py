"""Sources of a pipeline's secrets: the environment, a file, a command. All are read before a check runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.errors import CannotTell, UsageError
from seatrial.links import process
from seatrial.links.output import beginning
from seatrial.preflight.document import SecretSource

PATIENCE = 60.0
"""Seconds for a command that prints secrets."""

_BLANK = r"[^\S\n]"
_LINE = re.compile(
    rf"^{_BLANK}*(?:export{_BLANK}+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*){_BLANK}*={_BLANK}*"
    rf"(?:'(?P<single>[^']*)|\"(?P<double>(?:\\.|[^\"])*+)|(?P<plain>[^\n]*?){_BLANK}*(?:{_BLANK}#[^\n]*)?$)",
    re.MULTILINE | re.DOTALL,
)
"""A value in quotes may have several lines; the end of the text closes it as well."""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


async def secrets_of(
    wanted: Sequence[str], sources: Sequence[str | SecretSource], folder: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """The values of the required secrets. The first source with a value wins; later sources are read only for missing
    ones. UsageError names all missing secrets; CannotTell when a source is unreadable."""
    found: dict[str, str] = {}
    looked: list[str] = []
    missing = list(wanted)
    for source in sources:
        if not missing:
            break
        if isinstance(source, str):
            held, where = environ, "the environment"
        elif source.file:
            held, where = _file(folder / source.file), source.file
        else:
            held, where = await _command(source.command, folder, environ), f"`{source.command[0]}`"
        looked.append(where)
        found |= {name: held[name] for name in missing if held.get(name)}
        missing = [name for name in missing if name not in found]
    if missing:
        what = "the secret" if len(missing) == 1 else "the secrets"
        raise UsageError(
            f"{what} {', '.join(missing)} cannot be found; looked in {', '.join(looked) or 'no place'}; "
            "nothing was started",
            evidence=f"set it there, for example: export {missing[0]}=…",
        )
    return found


def _file(file: Path) -> Mapping[str, str]:
    """The values of a file; none if it does not exist, because another source may have them all."""
    try:
        return dotenv(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "invalid UTF-8"
        raise CannotTell(f"the secrets in {file} cannot be read: {why}") from None


async def _command(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    done = await process.run(argv, cwd=folder, env=environ, timeout=PATIENCE)
    if not done.ok:
        # Its standard output may be secret; its exit code is not.
        last = beginning(done.stderr.strip().rpartition("\n")[2], 200)
        raise CannotTell(f"the command for secrets `{argv[0]}` {done.ended}: {last or 'no message'}")
    try:
        data = json.loads(done.stdout)
    except ValueError:
        return dotenv(done.stdout)
    if not isinstance(data, dict):
        raise CannotTell(f"the command for secrets `{argv[0]}` printed JSON, but not an object of names and values")
    return {str(name): _text(value) for name, value in data.items() if value is not None}


def _text(value: object) -> str:
    """A value; Doppler prints an object if asked for more than the plain secrets."""
    if isinstance(value, dict):
        value = value.get("computed", value.get("raw", ""))
    return value if isinstance(value, str) else json.dumps(value)


def dotenv(text: str) -> dict[str, str]:
    """The values in a file of NAME=value lines: quotes, `export`, comments, values over several lines in quotes."""
    return {found["name"]: _value(found) for found in _LINE.finditer("\n".join(text.splitlines()))}


def _value(found: re.Match[str]) -> str:
    if found["plain"] is not None:
        return found["plain"]
    if found["single"] is not None:
        return found["single"]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found["double"], flags=re.DOTALL)
