"""Git working trees, by git's own program: what changed, what is ignored, what a checkout is of."""
