"""Reports of a pipeline; `stages` is the common view for the console, the JSON and the short form."""

PARTS: tuple[str, ...] = ("stages",)
ALIASES: dict[str, str] = {"preflight_watch": "preflight_live"}
