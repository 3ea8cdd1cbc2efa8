"""Built-in checks, one module per subject; `ALIASES` (name to module) and `PARTS` (modules without registrations)."""

ALIASES: dict[str, str] = {
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
# The first three are families: ALIASES has the names of their checks.
PARTS: tuple[str, ...] = (
    "cluster",
    "nodes",
    "database",
    "per_node",
    "readings",
    "content",
    "in_node",
    "sizes",
    "cloudstack_account",
)
