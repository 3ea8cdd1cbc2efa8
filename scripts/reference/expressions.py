"""The page of expressions: every name for `${{ }}` and CEL, and its places."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.reference.page import Page, sentence

from seatrial.expressions import CHECK_NAMES, EXTRAS, NAMES
from seatrial.registry import RESERVED, Registry


def expressions(registry: Registry) -> Page:
    """Every name."""
    page = Page(
        "Expressions",
        "`${{ … }}` in a text is replaced by a value when the step runs. `if`, `until` and `that` are expressions, "
        "so they need no `${{ }}`. The language is [CEL](https://cel.dev). `seatrial check` refuses an unknown name.",
        "A value is data: if a deployer, a server or a page answers `${{ … }}`, nothing is filled in.",
    )
    page.heading("Everywhere")
    page.table(("Name", "Meaning"), [(f"`{name}`", sentence(text)) for name, text in NAMES.items()])
    page.heading("In some places")
    page.table(("Name", "Meaning"), [(f"`{name}`", sentence(text)) for name, text in EXTRAS.items()])
    page.table(
        ("Where", "Names, besides those everywhere"),
        [
            ("a check, unless it is in this table", _names(page, CHECK_NAMES)),
            *(
                (f"the check `{name}`", _names(page, names))
                for name in registry.names("check")
                if (names := _own(registry, "check", name))
            ),
            *(
                (f"the step `{name}`", _names(page, names))
                for name in _steps(registry)
                if (names := _own(registry, "step", name))
            ),
            *(
                (f"the settings of `{name}`", _names(page, names))
                for name in registry.names("system")
                if (names := _own(registry, "system", name))
            ),
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


def _steps(registry: Registry) -> list[str]:
    return [name for name in registry.names("step") if name not in RESERVED["step"]]


def _own(registry: Registry, kind: str, name: str) -> tuple[str, ...]:
    """The names added by a class."""
    cls = registry.get(kind, name)
    hooks = ("expression_names", "child_names", "template_names")
    return tuple(dict.fromkeys(word for hook in hooks for word in getattr(cls, hook, ())))


def _names(page: Page, names: Sequence[str]) -> str:
    for name in names:
        page.need(EXTRAS.get(name) or NAMES.get(name, ""), f"the expression name {name!r} has no text")
    return ", ".join(f"`{name}`" for name in names)
