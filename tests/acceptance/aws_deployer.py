"""A deployer as teams have one: it makes instances of EC2, starts etcd on them, and tells of them in an inventory."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncssh
import boto3

STATE, KEY, INVENTORY = Path("notes.json"), Path("notes.pem"), Path("inventory.ini")
IMAGE = "ami-1e749f67"
PORT = 2379

BOOT = """#!/bin/sh
exec etcd --name={name} --data-dir=/var/lib/etcd --logger=zap \\
    --listen-client-urls=http://{host}:{port} --advertise-client-urls=http://{host}:{port} \\
    --listen-peer-urls=http://{host}:2380 --initial-advertise-peer-urls=http://{host}:2380 \\
    --initial-cluster={peers} --initial-cluster-state=new </dev/null >/var/log/etcd.log 2>&1
"""


def init(size: str) -> None:
    """Save the request."""
    save(status="initialized", size=int(size), instances={})


def deploy() -> None:
    """Instances, then etcd on each; it also starts at every boot."""
    ec2, state = boto3.client("ec2"), load()
    key = asyncssh.generate_private_key("ssh-ed25519")
    KEY.touch(mode=0o600)
    KEY.write_bytes(key.export_private_key())
    data = "#cloud-config\n" + json.dumps({"ssh_authorized_keys": [key.export_public_key().decode().strip()]})
    for number in range(state["size"]):
        name = f"n{11 + number}"
        tags = [{"Key": "Name", "Value": f"notes-{name}"}, {"Key": "deployer", "Value": "notes"}]
        made = ec2.run_instances(
            ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1, UserData=data,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )  # fmt: skip
        state["instances"][name] = made["Instances"][0]["InstanceId"]
        save(**state)
    ids = list(state["instances"].values())
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    found = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    hosts = {one["InstanceId"]: one["PublicIpAddress"] for group in found for one in group["Instances"]}
    nodes = {name: hosts[id] for name, id in state["instances"].items()}
    asyncio.run(start_everywhere(nodes))
    shared = f"ansible_user=root ansible_ssh_private_key_file=./{KEY}"
    lines = [f"{name} ansible_host={host} instance_id={state['instances'][name]}" for name, host in nodes.items()]
    INVENTORY.write_text("\n".join(["[nodes]", *lines, "", "[nodes:vars]", *shared.split(), ""]))
    save(**{**state, "status": "database_ready"})


async def start_everywhere(nodes: dict[str, str]) -> None:
    peers = ",".join(f"{name}=http://{host}:2380" for name, host in nodes.items())

    async def start(name: str, host: str) -> None:
        boot = BOOT.format(name=name, host=host, port=PORT, peers=peers)
        async with asyncssh.connect(
            host, username="root", client_keys=[str(KEY)], known_hosts=None, config=None
        ) as ssh:
            await ssh.run("cat >/etc/rc.local && chmod 755 /etc/rc.local", input=boot, check=True)
            await ssh.run("setsid /etc/rc.local >/dev/null 2>&1 </dev/null & sync", check=True)

    await asyncio.gather(*(start(name, host) for name, host in nodes.items()))


def status() -> None:
    """A word for the whole, by what AWS says of the instances."""
    state = load()
    word, ids = state["status"], list(state["instances"].values())
    if word == "database_ready":
        found = boto3.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
        up = sum(one["State"]["Name"] == "running" for group in found for one in group["Instances"])
        word = word if up == len(ids) else "degraded" if up * 2 > len(ids) else "critical" if up else "stopped"
    print(json.dumps({"status": word}))


def destroy() -> None:
    """Terminate them, and wait until they are gone."""
    state = load()
    if ids := list(state["instances"].values()):
        ec2 = boto3.client("ec2")
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    INVENTORY.unlink(missing_ok=True)
    save(**{**state, "status": "destroyed", "instances": {}})


def load() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(STATE.read_text())
    return loaded


def save(**state: Any) -> None:
    STATE.write_text(json.dumps(state))


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    {"init": lambda: init(words[-1]), "deploy": deploy, "status": status, "destroy": destroy}[verb]()
