"""A second look at the tests that failed: `python -m scripts.second_look` runs them again, alone and one by one.

A machine that is busy with other tests can make one fail. What fails again is broken; what passes is flaky, and is
named: it is a bug, of the product until proved otherwise. Many failures are no accident and get no second look.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

MOST = 8
"""Failures that may be accidents."""

FAILED = Path(".pytest_cache/v/cache/lastfailed")
"""Where pytest writes the names of the tests that failed."""


def main() -> int:
    """0 if all of them pass now."""
    names = sorted(json.loads(FAILED.read_text(encoding="utf-8"))) if FAILED.exists() else []
    if not names or len(names) > MOST or any("::" not in name for name in names):
        print(f"second look: {len(names)} failures are not looked at again (at most {MOST} tests are)")
        return 1
    tests = [re.sub(r"@[\w-]+$", "", name) for name in names]  # without the group of pytest-xdist
    print(f"second look: {len(tests)} tests run again, alone", flush=True)
    code = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests], check=False).returncode
    for test in tests if code == 0 else ():
        print(f"FLAKY: {test} failed beside the other tests and passed alone: mend it, or what it tests")
    return code


if __name__ == "__main__":
    sys.exit(main())
