"""The AWS CLI, which nobody here wrote, makes, powers and ends an instance of the stand-in."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from tests.acceptance.harness import until
from tests.backends import tools

from aws_server.calls import IMAGE
from seatrial_stand_ins.aws import AwsServer


@pytest.mark.slow
@pytest.mark.backend("awscli")
def test_the_aws_cli_sees_its_cloud(tmp_path):
    def aws(*words: str, code: int = 0) -> Any:
        argv = [str(tools.path("awscli")), *words, "--output", "json"]
        files = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "HOME": str(tmp_path)}
        given = {**os.environ, **files, **server.environment}
        done = subprocess.run(argv, env=given, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def word(query: str) -> Any:
        where = ("--filters", "Name=tag:seatrial.run,Values=r1")
        return aws("ec2", "describe-instances", *where, "--query", f"Reservations[].Instances[].{query}")

    def becomes(state: str) -> None:
        until(lambda: word("State.Name") == [state], f"the state {state}")  # the CLI's own `wait` looks every 15 s

    with AwsServer() as server:
        tags = "ResourceType=instance,Tags=[{Key=Name,Value=web},{Key=seatrial.run,Value=r1}]"
        more = ("--instance-type", "t3.small", "--client-token", "once", "--tag-specifications", tags)
        ids = {aws("ec2", "run-instances", "--image-id", IMAGE, *more)["Instances"][0]["InstanceId"] for _ in range(2)}
        (id,) = ids  # the client token makes one of two
        becomes("running")
        assert word("PublicIpAddress") == ["192.0.2.1"]
        aws("ec2", "stop-instances", "--instance-ids", id, "--force", "--skip-os-shutdown")
        becomes("stopped")
        assert word("StateReason.Message") == ["Client.UserInitiatedShutdown: User initiated shutdown"]
        aws("ec2", "start-instances", "--instance-ids", id)
        becomes("running")
        aws("ec2", "terminate-instances", "--instance-ids", id)
        becomes("terminated")
        assert "InvalidInstanceID.NotFound" in aws(
            "ec2", "stop-instances", "--instance-ids", "i-00000000000000001", code=255
        )
        quota = ("--service-code", "ec2", "--quota-code", "L-1216C47A", "--query", "Quota.Value")
        assert aws("service-quotas", "get-service-quota", *quota) == 64.0
    cut = [given.get("SkipOsShutdown") for action, given in server.calls if action == "StopInstances"]
    assert cut[0] == "true"
