"""Instances of AWS through the real command: a real etcd on them, and runs that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.containers_project import SERVICE
from tests.acceptance.harness import Project, kill_and_clean, kill_and_clean_elsewhere, suite

from aws_server.calls import IMAGE, client, named
from seatrial_stand_ins.aws import AwsServer
from seatrial_stand_ins.machines.podman import PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("aws-acceptance")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
FOREIGN = 20
SETTINGS = f'[providers.aws]\nimage = "{IMAGE}"\nsize = "t3.small"\naddress = "private"\n'


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with AwsServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


def left(_: object = None) -> list[str]:
    """What of Seatrial is in the account: instances that are not terminated, disks, security groups."""
    ec2 = client()
    filters = [{"Name": "tag-key", "Values": ["seatrial.run"]}]
    instances = [
        instance["InstanceId"]
        for reservation in ec2.describe_instances(Filters=filters)["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    disks = [disk["VolumeId"] for disk in ec2.describe_volumes(Filters=filters)["Volumes"]]
    groups = [group["GroupId"] for group in ec2.describe_security_groups(Filters=filters)["SecurityGroups"]]
    return instances + disks + groups


def test_an_etcd_whose_leader_is_crashed_by_the_api_is_green_on_aws(project: Project, aws: AwsServer) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    before = len(aws.calls)
    done = project.seatrial(
        "run", CLASSIC, "--on", "aws", "--run-test", "aws-workflow-etcd_leader_crashed", timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["verdict"] for row in project.results()["results"]] == ["passed"]
    stops = [given for action, given in aws.calls[before:] if action == "StopInstances"]
    assert [given.get("SkipOsShutdown") for given in stops] == ["true"]
    assert left() == []
    assert project.left() == []
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    assert [file for file in files if aws.secret.encode() in file.read_bytes()] == []


def one_machine(project: Project) -> list[object]:
    """A project with a document of one machine with a disk; the arguments of `run`."""
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    more = {"parameters": {"cluster_size": 1, "data_volumes_per_node": 1}, "system": SERVICE}
    return [project.write("trial.json", suite("init", "deploy", "destroy", provider="aws", **more))]


@pytest.fixture
def strangers(aws: AwsServer) -> Iterator[None]:
    """Instances of somebody else, with names and tags much like ours, and a security group. moto alone knows them: they
    need no machines."""
    moto = client(aws.behind)
    tags = {"seatrial": "yes", "seatrial.runs": "r1m8p7mhy800z3jv78h0ay8p", "seatrial.node": "n11"}
    ids = []
    for number in range(FOREIGN):
        words = {**tags, "Name": f"seatrial-t1m8p7mhy{number:02}-n11"}
        told = [{"Key": key, "Value": value} for key, value in words.items()]
        made = moto.run_instances(
            ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": told}],
        )  # fmt: skip
        ids.append(made["Instances"][0]["InstanceId"])
    group = moto.create_security_group(GroupName="seatrial-of-somebody-else", Description="theirs")["GroupId"]
    yield
    found = moto.describe_instances(InstanceIds=ids)["Reservations"]
    assert [one["State"]["Name"] for held in found for one in held["Instances"]] == ["running"] * FOREIGN
    moto.delete_security_group(GroupId=group)  # an error if it is gone
    moto.terminate_instances(InstanceIds=ids)


@pytest.mark.table
@pytest.mark.parametrize("when, record", [(when, record) for when in ("before", "after") for record in range(1, 10)])
def test_killed_at_any_record_and_cleaned_nothing_is_left_in_the_account(
    when: str, record: int, tmp_path: Path, aws: AwsServer, strangers: None
) -> None:
    assert kill_and_clean(tmp_path, one_machine, [left, Project.left], when=when, record=record)


def test_a_killed_run_is_cleaned_from_another_machine_by_its_tags_alone(
    tmp_path: Path, aws: AwsServer, strangers: None
) -> None:
    kill_and_clean_elsewhere(
        tmp_path, one_machine, "aws", record=5, stands=lambda: any(id.startswith("i-") for id in left())
    )
    assert left() == []
