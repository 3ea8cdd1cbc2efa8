"""What a new DigitalOcean account is offered, in its own form. The prices are invented."""

from __future__ import annotations

from typing import Any

from seatrial_stand_ins.clouds.things import now

REGIONS = (("fra1", "Frankfurt 1"), ("ams3", "Amsterdam 3"), ("nyc3", "New York 3"))
SIZES = (("s-1vcpu-1gb", 1, 1024, 25, 0.01), ("s-1vcpu-2gb", 1, 2048, 50, 0.02), ("s-2vcpu-4gb", 2, 4096, 80, 0.04))
IMAGES = (
    ("debian-12-x64", "Debian", "12 x64"),
    ("debian-13-x64", "Debian", "13 x64"),
    ("ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64"),
)


def regions() -> list[dict[str, Any]]:
    """The places of droplets."""
    features = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]
    return [
        {"slug": slug, "name": name, "available": True, "features": features, "sizes": [size[0] for size in SIZES]}
        for slug, name in REGIONS
    ]


def sizes() -> list[dict[str, Any]]:
    """The sizes of droplets."""
    return [
        {
            "slug": slug, "memory": memory, "vcpus": cores, "disk": disk, "transfer": 1.0, "available": True,
            "price_monthly": price * 500, "price_hourly": price, "regions": [region[0] for region in REGIONS],
            "description": "Basic", "networking_throughput": 2000,
        }
        for slug, cores, memory, disk, price in SIZES
    ]  # fmt: skip


def images() -> list[dict[str, Any]]:
    """The images of droplets."""
    return [
        {
            "id": number, "slug": slug, "name": name, "distribution": distribution, "type": "base", "public": True,
            "regions": [region[0] for region in REGIONS], "created_at": now(), "min_disk_size": 7,
            "size_gigabytes": 1.0, "description": name, "tags": [], "status": "available", "error_message": "",
        }
        for number, (slug, distribution, name) in enumerate(IMAGES, start=150_001)
    ]  # fmt: skip
