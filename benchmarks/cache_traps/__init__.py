"""Traps for a cache of results, set up alike for Seatrial, turbo, moon, nx and task."""
