"""Remove everything made by `provision.py`; missing things are not an error, remaining ones are."""

from __future__ import annotations

import sys

import cloud
from cs import CloudStackException


def main() -> int:
    """0 when nothing is left; 1 with the remaining things."""
    try:
        cloud.destroy(sorted({*cloud.machines(), *(name.removesuffix("-data") for name in cloud.volumes())}))
        for network in cloud.networks():
            cloud.done("deleteNetwork", id=network["id"])
        for pair in cloud.key_pairs():
            cloud.client().deleteSSHKeyPair(name=pair["name"])
    except (cloud.Wrong, CloudStackException) as error:
        print(f"teardown: {error}", file=sys.stderr)
        return 1
    print("nothing is left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
