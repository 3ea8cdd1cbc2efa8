"""Built-in checks, one module per subject; `ALIASES` (name to module) and `PARTS` (modules without registrations)."""

ALIASES: dict[str, str] = {
    "cloudstack_left": "cloudstack",
    "cloudstack_vm": "cloudstack",
    "cloudstack_volume": "cloudstack",
    "cluster_status": "cluster",
    "cluster_status_stopped": "cluster",
    "cluster_degraded": "cluster",
    "cluster_critical": "cluster",
    "all_nodes_running": "nodes",
    "ssh_connectivity": "nodes",
    "vms_powered_off": "nodes",
    "node_status": "nodes",
    "health_status": "nodes",
    "database_running": "database",
    "database_degraded": "database",
    "database_down": "database",
}
# The first four are families: ALIASES has the names of their checks.
PARTS: tuple[str, ...] = ("cloudstack", "cluster", "nodes", "database", "per_node", "readings", "content", "sizes")
