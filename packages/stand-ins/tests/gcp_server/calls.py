"""A client of the server as a deployer has it: google-api-python-client over Google's description."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from seatrial_stand_ins.gcp import GoogleServer

ZONE, PROJECT = "europe-west3-a", "seatrial-test"
AT = {"project": PROJECT, "zone": ZONE}


class Client:
    """google-api-python-client, whose description is the whole published one."""

    def __init__(self, server: GoogleServer) -> None:
        from google.oauth2 import service_account
        from googleapiclient.discovery import build

        scopes = ["https://www.googleapis.com/auth/compute"]
        key = service_account.Credentials.from_service_account_file(str(server.key_file), scopes=scopes)
        options = {"api_endpoint": server.environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"]}
        self.compute: Any = build("compute", "v1", credentials=key, client_options=options)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.compute.close()

    def ask(self, method: str, **given: Any) -> dict[str, Any]:
        """One call: `instances.get`."""
        collection, _, name = method.partition(".")
        answer: dict[str, Any] = getattr(getattr(self.compute, collection)(), name)(**given).execute()
        return answer

    def do(self, method: str, **given: Any) -> dict[str, Any]:
        """A call, and its operation when it is done."""
        begun = self.ask(method, **{**AT, **given})
        return self.ask("zoneOperations.wait", **AT, operation=begun["name"])

    def make(self, name: str = "web1", **more: Any) -> dict[str, Any]:
        """An instance."""
        done = self.do("instances.insert", body=instance(name, **more), requestId=str(uuid.uuid4()))
        assert "error" not in done, done
        return self.ask("instances.get", **AT, instance=name)


def instance(name: str, **more: Any) -> Mapping[str, Any]:
    """The least that an instance needs."""
    source = "projects/debian-cloud/global/images/family/debian-12"
    return {
        "name": name,
        "machineType": f"zones/{ZONE}/machineTypes/e2-small",
        "disks": [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": source}}],
        "networkInterfaces": [{"network": "global/networks/default", "accessConfigs": [{"name": "external"}]}],
        **more,
    }


def ours(server: GoogleServer) -> list[str]:
    """The paths of everything in the project that has a name like those of Seatrial."""
    things = server.cloud.things.items()
    return [path for path, thing in things if path.count("/") > 1 and thing.name.startswith("seatrial-")]
