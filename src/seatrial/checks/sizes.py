"""Sizes in documents, and the sizes of a node's disks as its shell reports them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
ALLOWED = "a size is a number of bytes, or like 512MiB, 10GiB (powers of 2), 10GB (powers of 10)"

Size = int | str

LOOK = r"""
path=$1
said=$(stat -- "$path" 2>&1 >/dev/null) || case $said in
    *"No such file"*|*"Not a directory"*) echo "there is no $path" >&2; exit 44;;
    *) echo "$said" >&2; exit 1;;
esac
entry=
if [ -b "$path" ]; then
    name=$(readlink -f "$path"); entry=/sys/class/block/${name##*/}/size
else
    kib() { df -P -k -- "$1" | { read -r _; read -r _ total _; echo "$total"; }; }
    blocks=$(stat -f -c '%S %b' -- "$path" 2>/dev/null) || blocks="1024 $(kib "$path")" || exit
    echo "filesystem $blocks"
    number=$(stat -c %d -- "$path" 2>/dev/null) &&
        entry=/sys/dev/block/$(((number >> 8) & 4095)):$(((number & 255) | ((number >> 12) & 1048320)))/size
fi
# No size is read where the disk is not one, as below tmpfs, NFS or overlay: then there is only the file system.
if [ -n "$entry" ] && [ -r "$entry" ]; then read -r sectors <"$entry" && echo "disk $((sectors * 512))"; fi
:
"""
"""Prints `disk BYTES` and `filesystem BLOCKSIZE BLOCKS` if available; exit code 44 if the path does not exist."""


def bytes_of(value: Size) -> int:
    """Parse a number of bytes; ValueError with the allowed forms."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)", str(value).strip().lower())
    if isinstance(value, bool) or match is None or match[2] not in UNITS:
        raise ValueError(f"invalid size {value!r}; {ALLOWED}")
    return round(float(match[1]) * UNITS[match[2]])


def measured(text: str) -> dict[str, int]:
    """Parse the output of LOOK into bytes of `disk` and `filesystem`; ValueError for other text."""
    lines = (line.split() for line in text.splitlines())
    return {what: math.prod(map(int, numbers)) for what, *numbers in lines}


def wrong_sizes(values: Iterable[tuple[str, Size | None]]) -> Iterable[tuple[str, str]]:
    """Keys with invalid sizes, and the reasons; unevaluated expressions are skipped."""
    for key, value in values:
        if value is None or (isinstance(value, str) and "${{" in value):
            continue
        try:
            bytes_of(value)
        except ValueError as error:
            yield key, str(error)
