"""Amazon EC2 as a `Cloud`, through boto3."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.errors import CannotTell
from seatrial.model.cluster import PowerState
from seatrial.providers.aws.quota import quota_left
from seatrial.providers.aws.settings import AwsSettings
from seatrial.providers.clouds.calls import Calls
from seatrial.providers.clouds.vendor import Account, CloudRefused, Denied, Machine, NoSuchThing, Order, Part

POWER = {
    "pending": PowerState.STOPPED, "running": PowerState.RUNNING, "stopping": PowerState.RUNNING,
    "stopped": PowerState.STOPPED, "shutting-down": PowerState.RUNNING, "terminated": PowerState.STOPPED,
}  # fmt: skip
BUSY = ("pending", "stopping", "shutting-down")
FIREWALL, DISK = "firewall", "disk"
RIGHTS = (
    ("ec2:RunInstances", "run_instances", {"ImageId": "ami-00000000", "MinCount": 1, "MaxCount": 1}),
    ("ec2:CreateSecurityGroup", "create_security_group", {"GroupName": "seatrial-doctor", "Description": "seatrial"}),
    ("ec2:CreateTags", "create_tags", {"Resources": ["i-00000000"], "Tags": [{"Key": "seatrial.run", "Value": "r"}]}),
    ("ec2:StartInstances", "start_instances", {"InstanceIds": ["i-00000000"]}),
    ("ec2:StopInstances", "stop_instances", {"InstanceIds": ["i-00000000"]}),
    ("ec2:TerminateInstances", "terminate_instances", {"InstanceIds": ["i-00000000"]}),
    ("ec2:DeleteVolume", "delete_volume", {"VolumeId": "vol-00000000"}),
)
"""Rights, each with the call of a dry run that needs it: AWS answers without doing anything."""


class Ec2:
    """One account in one region."""

    def __init__(
        self, client: Any, quotas: Callable[[], Any], calls: Calls, settings: AwsSettings, place: Mapping[str, str],
        found: str, secrets: Sequence[str],
    ) -> None:  # fmt: skip
        self.place, self.secrets = place, secrets
        self._client, self._calls, self._settings, self._found = client, calls, settings, found
        self._quotas = quotas  # a client costs a moment, and only `doctor` asks

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        """Instances, those that were terminated less than an hour ago too."""
        filters = _filters(tags) + ([{"Name": "instance-id", "Values": list(ids)}] if ids else [])
        found = await self._list("describe_instances", "Reservations", Filters=filters)
        return [_machine(instance) for reservation in found for instance in reservation["Instances"]]

    async def create(self, order: Order) -> str:
        """`RunInstances` with a client token: sent again, it makes no second instance."""
        image = await self._image(order.image)
        tags = _tags({"Name": order.name, **order.tags})
        sizes = {image["RootDeviceName"]: order.root_gib} if order.root_gib else {}
        sizes |= {f"/dev/sd{chr(ord('f') + number)}": gib for number, gib in enumerate(order.data_gib)}
        disks = [
            {"DeviceName": name, "Ebs": {"VolumeSize": gib, "DeleteOnTermination": True}} for name, gib in sizes.items()
        ]
        group = self._settings.firewall or (await self._groups("group-name", order.trial_name))[0]["GroupId"]
        request: dict[str, Any] = {
            "ImageId": image["ImageId"], "InstanceType": order.size, "MinCount": 1, "MaxCount": 1,
            "ClientToken": order.token, "UserData": order.user_data, "SecurityGroupIds": [group],
            "BlockDeviceMappings": disks, "InstanceInitiatedShutdownBehavior": "stop",
            "MetadataOptions": {"HttpTokens": "required"},
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        }  # fmt: skip
        if self._settings.network:
            request["SubnetId"] = (await self._subnet())["SubnetId"]
        answer = await self._calls.ask("RunInstances", self._client.run_instances, **request)
        return str(answer["Instances"][0]["InstanceId"])

    async def start(self, id: str) -> None:
        await self._calls.ask("StartInstances", self._client.start_instances, InstanceIds=[id])

    async def stop(self, id: str) -> None:
        """The operating system shuts down; AWS cuts the power of one that does not."""
        await self._calls.ask("StopInstances", self._client.stop_instances, InstanceIds=[id])

    async def crash(self, id: str) -> None:
        """`Force` alone lets the operating system shut down first; `SkipOsShutdown` cuts its power."""
        request = {"InstanceIds": [id], "Force": True, "SkipOsShutdown": True}
        await self._calls.ask("StopInstances", self._client.stop_instances, **request)

    async def destroy(self, id: str) -> None:
        """`TerminateInstances`: its disks go with it."""
        await self._calls.ask("TerminateInstances", self._client.terminate_instances, InstanceIds=[id])

    def needs(self, trial_name: str) -> Sequence[Part]:
        return () if self._settings.firewall else (Part(kind=FIREWALL, name=trial_name),)

    async def make_part(self, part: Part, public_key: str) -> None:
        """The trial's security group: SSH from anywhere, all ports from its own instances and from `lets_in`."""
        request: dict[str, Any] = {
            "GroupName": part.name, "Description": "machines of one trial of Seatrial",
            "TagSpecifications": [{"ResourceType": "security-group", "Tags": _tags({"Name": part.name, **part.tags})}],
        }  # fmt: skip
        if self._settings.network:
            request["VpcId"] = (await self._subnet())["VpcId"]
        try:
            made = await self._calls.ask("CreateSecurityGroup", self._client.create_security_group, **request)
            group = made["GroupId"]
        except CloudRefused as error:
            if error.code != "InvalidGroup.Duplicate":
                raise
            group = (await self._groups("group-name", part.name))[0]["GroupId"]
        port = self._settings.port
        rules: list[dict[str, Any]] = [
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]},
        ]
        if self._settings.lets_in:
            rules.append({"IpProtocol": "-1", "IpRanges": [{"CidrIp": network} for network in self._settings.lets_in]})
        try:
            authorize = self._client.authorize_security_group_ingress
            await self._calls.ask("AuthorizeSecurityGroupIngress", authorize, GroupId=group, IpPermissions=rules)
        except CloudRefused as error:
            if error.code != "InvalidPermission.Duplicate":
                raise

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        """Disks, then security groups; only the latter have a name to begin with a prefix."""
        disks = []
        if not prefix:
            for disk in await self._list("describe_volumes", "Volumes", Filters=_filters(tags)):
                own = _untagged(disk)
                disks.append(Part(kind=DISK, name=own.get("Name", ""), id=disk["VolumeId"], tags=own))
        named = [{"Name": "group-name", "Values": [f"{prefix}*"]}] if prefix else []
        groups = await self._list("describe_security_groups", "SecurityGroups", Filters=_filters(tags) + named)
        return disks + [
            Part(kind=FIREWALL, name=group["GroupName"], id=group["GroupId"], tags=_untagged(group)) for group in groups
        ]

    async def remove_part(self, part: Part) -> None:
        with contextlib.suppress(NoSuchThing):
            if part.kind == DISK:
                await self._calls.ask("DeleteVolume", self._client.delete_volume, VolumeId=part.id)
                return
            ids = [part.id] if part.id else [one["GroupId"] for one in await self._groups("group-name", part.name)]
            for id in ids:
                await self._calls.ask("DeleteSecurityGroup", self._client.delete_security_group, GroupId=id)

    async def console(self, id: str) -> str:
        """What AWS keeps of it: the last 64 KiB, some minutes old on older types of instance."""
        answer = await self._calls.ask("GetConsoleOutput", self._client.get_console_output, InstanceId=id)
        return str(answer.get("Output") or "")

    async def account(self) -> Account:
        """Dry runs tell the rights one by one."""
        denied = [right for right, name, request in RIGHTS if await self._denied(name, request)]
        missing = []
        for look in (lambda: self._image(self._settings.image), self._size, self._subnet):
            try:
                await look()
            except Denied:
                raise
            except CannotTell as error:
                missing.append(str(error))
        whose = f"the account {self.place['account']} in {self.place['region']}"
        found = await self._list("describe_instances", "Reservations")
        instances = [instance for reservation in found for instance in reservation["Instances"]]
        quota = await quota_left(self._calls, self._quotas(), self._settings.size, instances)
        rights = tuple(denied)
        return Account(found=self._found, whose=whose, missing_rights=rights, missing=tuple(missing), quota=quota)

    async def _denied(self, name: str, request: Mapping[str, Any]) -> bool:
        try:
            await self._calls.ask(name, getattr(self._client, name), **request, DryRun=True)
        except Denied as error:
            return error.code == "UnauthorizedOperation"
        except CloudRefused:
            pass  # `DryRunOperation`, or an object that does not exist: the right is there
        return False

    # What the settings name

    async def _image(self, named: str) -> Mapping[str, Any]:
        if not named or named.startswith("ami-"):
            request: dict[str, Any] = {"Filters": [{"Name": "image-id", "Values": [named]}]}
        else:  # anybody may give an image a name: only these owners count
            request = {"Filters": [{"Name": "name", "Values": [named]}], "Owners": list(self._settings.image_owners)}
        images: list[Mapping[str, Any]] = await self._list("describe_images", "Images", **request) if named else []
        if not images:
            owners = "" if named.startswith("ami-") else f" of {', '.join(self._settings.image_owners)}"
            raise CannotTell(
                f"providers.aws.image is {named!r}, and {self.place['region']} has no such image{owners}: name one by "
                "its identifier `ami-…`, or by its name and its owner in `image_owners`"
            )
        return max(images, key=lambda image: str(image.get("CreationDate")))

    async def _size(self) -> None:
        size = self._settings.size
        filters = [{"Name": "instance-type", "Values": [size]}]
        if not size or not await self._list(
            "describe_instance_type_offerings", "InstanceTypeOfferings", Filters=filters
        ):
            raise CannotTell(f"providers.aws.size is {size!r}, and {self.place['region']} has no such instance type")

    async def _subnet(self) -> Mapping[str, Any]:
        named = self._settings.network
        if not named:
            return {}
        key = "subnet-id" if named.startswith("subnet-") else "tag:Name"
        subnets = await self._list("describe_subnets", "Subnets", Filters=[{"Name": key, "Values": [named]}])
        if len(subnets) != 1:
            raise CannotTell(f"providers.aws.network is {named!r}, and {len(subnets)} subnets have this name")
        subnet: Mapping[str, Any] = subnets[0]
        return subnet

    async def _groups(self, key: str, value: str) -> list[Any]:
        filters = [{"Name": key, "Values": [value]}]
        return await self._list("describe_security_groups", "SecurityGroups", Filters=filters)

    async def _list(self, name: str, key: str, **request: Any) -> list[Any]:
        """A whole list, page by page."""
        things: list[Any] = []
        token = ""
        while True:
            page = {"NextToken": token} if token else {}
            answer = await self._calls.ask(name, getattr(self._client, name), **request, **page)
            things += answer[key]
            token = answer.get("NextToken") or ""
            if not token:
                return things


