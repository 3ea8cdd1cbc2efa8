"""Clients of the outside world, one module or package for each."""
