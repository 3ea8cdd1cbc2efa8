"""Built-in systems under test, `ALIASES` (name to module) and `PARTS` (modules that register nothing)."""

ALIASES: dict[str, str] = {"github-actions": "github_actions"}
PARTS: tuple[str, ...] = (
    "command_settings",
    "github_actions",
    "link_service",
    "placing",
    "probes",
    "process_settings",
    "reaching",
    "records",
    "roles",
    "room",
    "sample",
    "states",
    "templates",
    "together",
    "told",
    "verbs",
)
