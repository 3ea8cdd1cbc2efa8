"""Thirty documents with one mistake each, as people make them: those that editors mark, and those that `check` refuses.

The table: python3 -m tests.editors.mutations
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import jsonschema  # type: ignore[import-untyped]
import yaml

from seatrial.errors import DocumentError
from seatrial.loading.compilation import compile_documents
from seatrial.loading.schema import schema
from seatrial.loading.settings import load
from seatrial.registry import Registry

GOOD = """\
provider: local
description: A deployer's cluster
system:
  kind: command
  deploy: "true"
  destroy: "true"
  status: "echo '{}'"
  nodes: [n11, n12]
  inventory: {file: inventory.ini}
  stop_node: [stop, "${{ node.name }}"]
  start_node: [start, "${{ node.name }}"]
  timeouts: {deploy: 5m}
parameters: {cluster_size: 2}
test_suites:
  one_node:
    timeout: 1h
    combinations: each
    workflow:
      - step: deploy
        id: deployed
      - step: validate
        checks:
          - cluster_status
          - node_status:n11:running
          - {check: http, url: "http://127.0.0.1:8080/", status: 200}
        retry: {max_attempts: 5, delay: 2s}
      - step: stop_node
        target_node: n11
      - step: wait
        for: 10s
      - step: start_node
        target_node: n11
        wait_for: link
      - step: destroy
        allow_failure: false
"""


class Mutation(NamedTuple):
    """One mistake."""

    what: str
    old: str
    new: str
    marked: bool = True
    """Whether the schema refuses it."""
    refused: bool = True
    """Whether `check` refuses it."""

    @property
    def text(self) -> str:
        assert GOOD.count(self.old) == 1, self
        return GOOD.replace(self.old, self.new)


MUTATIONS = (
    Mutation("an unknown step", "step: deploy", "step: deplyo"),
    Mutation("a step as a word", "- step: destroy\n        allow_failure: false", "- destroy"),
    Mutation("a step without `step`", "- step: wait\n        for", "- for"),
    Mutation("an unknown key of a step", "wait_for: link", "wait_fro: link"),
    Mutation("an unknown value of a step", "wait_for: link", "wait_for: ssh"),
    Mutation("text for true or false", "allow_failure: false", "allow_failure: never"),
    Mutation("an unknown check", "- cluster_status", "- cluster_statsu"),
    Mutation("an unknown check as a mapping", "check: http", "check: htpp"),
    Mutation("an unknown key of a check", "status: 200", "stauts: 200"),
    Mutation("a check without a key that it needs", 'url: "http://127.0.0.1:8080/", ', ""),
    Mutation("a wrong value of a check", "status: 200", "status: ok"),
    Mutation("an unknown node state", "node_status:n11:running", "node_status:n11:up"),
    Mutation("one `=` in a check", "- cluster_status", "- cluster_status=running"),
    Mutation("a check that needs an argument", "- cluster_status", "- tcp"),
    Mutation("a deadline in words", "{deploy: 5m}", "{deploy: soon}"),
    Mutation("an unknown system", "kind: command", "kind: comand"),
    Mutation("an unknown key of a system", 'destroy: "true"', 'destory: "true"\n  destroy: "true"'),
    Mutation("a list for a mapping", "{file: inventory.ini}", "[inventory.ini]"),
    Mutation("an unknown key of a suite", "timeout: 1h", "time_out: 1h"),
    Mutation("an unknown word of a suite", "combinations: each", "combinations: pairs"),
    Mutation("a duration in words", "for: 10s", "for: 10 seconds"),
    Mutation("no attempt", "max_attempts: 5", "max_attempts: 0"),
    Mutation("a retry without an end", "max_attempts: 5, ", ""),
    Mutation("a suite without steps", "    workflow:", "    flow:"),
    Mutation("an unknown node", "target_node: n11\n      - step: wait", "target_node: n19\n      - step: wait", False),
    Mutation("two ways to name nodes", "- step: stop_node\n", "- step: stop_node\n        node: n12\n", False),
    Mutation("an unknown variable", '[stop, "${{ node.name }}"]', '[stop, "${{ nod.name }}"]', False),
    Mutation("a power that nobody has", '  stop_node: [stop, "${{ node.name }}"]\n', "", False),
    Mutation("a system without a verb it needs", '  deploy: "true"\n', "", False),
    Mutation("another description", "A deployer's cluster", "Anything", False, False),
)  # fmt: skip


def refused(registry: Registry, text: str, folder: Path) -> bool:
    """Whether `check` refuses a document."""
    (folder / "x.yaml").write_text(text)
    try:
        compile_documents([folder / "x.yaml"], registry, load(folder, {}))
    except DocumentError:
        return True
    return False


def main() -> int:
    """Print the table."""
    registry = Registry()
    validator = jsonschema.Draft202012Validator(schema(registry))
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            (one.what, refused(registry, one.text, Path(folder)), not validator.is_valid(yaml.safe_load(one.text)))
            for one in (Mutation("no mistake", GOOD, GOOD), *MUTATIONS)
        ]
    words = {True: "refused", False: "-"}
    lines = [f"{'mistake':<36} {'check':<8} schema", *(f"{a:<36} {words[b]:<8} {words[c]}" for a, b, c in rows)]
    total = [sum(bool(row[at]) for row in rows) for at in (1, 2)]
    sys.stdout.write("\n".join([*lines, f"{len(MUTATIONS)} mistakes: {'':<22}{total[0]:<8} {total[1]}"]) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
