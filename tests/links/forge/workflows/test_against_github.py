"""Expressions, read as GitHub's own package reads them (npm `@actions/expressions`).

Compared is the language that Seatrial claims. Not claimed, and so not compared: the text of numbers beyond 15 digits,
several quotes in one text and the order of texts beyond ASCII (the package has JavaScript's, GitHub's servers have
.NET's), and names of contexts that a short circuit never looks at.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.effort import examples

from seatrial.links.forge.workflows import expressions, values
from seatrial.links.forge.workflows.expressions import ExpressionError

pytestmark = pytest.mark.backend("npm")

PACKAGES = ("@actions/expressions@0.3.61", "@actions/workflow-parser@0.3.61")
PROGRAM = Path(__file__).with_name("github_reference.mjs")
ERROR = ("error",)


@pytest.fixture(scope="module")
def reference() -> Path:
    """A folder with the packages, kept in the user's cache by their versions."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "seatrial-tests" / "-".join(name.rpartition("/")[2] for name in PACKAGES)
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder), *PACKAGES]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
        (folder / "done").touch()
    (folder / PROGRAM.name).write_text(PROGRAM.read_text())
    return folder


def ask(folder: Path, questions: Sequence[dict[str, Any]]) -> list[Any]:
    lines = "".join(json.dumps(one) + "\n" for one in questions)
    argv = ["node", str(folder / PROGRAM.name)]
    done = subprocess.run(argv, input=lines, text=True, capture_output=True, timeout=300, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions), done.stderr
    return answers


CONTEXTS: dict[str, Any] = {
    "github": {
        "ref": "refs/heads/Main", "num": 10, "neg": -1.5, "zero": 0, "empty": "", "nil": None, "yes": True, "no": False,
        "List": ["a", "B", 3, None, True], "objs": [{"n": "x", "v": 1}, {"n": "Y", "v": [1, 2]}, {"w": {"n": "deep"}}],
        "ob": {"Key": "v", "key2": {"a": 1, "B": 2}, "k-d": "dash"}, "hex": "0x1F", "exp": "1e3", "sp": " 12 ",
        "nan": "NaN", "f": 0.1, "nested": [[1, 2], [3, [4]]],
    },
    "env": {"A": "1"},
}  # fmt: skip
FUNCTIONS: dict[str, expressions.Function] = {
    "success": lambda *_: True, "failure": lambda *_: False, "always": lambda: True, "cancelled": lambda: False,
    "hashFiles": lambda *_: "h",
}  # fmt: skip

UNARY = (
    "{0}",
    "format('{{0}}', {0})",
    "toJSON({0})",
    "!{0}",
    "contains({0}, 'a')",
    "join({0}, '-')",
    "{0}.x",
    "{0}[0]",
    "{0}.*",
)
LITERALS, PATHS, CORNERS = (
    part.splitlines() for part in Path(__file__).with_name("github_corpus.txt").read_text().strip().split("\n\n")
)
OPERATORS = "==", "!=", "<", ">", "<=", ">=", "&&", "||"
CALLS = {
    "contains": 2,
    "startsWith": 2,
    "ENDSWITH": 2,
    "join": 2,
    "toJSON": 1,
    "success": 0,
    "failure": 0,
    "hashFiles": 2,
}


def corpus(seed: int, count: int) -> list[str]:
    """Expressions: every operand in every place, the corners, and random ones from the grammar."""
    chance = random.Random(seed)

    def grown(depth: int) -> str:
        kind = chance.random()
        if depth <= 0 or kind < 0.25:
            return chance.choice(LITERALS + PATHS)
        if kind < 0.65:
            return f"{grown(depth - 1)} {chance.choice(OPERATORS)} {grown(depth - 1)}"
        if kind < 0.8:
            return chance.choice(["({0})", "!{0}", "({0}).x", "format('{{0}}{{1}}', {0}, 1)"]).format(grown(depth - 1))
        name, arguments = chance.choice(list(CALLS.items()))
        return f"{name}({', '.join(grown(depth - 1) for _ in range(arguments))})"

    every = [form.format(one) for one in LITERALS + PATHS for form in UNARY]
    pairs = [f"{a} {op} {b}" for a in LITERALS for b in LITERALS for op in ("==", "<")]
    deep = [left * size + "1" + right * size for size in (10, 40) for left, right in (("(", ")"), ("!", ""))]
    grew = [grown(chance.randint(1, 3)) for _ in range(count)]
    return [*every, *chance.sample(pairs, min(len(pairs), count)), *CORNERS, *deep, *grew]


def ours(text: str) -> Any:
    try:
        return shown(expressions.evaluate(text, CONTEXTS, FUNCTIONS))
    except ExpressionError:
        return ERROR


def shown(value: Any) -> Any:
    match values.kind(value):
        case "number":
            return "number", "NaN" if math.isnan(value) else float(value)
        case "array":
            return "array", [shown(one) for one in value]
        case "object":
            return "object", [(key, shown(one)) for key, one in value.items()]
        case kind:
            return kind, value


def theirs(answer: Any) -> Any:
    return ERROR if "error" in answer else read(answer["value"])


def read(value: Any) -> Any:
    match value:
        case ["null"]:
            return "null", None
        case ["number", "NaN", *_]:
            return "number", "NaN"
        case ["number", text, *_]:
            return "number", float(text)
        case ["array", items]:
            return "array", [read(one) for one in items]
        case ["object", pairs]:
            return "object", [(key, read(one)) for key, one in pairs]
    return value[0], value[1]


def test_every_expression_has_the_value_that_github_gives_it(reference: Path) -> None:
    texts = corpus(12, examples(300))
    answers = ask(reference, [{"text": text, "contexts": CONTEXTS} for text in texts])
    pairs = [(text, ours(text), theirs(answer)) for text, answer in zip(texts, answers, strict=True)]
    assert [one for one in pairs if one[1] != one[2]] == []
    values_found = sum(1 for _, _, value in pairs if value != ERROR)
    assert len(pairs) // 3 < values_found < len(pairs), "both values and errors are needed for a comparison"
