"""The proxy before moto's server: EC2's API at one URL on loopback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from seatrial_stand_ins.aws.answers import Answer, refusal
from seatrial_stand_ins.aws.instances import Instances, user_data
from seatrial_stand_ins.aws.moto import Moto
from seatrial_stand_ins.aws.plants import Plants, happens
from seatrial_stand_ins.loopback import LoopbackServer
from seatrial_stand_ins.machines import Machines, Unreal

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

REGION = "eu-central-1"
STANDARD = "L-1216C47A"
"""The quota of the usual on-demand instances, the only one here."""
WRONG_STATE = {"StopInstances": ("pending",), "StartInstances": ("pending", "stopping", "shutting-down", "terminated")}
"""States in which EC2 refuses a change; moto does not."""
PASSED_ON = ("authorization", "content-type", "x-amz-date", "x-amz-security-token", "amz-sdk-request")


class AwsServer(LoopbackServer):
    """A cloud for tests: `with AwsServer() as server:`; `server.environment` holds the SDK's variables.

    `machines`: what instances are; by default they are simulated. You can change `plants`, and read `calls` and
    `instances`, while it runs.
    """

    def __init__(self, machines: Machines | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.plants = Plants()
        self.instances = Instances(machines or Unreal(), self.plants, self._off)
        self.calls: list[tuple[str, Mapping[str, str]]] = []
        """Action and parameters of each request."""
        self.secret = "a-secret-key-of-a-stand-in"
        self._moto = Moto()
        self._http: httpx.AsyncClient | None = None
        self._headers: dict[str, str] = {}
        self._tokens: dict[str, bytes] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for boto3, the AWS CLI and other clients."""
        keys = {"AWS_ACCESS_KEY_ID": "AKIASTANDIN", "AWS_SECRET_ACCESS_KEY": self.secret}
        return {**keys, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.root}

    @property
    def behind(self) -> str:
        """The address of moto's server: its own instances have no machines."""
        return self._moto.url

    async def open(self) -> None:
        import httpx

        self._http = httpx.AsyncClient(timeout=60, trust_env=False)
        await self._moto.open()
        await self.instances.open()

    async def close(self) -> None:
        try:
            await self.instances.close()
        finally:
            await self._moto.close()
            if self._http is not None:
                await self._http.aclose()

    async def answer(self, request: Request) -> Response:
        from starlette.responses import Response

        parameters = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        action = parameters.get("Action", "")
        if target := request.headers.get("x-amz-target", ""):
            action = target.rpartition(".")[2]
        self.calls.append((action, parameters))
        if action == "GetServiceQuota":
            return self._quota(await request.json())
        self._headers = {name: value for name, value in request.headers.items() if name in PASSED_ON}
        if planted := self._planted(action, parameters):
            status, code, message = planted
            return Response(refusal(code, message), status_code=status, media_type="text/xml")
        if action == "RunInstances" and (before := self._tokens.get(parameters.get("ClientToken", ""))):
            return Response(before, media_type="text/xml")
        passed = await self._passed(parameters)
        content = passed.content
        if passed.status_code == 200 and "Instances" in action:
            content = self._with_machines(action, parameters, content)
        if happens(self.plants.lost, action):
            return Response(status_code=200, headers={"content-length": "100000"})  # uvicorn cuts it off
        return Response(content, status_code=passed.status_code, media_type="text/xml")

    def _quota(self, asked: Mapping[str, Any]) -> Response:
        """Service Quotas, which moto knows for networks only; in JSON."""
        from starlette.responses import Response

        code, status = str(asked.get("QuotaCode")), 200
        quota = {"ServiceCode": "ec2", "QuotaCode": code, "Value": self.plants.cpus, "Unit": "None"}
        answer: dict[str, Any] = {"Quota": quota}
        if "GetServiceQuota" in self.plants.refused:
            status, word = self.plants.refused["GetServiceQuota"]
            answer = {"__type": word, "message": "GetServiceQuota was refused on purpose"}
        elif code != STANDARD:
            status, answer = 404, {"__type": "NoSuchResourceException", "message": f"no quota {code} in this stand-in"}
        return Response(json.dumps(answer), status_code=status, media_type="application/x-amz-json-1.1")

    def _planted(self, action: str, parameters: Mapping[str, str]) -> tuple[int, str, str] | None:
        if planted := self.plants.refused.get(action) or self.plants.refused.get("*"):
            status, code = planted
            return status, code, f"{action} was refused on purpose"
        if happens(self.plants.throttled, action):
            return 503, "RequestLimitExceeded", "Request limit exceeded."
        for id in (value for name, value in parameters.items() if name.startswith("InstanceId.")):
            known = self.instances.known.get(id)
            if known is not None and known.state in WRONG_STATE.get(action, ()):
                return 400, "IncorrectInstanceState", f"The instance '{id}' is not in a state from which it can go on."
            if known is not None and self.instances.hidden(id):
                return 400, "InvalidInstanceID.NotFound", f"The instance ID '{id}' does not exist"
        return None

    def _with_machines(self, action: str, parameters: Mapping[str, str], content: bytes) -> bytes:
        answer, instances = Answer(content), self.instances
        if parameters.get("DryRun") == "true":
            return content
        named = [value for name, value in parameters.items() if name.startswith("InstanceId.")]
        for id in answer.instances() or named:
            if action == "RunInstances":
                names = [
                    value for key, value in parameters.items() if key.endswith(".Value") and _is_name(key, parameters)
                ]
                instances.run(id, user_data(parameters), names[0] if names else "")
            elif id not in instances.known:
                continue
            elif action == "StopInstances":
                instances.stop(id, forced=parameters.get("SkipOsShutdown") == "true")
            elif action == "StartInstances":
                instances.start(id)
            elif action == "RebootInstances":
                instances.reboot(id)
            elif action == "TerminateInstances":
                instances.terminate(id)
            known = instances.known[id]
            answer.show(id, known.state, known.address, known.reason)
        if action == "DescribeInstances":
            answer.hide(instances.hidden)
        content = answer.text()
        if action == "RunInstances" and parameters.get("ClientToken"):
            self._tokens[parameters["ClientToken"]] = content
        return content

    async def _passed(self, parameters: Mapping[str, str]) -> httpx.Response:
        assert self._http is not None
        return await self._http.post(self._moto.url, content=urlencode(parameters), headers=self._headers)

    async def _off(self, id: str, action: str) -> None:
        """Tell moto about a change of an instance by itself."""
        with contextlib.suppress(Exception):
            await self._passed({"Action": action, "Version": "2016-11-15", "InstanceId.1": id})


def _is_name(key: str, parameters: Mapping[str, str]) -> bool:
    return parameters.get(f"{key.removesuffix('.Value')}.Key") == "Name"
