"""What happens in a cluster during a run beside the resources of its trials, and whose it is."""
