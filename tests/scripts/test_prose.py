"""The prose check finds its phrases, counts its words, and keeps its allowances low."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.prose import __main__, allowances, markdown, phrases, python
from scripts.prose.allowances import Allowance, Limits
from scripts.prose.passages import Passage
from scripts.prose.report import Summary, judge
from scripts.prose.word_counts import WordCount, count

STYLE = (Path(__file__).resolve().parents[2] / "STYLE.md").read_text()


def found(text: str, name: str = "page.md") -> list[str]:
    """`line rule` of each phrase in a file."""
    return [f"{finding.line} {finding.rule.name}" for finding in judge(Path(name), text).findings]


@pytest.mark.parametrize("rule", phrases.RULES, ids=lambda rule: rule.name)
def test_every_rule_finds_its_example_and_gives_advice(rule: phrases.Rule) -> None:
    assert [match[0] for match in rule.find(rule.example)]
    assert rule.advice


def test_no_rule_objects_to_the_right_column_of_the_style_guide() -> None:
    rows = [line.split(" | ") for line in STYLE.split("\n") if line.startswith("| ") and line.count(" | ") >= 1]
    pairs = [(cells[0].strip("| "), cells[-1].strip("| ")) for cells in rows][2:]
    wrong, right = ([_passage(pair[side]) for pair in pairs] for side in (0, 1))
    assert not [finding.phrase for passage in right for finding in phrases.find(passage)]
    assert sum(bool(list(phrases.find(passage))) for passage in wrong) > 20


def _passage(text: str) -> Passage:
    return Passage(file=Path("x"), line=1, text=text.replace("`", ""))


@pytest.mark.parametrize(
    "text",
    [
        "there is no such file",
        "it is no longer running",
        "the two cannot be told apart",
        "Is there a node?",
        "say yes, then no",
        "the spec of a node",
        "there are no nodes",
    ],
)
def test_plain_sentences_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_finding_names_file_line_rule_phrase_and_advice() -> None:
    (finding,) = judge(Path("docs/a.md"), "# Nodes\n\nA first line,\nand 'x' is no\nnode.\n").findings
    assert str(finding) == "docs/a.md:4: is-no: \"is no\": write 'is not a …' or 'invalid …'"


def test_a_page_is_read_without_its_code_and_links_keep_their_words() -> None:
    page = "Run `what that is`.\n\n```\nthat is no code\n```\n\n- See [which page](that.md) <!-- what -->\n"
    page += "\n| a | whose |\n"
    texts = [passage.text for passage in markdown.read(Path("a.md"), page)]
    assert texts == ["Run CODE.", "- See which page", "a whose"]


def test_a_page_can_show_what_not_to_write() -> None:
    page = "Before.\n<!-- prose: off -->\n'x' is no size\n<!-- prose: on -->\n'y' is no size\n"
    assert found(page) == ["5 is-no"]


def test_a_module_is_read_for_docstrings_messages_and_help() -> None:
    module = '''"""It is told."""
LIMIT = 3
"""Is no limit."""
COMMAND = "git log --format=%H src/a.py that"
NAMES = "alpha beta gamma delta"
def f(x):
    raise ValueError(f"{x!r} is no size; write a number " "or `nothing`")
    log("short what")
'''
    texts = [passage.text for passage in python.read(Path("a.py"), module)]
    assert texts == ["It is told.", "Is no limit.", "NAME is no size; write a number or CODE"]
    assert found(module, "a.py") == ["1 is-told", "3 is-no", "7 is-no"]


def test_a_match_in_a_long_docstring_has_its_own_line() -> None:
    assert found('def f():\n    """One.\n\n    Two.\n    It is told\n    to you.\n    """\n', "a.py") == ["5 is-told"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", 'X = "the size is told to you"  # prose: allow is-told\n'),
        ("a.py", '# prose: allow is-told\nX = "the size is told to you"\n'),
        ("a.md", "The size is told to you. <!-- prose: allow is-told -->\n"),
        ("a.md", "<!-- prose: allow is-told -->\nThe size is told to you.\n"),
    ],
)
def test_a_visible_comment_allows_a_phrase(name: str, text: str) -> None:
    page = judge(Path(name), text)
    assert (page.findings, page.unused) == ([], frozenset())


def test_an_allowance_without_an_occurrence_is_a_problem() -> None:
    page = judge(Path("a.py"), '# prose: allow is-told\nX = "the size is five to you"\n')
    assert page.unused == {"is-told"}
    assert "a.py: 'prose: allow is-told' has nothing to allow: remove it" in Summary([page], limits()).problems()


def test_words_are_counted_over_all_texts() -> None:
    words = count(["The node that you stopped", "Your files, what's left"])
    assert (words.words, words.relative, words.you) == (9, 1, 2)
    assert WordCount(200, 5, 1).relative_per_100 == 2.5
    assert WordCount().you_per_100 == 0


def limits(relative: float = 100.0, you: float = 0.0, **parts: Allowance) -> Limits:
    return Limits(relative, you, ["docs/*.md"], parts)


def test_over_a_limit_is_a_problem_and_under_it_is_none() -> None:
    pages = [judge(Path("docs/a.md"), "It is what it is, and 'x' is no size.\n")]
    assert list(Summary(pages, limits(docs=Allowance(findings=1))).problems()) == []
    problems = list(Summary(pages, limits(relative=2.0, you=1.0, docs=Allowance(1.0, 0))).problems())
    assert [problem.split(":")[0] for problem in problems[:4]] == ["together", "guides", "docs", "docs"]
    assert "docs/a.md:1: is-no" in problems[4]


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("src/seatrial/cli/run.py", "src/seatrial/cli"),
        ("src/seatrial/systems/processes/plan.py", "src/seatrial/systems"),
        ("src/seatrial/errors.py", "src/seatrial"),
        ("packages/stand-ins/src/a/b/c.py", "packages/stand-ins"),
        ("docs/guides/ssh.md", "docs"),
        ("README.md", "README.md"),
    ],
)
def test_a_file_counts_for_its_part(file: str, part: str) -> None:
    assert allowances.part_of(Path(file)) == part


def test_the_command_reads_a_checkout_and_lowers_its_allowances(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scripts" / "prose").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.prose]\nrelative = 2.2\nyou = 1.0\nguides = ["docs/*.md"]\n')
    page = tmp_path / "docs" / "a.md"
    page.write_text("You read the node that is no node.\n")
    assert __main__.main([], tmp_path) == 1
    assert "docs/a.md:1: is-no" in capsys.readouterr().err
    rows = tmp_path / allowances.FILE
    rows.write_text('[together]\nrelative = 50.0\n\n["docs"]\nrelative = 50.0\nfindings = 9\n')
    assert __main__.main([], tmp_path) == 0
    assert "1 to rewrite, 9 allowed" in capsys.readouterr().out
    assert __main__.main(["--lower"], tmp_path) == 0
    assert "relative = 12.5\nfindings = 1" in rows.read_text()
    assert __main__.main([str(page)], tmp_path) == 1
    page.write_text("You and your node.\n")
    assert __main__.main([str(page)], tmp_path) == 0
    assert __main__.main(["--lower"], tmp_path) == 0
    assert __main__.main([], tmp_path) == 0
    page.write_text("You read the node that is no node.\n")
    assert __main__.main([], tmp_path) == 1
