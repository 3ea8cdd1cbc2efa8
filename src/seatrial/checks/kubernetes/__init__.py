"""Checks of Kubernetes by the API's own knowledge: watched, not polled, and with the reason when the time is up."""
