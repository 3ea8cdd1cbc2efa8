"""Why an image is not in an engine's store, and what a person does about it."""

from __future__ import annotations

import re

from seatrial.links.containers import REFUSALS, Engine, NoSuchImage

_UNANSWERED = re.compile(
    r"dial tcp|no such host|connection (refused|reset)|timeout|timed out|deadline exceeded|no route to host|"
    r"network is unreachable|server misbehaving|did not (answer|end) within|\bEOF\b",
    re.IGNORECASE,
)
_WITHOUT_REGISTRY = re.compile(r"short-name|unqualified-search", re.IGNORECASE)
_IMAGE = re.compile("|".join(pattern for pattern, kind, _ in REFUSALS if kind is NoSuchImage), re.IGNORECASE)

LOCAL = "localhost/"


def reason_in(text: str) -> str:
    """The line of an engine or a tool that says why it has no image; empty: none does. Tools go on after it, so it is
    not the last."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if _IMAGE.search(line)]
    best = next((line for line in telling if line.startswith("Error")), next(iter(telling), ""))
    return best.removeprefix("Error: ").removeprefix("Error response from daemon: ")


def remedy(engine: Engine, image: str, reason: str) -> str:
    """What to do, by the engine's reason."""
    attempt = f"`{engine.name} pull {image}` tries it alone"
    if image.startswith(LOCAL):
        return f"build it: `{engine.name} build --tag {image} FOLDER` (images of localhost/ cannot be pulled)"
    if _WITHOUT_REGISTRY.search(reason):
        return f"write the registry too, such as docker.io/library/{image}, or build an image of this name"
    if _UNANSWERED.search(reason):
        return (
            f"the registry {registry_of(image)} does not answer: is its name right, and can this machine reach it "
            f"(network, proxy)? {attempt}"
        )
    return f"is its name with the tag right? A private one needs `{engine.name} login {registry_of(image)}`; {attempt}"


def awaited(engine: Engine, image: str) -> str:
    """What to do when a time limit ends the wait for an image."""
    host = registry_of(image)
    return (
        f"the image {image} is not in {engine.name}'s store yet: can this machine reach the registry {host}, and fast "
        f"enough? `{engine.name} pull {image}` brings it beforehand"
    )


def registry_of(image: str) -> str:
    """The registry of an image: the first word, if it is a host."""
    host, slash, _ = image.partition("/")
    return host if slash and re.search(r"[.:]|^localhost$", host) else "docker.io"
