"""Runs a plan: scheduler, trials, ledger, journal and sweep."""
