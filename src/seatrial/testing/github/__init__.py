"""A GitHub server for tests, on loopback."""
