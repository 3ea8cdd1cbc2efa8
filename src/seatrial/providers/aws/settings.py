"""The settings of `[providers.aws]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.providers.clouds.settings import FirewallSettings


@dataclass(frozen=True, kw_only=True)
class AwsSettings(FirewallSettings):
    """Which account and region of AWS, and what its instances are made from."""

    profile: str = ""
    """The profile in ~/.aws; empty: the chain of the AWS SDK (environment, default profile, SSO, instance role)."""
    region: str = ""
    """The region of the instances; empty: the one of the profile or of AWS_REGION."""
    image_owners: Sequence[str] = ("self", "amazon")
    """The accounts (or `self`, `amazon`) whose images may be named by name; an identifier `ami-…` needs none."""
    firewall: str = ""
    """An existing security group for the instances, by identifier; empty: each trial makes its own."""
