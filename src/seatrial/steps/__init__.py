"""Built-in steps, one module per subject; `ALIASES` (name to module) and `PARTS` (modules without registrations)."""

ALIASES: dict[str, str] = {
    "destroy": "deploy",
    "heal": "inject",
    "init": "deploy",
    "start_cluster": "node_power",
    "start_node": "node_power",
    "stop_cluster": "node_power",
    "stop_node": "node_power",
}
PARTS: tuple[str, ...] = ("node_power", "power", "targets", "wait_running", "wait_until")
