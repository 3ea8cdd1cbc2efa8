"""Pipelines: a document of stages and checks compiles to one suite for the common engine."""
