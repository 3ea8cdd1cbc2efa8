"""Benchmarks in a real Kubernetes cluster."""
