"""The tools Seatrial is measured against, in a venv of their own, so that they bring nothing into Seatrial's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).with_name("requirements.txt")


def install(folder: Path) -> Path:
    """Make the venv in `folder` unless these very pins are installed there; return its bin folder."""
    programs = folder / "bin"
    stamp = folder / "installed"
    wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return programs
    print(f"Installing the peers into {folder} …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = (programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    subprocess.run([*pip, "-r", PINS], check=True)
    stamp.write_text(wanted)
    return programs
