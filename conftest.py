"""The fixtures and hooks that all tests of this repository share."""

pytest_plugins = ["tests.backends.fixtures"]
