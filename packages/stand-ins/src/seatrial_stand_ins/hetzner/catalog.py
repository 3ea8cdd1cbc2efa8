"""What a new Hetzner Cloud offers, in its own form. The prices are invented."""

from __future__ import annotations

from typing import Any

from seatrial_stand_ins.clouds.things import now

PLACES = (("fsn1", "Falkenstein", "DE"), ("nbg1", "Nuremberg", "DE"), ("hel1", "Helsinki", "FI"))
SIZES = (("cx23", 2, 4.0, 40, "0.0100"), ("cx33", 4, 8.0, 80, "0.0200"), ("cx43", 8, 16.0, 160, "0.0400"))
IMAGES = (("debian-12", "debian", "12"), ("debian-13", "debian", "13"), ("ubuntu-24.04", "ubuntu", "24.04"))


def locations() -> list[dict[str, Any]]:
    """The places of machines."""
    return [
        {
            "id": number, "name": name, "description": f"{city} DC Park 1", "country": country, "city": city,
            "latitude": 50.0, "longitude": 12.0, "network_zone": "eu-central",
        }
        for number, (name, city, country) in enumerate(PLACES, start=1)
    ]  # fmt: skip


def server_types() -> list[dict[str, Any]]:
    """The sizes of machines."""
    return [
        {
            "id": number, "name": name, "description": name.upper(), "category": "cost_optimized", "cores": cores,
            "memory": memory, "disk": disk, "storage_type": "local", "cpu_type": "shared", "architecture": "x86",
            "deprecated": False, "deprecation": None, "included_traffic": 0,
            "prices": [
                {
                    "location": place, "included_traffic": 21990232555520,
                    "price_hourly": {"net": price, "gross": price}, "price_monthly": {"net": "6.0", "gross": "6.0"},
                    "price_per_tb_traffic": {"net": "1.0", "gross": "1.0"},
                }
                for place, _, _ in PLACES
            ],
            "locations": [
                {"id": place["id"], "name": place["name"], "deprecation": None, "available": True,
                 "recommended": True}
                for place in locations()
            ],
        }
        for number, (name, cores, memory, disk, price) in enumerate(SIZES, start=101)
    ]  # fmt: skip


def images() -> list[dict[str, Any]]:
    """The images of machines."""
    return [
        {
            "id": number, "name": name, "type": "system", "status": "available", "description": name,
            "image_size": None, "disk_size": 5, "created": now(), "created_from": None, "bound_to": None,
            "os_flavor": flavor, "os_version": version, "rapid_deploy": True, "architecture": "x86",
            "protection": {"delete": False}, "deprecated": None, "deprecation": None, "deleted": None, "labels": {},
        }
        for number, (name, flavor, version) in enumerate(IMAGES, start=1001)
    ]  # fmt: skip
