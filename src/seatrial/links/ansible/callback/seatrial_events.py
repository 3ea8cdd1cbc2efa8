"""A callback plugin for Ansible: one JSON line per event, in the file that `SEATRIAL_ANSIBLE_EVENTS` names.

Ansible's own Python runs it, so it cannot import Seatrial. Results of tasks with `no_log` have no message.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: seatrial_events
type: notification
short_description: events for Seatrial
description: Writes one JSON line for each play, task and result of a task.
"""

LONGEST = 2000
"""Characters of a message."""


class CallbackModule(CallbackBase):
    """Writes the events."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "seatrial_events"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.environ.get("SEATRIAL_ANSIBLE_EVENTS", "")
        self._play = None
        self._file = open(path, "a", encoding="utf-8") if path else None  # noqa: SIM115, PTH123 - open until Ansible ends

    def v2_playbook_on_play_start(self, play):
        self._play = play
        self._write("play", name=play.get_name())

    def v2_playbook_on_no_hosts_matched(self):
        play = self._play
        hosts = [str(pattern) for pattern in play.hosts or ()] if play else []
        self._write("no_hosts", path=(play.get_path() if play else "") or "", hosts=hosts, groups=_groups(play))

    def v2_runner_on_ok(self, result):
        self._result("changed" if _values(result).get("changed") else "ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats):
        self._write("stats", hosts={host: stats.summarize(host) for host in stats.processed})

    def _result(self, kind, result):
        task = _of(result, "task")
        self._write(
            kind,
            host=_of(result, "host").get_name(),
            name=task.get_name(),
            path=task.get_path() or "",
            message=_message(task, _values(result)) if kind in ("failed", "ignored", "unreachable") else "",
        )

    def _write(self, kind, **values):
        if self._file is not None:
            self._file.write(json.dumps({"event": kind, **values}, default=str) + "\n")
            self._file.flush()


def _of(result, name):
    """A part of a result; older versions of Ansible have it under another name."""
    return getattr(result, name, None) or getattr(result, f"_{name}")


def _groups(play):
    """The groups and hosts of the inventory, for a hint; none where Ansible keeps them elsewhere."""
    try:
        inventory = play.get_variable_manager()._inventory
        return sorted({*map(str, inventory.list_groups()), *(str(host) for host in inventory.get_hosts())})
    except Exception:  # noqa: BLE001 - without the hint the message is still right
        return []


def _values(result):
    values = getattr(result, "result", None)
    return values if isinstance(values, dict) else result._result


def _message(task, values):
    """Why a task failed; empty when it must not be shown."""
    if task.no_log or values.get("_ansible_no_log") or "censored" in values:
        return "hidden by no_log"
    items = [one for one in values.get("results") or () if isinstance(one, dict) and one.get("failed")]
    if items:
        values = items[0]
        if values.get("_ansible_no_log") or "censored" in values:
            return "hidden by no_log"
    said = [str(values.get(key) or "").strip() for key in ("msg", "module_stderr", "stderr", "stdout")]
    text = ": ".join(part for part in said if part)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"  # the mark at a cut, see seatrial.links.output
