"""Pipelines: a document of stages and checks becomes one suite that the one engine runs; there is no second runner."""
