"""How many CPUs of a family of instances the account may still start: a quota of AWS less what runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.errors import CannotTell
from seatrial.providers.clouds.calls import Calls

CODES = {
    **dict.fromkeys("acdhimrtz", ("L-1216C47A", "A, C, D, H, I, M, R, T, Z")),
    "f": ("L-74FC7D96", "F"), "g": ("L-DB2E81BA", "G, VT"), "vt": ("L-DB2E81BA", "G, VT"), "p": ("L-417A185B", "P"),
    "x": ("L-7295265B", "X"), "inf": ("L-1945791B", "Inf"), "trn": ("L-2C3B7624", "Trn"),
    "u": ("L-43DA4232", "High Memory"), "hpc": ("L-F7808C92", "HPC"), "dl": ("L-6E869C2A", "DL"),
}  # fmt: skip
"""A family's first letters: the code of its quota of running on-demand instances, in CPUs, and the quota's families."""

LIVE = ("pending", "running", "stopping")


def family_of(size: str) -> str:
    """`t` of `t3.small`, `inf` of `inf2.xlarge`: the letters before the generation; `mac` has hosts of its own."""
    letters = ""
    for letter in size.lower():
        if not letter.isalpha():
            break
        letters += letter
    return letters if letters in CODES or letters == "mac" else next((n for n in CODES if letters.startswith(n)), "")


async def quota_left(calls: Calls, client: Any, size: str, instances: Iterable[Mapping[str, Any]]) -> str:
    """In words; also where it cannot be read, with the reason. Stopped and spot instances do not count."""
    if (family := family_of(size)) not in CODES:
        return f"no quota is known for {size or 'no size'}"
    code, families = CODES[family]
    request = {"ServiceCode": "ec2", "QuotaCode": code}
    try:
        answer = await calls.ask("GetServiceQuota", client.get_service_quota, **request)
    except CannotTell as error:
        return f"the quota of CPUs ({code}) cannot be read: {error}"
    limit, used = float(answer["Quota"]["Value"]), 0
    for instance in instances:
        its = family_of(str(instance.get("InstanceType")))
        counts = instance["State"]["Name"] in LIVE and instance.get("InstanceLifecycle") != "spot"
        if counts and CODES.get(its, ("",))[0] == code:
            cpus = instance.get("CpuOptions") or {}
            used += int(cpus.get("CoreCount") or 1) * int(cpus.get("ThreadsPerCore") or 1)
    return f"{limit - used:g} of {limit:g} CPUs left for on-demand instances of the families {families}"