def _machine(instance: Mapping[str, Any]) -> Machine:
    word, tags = str(instance["State"]["Name"]), _untagged(instance)
    reason = (instance.get("StateReason") or {}).get("Message") or instance.get("StateTransitionReason") or ""
    cards = instance.get("NetworkInterfaces") or []
    private = str(instance.get("PrivateIpAddress") or "")
    others = [a["PrivateIpAddress"] for card in cards for a in card.get("PrivateIpAddresses") or ()]
    others += [a["Ipv6Address"] for card in cards for a in card.get("Ipv6Addresses") or ()]
    refuses = ""
    if instance.get("InstanceLifecycle") == "spot":
        refuses = "it is a spot instance: AWS itself stops and ends it, and refuses or undoes these powers"
    elif "ibernat" in str(reason):
        refuses = "it is hibernated: it would come back in the same boot"
    return Machine(
        id=instance["InstanceId"], name=tags.get("Name", ""), power=POWER.get(word, PowerState.UNKNOWN),
        word=f"{word} ({reason})" if reason else word, gone=word == "terminated", busy=word in BUSY, private=private,
        public=str(instance.get("PublicIpAddress") or ""), others=tuple(map(str, others)), tags=tags, refuses=refuses,
    )  # fmt: skip


def _filters(tags: Mapping[str, str] | None) -> list[dict[str, Any]]:
    return [
        {"Name": f"tag:{key}", "Values": [value]} if value else {"Name": "tag-key", "Values": [key]}
        for key, value in (tags or {}).items()
    ]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _untagged(thing: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in thing.get("Tags") or ()}
