"""The aws provider: nodes are instances of Amazon EC2, made here or by a deployer."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from seatrial.errors import CannotTell
from seatrial.providers.aws.ec2 import Ec2
from seatrial.providers.aws.refusals import REMEDY, told
from seatrial.providers.aws.settings import AwsSettings
from seatrial.providers.clouds.calls import ANSWER, Calls, imports
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.registry import provider


@provider("aws")
class Aws(CloudProvider):
    """Each node is an instance of EC2, reached by SSH; those of a deployer are recognised."""

    name = "aws"
    title = "AWS"
    remedy = REMEDY

    Settings: ClassVar[type[Any]] = AwsSettings

    async def connect(self, settings: AwsSettings) -> Ec2:
        """The account by the SDK's own chain of credentials."""
        calls = Calls(told)
        return await calls.ask("the credentials of AWS", _connected, settings, calls)


def _connected(settings: AwsSettings, calls: Calls) -> Ec2:
    with imports("the AWS SDK", "aws"):
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ProfileNotFound
    try:
        session = boto3.Session(profile_name=settings.profile or None, region_name=settings.region or None)
    except ProfileNotFound as error:
        raise CannotTell(f"providers.aws.profile is {settings.profile!r}: {error}; {REMEDY}") from None
    # Repeating is `calls`'s work: it knows which calls may be sent again, and waits as long as AWS says.
    config = Config(connect_timeout=10, read_timeout=ANSWER, retries={"total_max_attempts": 1}, max_pool_connections=16)
    credentials = session.get_credentials()
    if credentials is None:
        raise CannotTell(f"no credentials of AWS; {REMEDY}")
    client = session.client("ec2", config=config)
    caller = session.client("sts", config=config).get_caller_identity()
    place = {"account": str(caller["Account"]), "region": str(client.meta.region_name)}
    found = f"{caller['Arn']} from {credentials.method}"
    secrets = tuple(filter(None, (credentials.secret_key, credentials.token)))
    quotas = partial(session.client, "service-quotas", config=config)
    return Ec2(client, quotas, calls, settings, place, found, secrets)
