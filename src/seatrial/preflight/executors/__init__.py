"""The places where a check's command runs: a container, or this host."""
