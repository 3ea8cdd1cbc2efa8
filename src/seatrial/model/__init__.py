"""Seatrial's subject: frozen dataclasses and their protocols; no I/O."""
