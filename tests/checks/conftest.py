"""What all tests of checks share."""

from __future__ import annotations

from tests.steps.fakes import programs_end

__all__ = ["programs_end"]
