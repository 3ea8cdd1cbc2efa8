"""Runs what was planned: one loop, one ledger, one journal, one sweep."""
