"""Git working trees, by git's own program: changes, ignored files, and the identity of a checkout."""
