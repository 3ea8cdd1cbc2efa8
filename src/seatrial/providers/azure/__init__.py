"""The azure provider: nodes are virtual machines of Azure, made here or by a deployer."""

from __future__ import annotations

from typing import Any, ClassVar

from seatrial.providers.azure.cloud import Azure
from seatrial.providers.azure.refusals import told
from seatrial.providers.azure.session import Session
from seatrial.providers.azure.settings import REMEDY, AzureSettings
from seatrial.providers.clouds.calls import Calls
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.registry import provider


@provider("azure")
class AzureCloud(CloudProvider):
    """Each node is a virtual machine of Azure, reached by SSH; those of a deployer are recognised."""

    name = "azure"
    title = "Azure"
    remedy = REMEDY

    Settings: ClassVar[type[Any]] = AzureSettings

    async def connect(self, settings: AzureSettings) -> Azure:
        """The subscription, by Azure's own chain of credentials."""
        calls = Calls(told)
        return Azure(await calls.ask("the credentials of Azure", Session, settings), calls, settings)
