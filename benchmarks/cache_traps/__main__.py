"""Set each trap for each tool, and print a table of right and wrong: `python -m benchmarks.cache_traps`.

Exit code 1 when Seatrial is wrong where an answer can be right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cache_traps.place import Place, Unsaid, Wrong
from benchmarks.cache_traps.tools import TOOLS, Tool
from benchmarks.cache_traps.traps import TRAPS, UNKNOWABLE

RIGHT, UNSAID = "right", "-"
WIDTH = 26


def answer(name: str, tool: Tool, folder: Path, verbose: bool) -> str:
    """What the tool does in the trap, in one or two words."""
    place = Place(folder, tool)
    try:
        TRAPS[name](place)
    except Unsaid:
        return UNSAID
    except Wrong as error:
        if verbose or str(error).startswith("cannot run"):
            print(f"{tool.name}, {name}: {error}; {'; '.join(place.runs)}", file=sys.stderr, flush=True)
        return f"WRONG: {str(error).partition(':')[0]}"
    return RIGHT


def table(names: Sequence[str], answers: Mapping[str, Mapping[str, str]], missing: Mapping[str, str]) -> None:
    tools = list(answers)
    wide = max(map(len, names)) + 2
    print("".join([f"{'trap':{wide}}", *(f"{tool:{WIDTH}}" for tool in tools)]).rstrip())
    for name in names:
        row = [f"{_word(name, answers[tool][name]):{WIDTH}}" for tool in tools]
        print("".join([f"{name:{wide}}", *row]).rstrip())
    print("".join([f"{'right':{wide}}", *(f"{_score(answers[tool]):{WIDTH}}" for tool in tools)]).rstrip())
    for tool, why in missing.items():
        print(f"{tool} is not in the table: {why}")


def _word(name: str, told: str) -> str:
    return told.replace("WRONG: ", "") if name in UNKNOWABLE else told


def _score(answers: Mapping[str, str]) -> str:
    counted = [one for name, one in answers.items() if name not in UNKNOWABLE and one != UNSAID]
    return f"{counted.count(RIGHT)} of {len(counted)}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache_traps", description=__doc__)
    parser.add_argument(
        "--tools", default=",".join(TOOLS), help="of these only, parted by commas; default: %(default)s"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="traps with this in their name")
    parser.add_argument("--jobs", type=int, default=2, help="traps at a time; default: %(default)s")
    parser.add_argument("--verbose", action="store_true", help="print what led to each wrong answer")
    options = parser.parse_args()
    names = [name for name in TRAPS if options.only in name]
    if not names:
        parser.error(f"no trap has {options.only!r} in its name: {'; '.join(TRAPS)}")
    tools = [TOOLS[name]() for name in options.tools.split(",")]
    missing = {tool.name: why for tool in tools if (why := tool.available())}
    tools = [tool for tool in tools if tool.name not in missing]
    answers: dict[str, dict[str, str]] = {tool.name: {} for tool in tools}
    with tempfile.TemporaryDirectory(prefix="seatrial-traps-") as scratch, ThreadPoolExecutor(options.jobs) as pool:
        todo = {
            (tool.name, name): pool.submit(answer, name, tool, Path(scratch, tool.name, str(at)), options.verbose)
            for at, name in enumerate(names)
            for tool in tools
        }
        for (tool, name), result in todo.items():
            answers[tool][name] = result.result()
    table(names, answers, missing)
    own = answers.get("seatrial", {})
    wrong = [name for name, one in own.items() if one != RIGHT and name not in UNKNOWABLE]
    if wrong:
        print(f"Seatrial is wrong: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
