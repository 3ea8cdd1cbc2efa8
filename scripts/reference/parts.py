"""The pages of steps, checks, systems and providers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from scripts.reference.examples import examples, settings
from scripts.reference.fields import keys_of
from scripts.reference.page import Page, sentence

from seatrial.loading.fields import described
from seatrial.registry import RESERVED, Registry
from seatrial.spi import Powers


def steps(registry: Registry) -> Page:
    """Every step."""
    page = Page(
        "Steps",
        "A step does one thing. Besides its own keys, every step takes the [common keys](documents.md#steps).",
    )
    names = [name for name in registry.names("step") if name not in RESERVED["step"]]
    _contents(page, names)
    for name in names:
        cls = _part(page, registry, "step", name)
        _keys(page, cls, name)
        _outputs(page, cls)
        _example(page, "step", name)
    page.heading("Reserved names")
    page.say(", ".join(f"`{name}`" for name in RESERVED["step"]) + ": you cannot use them yet.")
    return page


def checks(registry: Registry) -> Page:
    """Every check."""
    page = Page(
        "Checks",
        "A check observes one thing, once. You write it as text (`mount:/data`) or as a mapping "
        "(`{check: mount, path: /data}`). A mapping also takes the [common keys](documents.md#checks). "
        "The guide is [Checks](../guides/checks.md).",
    )
    names = registry.names("check")
    _contents(page, names)
    for name in names:
        cls = _part(page, registry, "check", name)
        _keys(page, cls, name)
        _example(page, "check", name)
    return page


def systems(registry: Registry) -> Page:
    """Every system."""
    page = Page(
        "Systems",
        "The system under test, and how Seatrial drives it: the value of `system:`. If a suite names none, "
        "`[system]` of `seatrial.toml` counts, else the embedded sample.",
    )
    names = registry.names("system")
    _contents(page, names)
    for name in names:
        cls = _part(page, registry, "system", name)
        page.say(f"`kind: {name}`, and these keys:")
        keys_of(page, cls.Settings, name)
        _example(page, "system", name)
    return page


def providers(registry: Registry) -> Page:
    """Every provider."""
    page = Page(
        "Providers",
        "A provider says where nodes live. Its settings are in `[providers.NAME]` of `seatrial.toml`. "
        "`seatrial doctor` tells you which of them work on your machine.",
    )
    names = registry.names("provider")
    classes = {name: registry.get("provider", name) for name in names}
    page.heading("Powers")
    page.say("What a provider can do to a node. `seatrial check` refuses a step whose power is missing.")
    page.table(
        ("Power", *(f"`{name}`" for name in names)),
        ([power.value, *("yes" if power in classes[name].powers else "" for name in names)] for power in Powers),
    )
    for name in names:
        cls = _part(page, registry, "provider", name)
        if factory := getattr(cls, "Settings", None):
            keys_of(page, factory, name)
        page.need("yes" if name in examples("provider") else "", f"the provider {name!r} has no example")
        if name in examples("provider"):
            page.code("toml", settings(name))
    return page


def _contents(page: Page, names: Sequence[str]) -> None:
    page.say(" · ".join(f"[{name}](#{name})" for name in names))


def _part(page: Page, registry: Registry, kind: str, name: str) -> Any:
    """The heading and the first words of one part."""
    cls = registry.get(kind, name)
    page.heading(f"`{name}`")
    text = inspect.cleandoc(cls.__doc__ or "") if kind != "check" else registry.mark(kind, name).description
    page.say(sentence(page.need(text, f"the {kind} {name!r} has no docstring")))
    return cls


def _keys(page: Page, cls: Any, name: str) -> None:
    if described(cls):
        keys_of(page, cls, name)
    else:
        page.say("It takes no keys of its own.")


def _outputs(page: Page, cls: Any) -> None:
    """What later steps can read, as the docstring of `run` says it."""
    text = " ".join(inspect.cleandoc(cls.run.__doc__ or "").split())
    _, found, outputs = text.partition("Outputs: ")
    if found:
        page.say(f"Outputs: {outputs}")


def _example(page: Page, kind: str, name: str) -> None:
    text = page.need(_example_of(kind, name), f"the {kind} {name!r} has no example")
    if text:
        page.code("yaml", text)


def _example_of(kind: str, name: str) -> str:
    return examples(kind).get(name, "")
