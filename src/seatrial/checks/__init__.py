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
    "crd_established": "kubernetes.crd_established",
    "endpoints": "kubernetes.endpoints",
    "jobs": "kubernetes.jobs",
    "kubernetes": "kubernetes.resource",
    "pods_ready": "kubernetes.pods_ready",
    "resource": "kubernetes.resource",
    "rollout": "kubernetes.rollout",
    "webhook_answers": "kubernetes.webhook_answers",
}
# The first five are families: ALIASES has the names of their checks.
PARTS: tuple[str, ...] = (
    *("cloudstack", "cluster", "nodes", "database", "kubernetes"),
    *("per_node", "readings", "content", "sizes"),
)
