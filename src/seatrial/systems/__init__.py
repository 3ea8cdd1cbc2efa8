"""Built-in systems under test, `ALIASES` (name to module) and `PARTS` (modules that register nothing)."""

ALIASES: dict[str, str] = {}
PARTS: tuple[str, ...] = (
    "command_settings",
    "link_service",
    "placing",
    "probes",
    "process_settings",
    "records",
    "roles",
    "room",
    "sample",
    "templates",
    "together",
    "told",
    "verbs",
)
