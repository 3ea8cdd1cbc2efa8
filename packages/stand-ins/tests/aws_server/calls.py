"""A client of the server as a deployer has it: boto3, with the server in its environment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial_stand_ins.aws import AwsServer

IMAGE = "ami-1e749f67"
"""One of moto's own images."""


@contextlib.contextmanager
def named(server: AwsServer) -> Iterator[AwsServer]:
    """The server in the environment, as the SDK looks for it, and nothing else of AWS."""
    files = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        for name, value in {**server.environment, **files}.items():
            patch.setenv(name, value)
        yield server


def client(url: str | None = None) -> Any:
    """EC2 by the environment, or at this address."""
    import boto3

    return boto3.client("ec2", endpoint_url=url)


def machine(ec2: Any, name: str, **tags: str) -> dict[str, Any]:
    """An instance that somebody else makes, as it is listed."""
    words = [{"Key": key, "Value": value} for key, value in {"Name": name, **tags}.items()]
    made = ec2.run_instances(
        ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": words}],
    )  # fmt: skip
    id = made["Instances"][0]["InstanceId"]
    waiter = ec2.get_waiter("instance_running")
    waiter.wait(InstanceIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    listed: dict[str, Any] = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
    return listed
