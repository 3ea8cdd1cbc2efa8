"""The modules of ansible-core itself, for the hint at a misspelt one."""

from __future__ import annotations

import re

from seatrial.errors import closest

COLLECTION = "ansible.builtin."

NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        add_host apt apt_key apt_repository assemble assert async_status async_wrapper blockinfile command copy cron
        deb822_repository debconf debug dnf dnf5 dpkg_selections expect fail fetch file find gather_facts get_url
        getent git group group_by hostname import_playbook import_role import_tasks include include_role
        include_tasks include_vars iptables known_hosts lineinfile meta mount_facts normal package package_facts
        pause ping pip raw reboot replace rpm_key script service service_facts set_fact set_stats setup shell slurp
        stat subversion systemd systemd_service sysvinit tempfile template unarchive uri user validate_argument_spec
        wait_for wait_for_connection yum yum_repository
        """,
    )
)
"""Those of ansible-core 2.15 to 2.19."""

CUTOFF = 0.75


def meant(module: str) -> str:
    """The module of ansible-core that a name may be a misspelling of; empty: none, or it has this name."""
    name = module.removeprefix(COLLECTION)
    if "." in name or name in NAMES or not (near := closest(name, NAMES, cutoff=CUTOFF)):
        return ""
    return f"{COLLECTION if module.startswith(COLLECTION) else ''}{near}"
