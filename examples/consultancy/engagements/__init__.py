"""Clients, engagements and hours."""
