"""Built-in providers, one module per thing; `ALIASES` (name to module) and `PARTS` (modules that register nothing)."""

ALIASES: dict[str, str] = {}
PARTS: tuple[str, ...] = ("batches", "clouds", "deployer", "letting_in", "nodes")
