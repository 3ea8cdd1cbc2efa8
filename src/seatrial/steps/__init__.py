"""Built-in steps, one module per subject; `ALIASES` (name to module) and `PARTS` (modules without registrations)."""

ALIASES: dict[str, str] = {
    "start_cluster": "cluster_power",
    "start_node": "node_power",
    "stop_cluster": "cluster_power",
    "stop_node": "node_power",
}
PARTS: tuple[str, ...] = ("cluster_power", "node_power", "power", "scripts", "targets", "wait_running", "wait_until")
