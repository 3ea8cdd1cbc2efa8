"""Built-in systems under test, `ALIASES` (name to module) and `PARTS` (modules without a registration)."""

ALIASES: dict[str, str] = {"github-actions": "github_actions"}
PARTS: tuple[str, ...] = ("github_actions", "machines", "probes", "records", "settings", "shared_look", "states")
