"""The `ansible.cfg` of a folder, and the vaults beside it."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.links.inventory.variable_files import FOLDERS, VAULT

FILE = "ansible.cfg"

PASSWORDS = ("vault_password_file", "vault_identity_list")
"""Settings that say where the passwords of vaults are."""

_BEGINNING = 64 * 1024
"""Characters of a file that are searched for a vault."""


def setting(folder: Path, name: str, section: str = "defaults") -> str:
    """A setting of the folder's `ansible.cfg`; empty without one."""
    settings = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    try:
        settings.read(folder / FILE, encoding="utf-8")
        return settings.get(section, name, fallback="").strip()
    except (configparser.Error, UnicodeDecodeError):
        return ""


def vaults(folder: Path) -> Iterator[Path]:
    """Files of variables with something that Ansible's vault has encrypted."""
    for below in (*FOLDERS, "vars"):
        for file in sorted((folder / below).rglob("*")) if (folder / below).is_dir() else ():
            try:
                with file.open(encoding="utf-8") as stream:
                    text = stream.read(_BEGINNING)
            except (OSError, UnicodeDecodeError):
                continue
            if text.startswith(VAULT) or ("!vault" in text and VAULT in text):
                yield file


def knows_passwords(folder: Path, environment: Mapping[str, str]) -> bool:
    """Whether Ansible finds the passwords of vaults by itself."""
    if environment.get("ANSIBLE_VAULT_PASSWORD_FILE") or environment.get("ANSIBLE_VAULT_IDENTITY_LIST"):
        return True
    return any(setting(folder, name) for name in PASSWORDS)
