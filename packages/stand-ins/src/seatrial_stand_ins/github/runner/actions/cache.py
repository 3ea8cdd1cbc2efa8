"""`actions/cache`: always a miss, so tests never depend on an earlier run."""

from __future__ import annotations

from seatrial_stand_ins.github.runner.calls import ActionCall, ActionFailed


async def cache(call: ActionCall) -> None:
    """Report a miss; keep nothing."""
    key = call.input("key")
    if not key or not call.input("path"):
        raise ActionFailed(f"{call.action} needs `key` and `path`")
    if call.action.endswith("/save"):
        call.host.log(f"This runner keeps no caches: {key}")
        return
    call.host.log(f"Cache not found for input keys: {key}")
    call.outputs |= {"cache-hit": "", "cache-primary-key": key, "cache-matched-key": ""}
    if call.flag("fail-on-cache-miss"):
        raise ActionFailed(f"Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}")
