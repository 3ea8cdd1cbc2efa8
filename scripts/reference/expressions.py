"""The page of expressions: every name that `${{ }}` and CEL may use, and where."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.reference.page import Page

from seatrial.expressions import CHECK_NAMES, FIXED, ROOTS
from seatrial.registry import RESERVED, Registry

MEANING = {
    "steps": "`steps.ID.outputs.NAME`: an output of an earlier step. A step without `id` is known by its kind.",
    "vars": "`vars.NAME`: a value of the step `set`, of `vars:`, or of `[vars]` in `seatrial.toml`.",
    "parameters": "`parameters.NAME`: a parameter of the suite.",
    "run": "The invocation.",
    "trial": "This suite being run.",
    "suite": "The suite.",
    "deploy_dir": "The folder of the deployment; `$deployment_dir` in older documents.",
    "env": "`env.NAME`: a variable of the environment. Its value is not hidden.",
    "secrets": "`secrets.NAME`: a secret, hidden in every output.",
    "nodes": "`nodes['n11'].address`, `.name`, `.ports.NAME`, `.trial`: the nodes, after deploy.",
    "json": "The JSON of an answer or of standard output.",
    "status": "The HTTP status.",
    "headers": "The headers of an answer, by their names in lower case.",
    "body": "The answer as text.",
    "seen": "What the check saw.",
    "url": "The URL that answered.",
    "uploads": "`uploads.FIELD.size`, `.sha256`: what was sent.",
    "stdout": "Standard output.",
    "stderr": "Standard error.",
    "exit_code": "The exit code.",
    "output": "The output.",
    "rows": "The rows, each a mapping.",
    "value": "The one value.",
    "round": "The number of the round, from 1.",
    "error": "What went wrong in the group.",
    "node": "`node.name`, `.address`, `.ports.NAME`, `.folder`: the node that is meant.",
    "cluster": "`cluster.peers` and more: the cluster as the system knows it.",
    "record": "`record.key`, `.value`, `.key_base64`, `.value_base64`: a record of `data_integrity`.",
    "outputs": "`outputs.NAME`: an output of the deploy workflow.",
}
"""What each name stands for; a name that the code knows and this table does not is an error of the page."""


def expressions(registry: Registry) -> Page:
    """Every name."""
    page = Page(
        "Expressions",
        "`${{ … }}` in a text is replaced by a value when the step runs. `if`, `until` and `that` are expressions, "
        "so they need no `${{ }}`. The language is [CEL](https://cel.dev). `seatrial check` refuses an unknown name.",
        "A value is data: if a deployer, a server or a page answers `${{ … }}`, nothing is filled in.",
    )
    page.heading("Everywhere")
    page.table(("Name", "Meaning"), [(f"`{name}`", _meaning(page, name)) for name in ROOTS])
    page.heading("In checks")
    page.say("The expressions of a check also see:")
    rows = [("every check", _names(page, CHECK_NAMES))]
    rows += [
        (f"`{name}`", _names(page, extra))
        for name in registry.names("check")
        if (extra := _own(registry, "check", name))
    ]
    page.table(("Check", "Names"), rows)
    page.heading("In steps")
    page.table(
        ("Step", "Names"),
        [
            (f"`{name}`", _names(page, extra))
            for name in registry.names("step")
            if name not in RESERVED["step"] and (extra := _own(registry, "step", name))
        ],
    )
    page.heading("In the settings of systems")
    page.table(
        ("System", "Names"),
        [
            (f"`{name}`", _names(page, extra))
            for name in registry.names("system")
            if (extra := tuple(getattr(registry.get("system", name), "template_names", ())))
        ],
    )
    page.heading("Examples")
    page.code(
        "yaml",
        "- {step: deploy, id: shop}\n- step: custom_command\n  if: parameters.cluster_size >= 3\n"
        "  custom_command: [curl, -f, \"http://${{ nodes['n11'].address }}/\"]\n"
        "- {step: wait, until: size(nodes) == 3, timeout: 1m}",
    )
    return page


def _own(registry: Registry, kind: str, name: str) -> tuple[str, ...]:
    cls = registry.get(kind, name)
    names = (*getattr(cls, "expression_names", ()), *getattr(cls, "child_names", ()))
    return tuple(dict.fromkeys(names))


def _names(page: Page, names: Sequence[str]) -> str:
    return " ".join(f"`{name}`: {_meaning(page, name)}" for name in names)


def _meaning(page: Page, name: str) -> str:
    below = f" It has {', '.join(f'`{name}.{part}`' for part in FIXED[name])}." if name in FIXED else ""
    return page.need(MEANING.get(name, ""), f"the expression name {name!r} has no text") + below
