"""Pipelines: a document of stages and checks compiles to one suite for the common engine."""

KEY = "pipeline"
"""The word that a pipeline document begins with."""
