"""The contents of a subscription, and their form in answers: errors, tokens, operations, pages, resources."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from seatrial_stand_ins.azure import checking
from seatrial_stand_ins.azure.catalog import LOCATIONS
from seatrial_stand_ins.clouds.operations import Operation
from seatrial_stand_ins.clouds.server import Answer, Call, CloudServer, Refused, Routes
from seatrial_stand_ins.clouds.things import Machine, Shelf, Thing

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

COMPUTE, NETWORK = "Microsoft.Compute", "Microsoft.Network"
PAGE = 50

REASONS = {
    "token": (401, "InvalidAuthenticationToken", "The access token is invalid."),
    "read-only": (403, "AuthorizationFailed", "The client does not have authorization to perform action '{call}'."),
    "denied": (403, "AuthorizationFailed", "The client does not have authorization to perform action '{call}'."),
    "throttled": (429, "SubscriptionRequestsThrottled", "Number of requests exceeded the limit."),
    "missing": (404, "NotFound", "The resource could not be found."),
    "broken": (500, "InternalServerError", "Encountered internal server error."),
    "json": (400, "InvalidRequestContent", "The request content was invalid and could not be deserialized."),
}

Work = Callable[["Call[Azure]"], Awaitable[Answer]]


class Actions(Routes["Azure"]):
    """Calls named by the right that they need; the case of a path does not count in Azure."""

    def on(self, action: str, *requests: str) -> Callable[[Work], Work]:
        """Register the function of `GET /subscriptions/{subscription}/…`."""

        def registered(work: Work) -> Work:
            for request in requests:
                method, _, pattern = request.partition(" ")
                pattern = pattern.replace("GROUP", "/subscriptions/{subscription}/resourceGroups/{group}")
                pattern = pattern.replace("ALL", "/subscriptions/{subscription}")
                expression = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), re.IGNORECASE)
                self._known.append((method, expression, action, work))
            return work

        return registered


ROUTES = Actions()


class Azure(CloudServer):
    """One subscription, and the authority that gives tokens for it."""

    base = ""
    requests_per_hour = 12_000
    tls_needed = True  # the SDK refuses to send a token without it
    poll_after = 0
    """Seconds that a client is to wait before it asks for an operation again."""

    def furnish(self) -> None:
        """A new subscription, with no group."""
        self.subscription, self.tenant, self.client = (str(uuid.uuid4()) for _ in range(3))
        self.secret = secrets.token_urlsafe(24)
        self.token = _jwt({"tid": self.tenant, "appid": self.client, "oid": str(uuid.uuid4()), "n": self.token})
        self.groups: Shelf[Thing] = Shelf(self.plants)
        self.shelves: dict[str, Shelf[Any]] = {
            f"{COMPUTE}/virtualMachines": self.machines,
            **{f"{COMPUTE}/{kind}": Shelf(self.plants) for kind in ("disks", "images")},
            **{
                f"{NETWORK}/{kind}": Shelf(self.plants)
                for kind in ("networkInterfaces", "publicIPAddresses", "virtualNetworks", "networkSecurityGroups")
            },
        }
        self.wrong: list[str] = []
        """Answers that are not as Azure's models have them; empty, or the server is wrong."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of Azure's clients. Its SDK has none for the endpoint: the name is that of Terraform."""
        trust = {"REQUESTS_CA_BUNDLE": self.authority} if self.authority else {}
        return {
            "AZURE_TENANT_ID": self.tenant, "AZURE_CLIENT_ID": self.client, "AZURE_CLIENT_SECRET": self.secret,
            "AZURE_SUBSCRIPTION_ID": self.subscription, "AZURE_AUTHORITY_HOST": self.root, "ARM_ENDPOINT": self.url,
            **trust,
        }  # fmt: skip

    def refusal(self, refused: Refused) -> Mapping[str, Any]:
        """`{"error": {"code": …, "message": …}}`."""
        return {"error": {"code": refused.code, "message": refused.text}}

    def refuse(self, why: str, call: str) -> Refused:
        """Azure's own code and words."""
        status, code, text = REASONS[why]
        return Refused(status, code, text.format(call=call))

    async def answer(self, request: Request) -> Response:
        """The authority's answers need no token."""
        path = request.url.path
        if found := re.fullmatch(r"/([^/]+)/(oauth2/v2\.0/token|v2\.0/\.well-known/openid-configuration)", path):
            return await self._authority(request, found[1], token=found[2].endswith("token"))
        if path.startswith("/console/"):
            return _plain(str(self.machines[path.removeprefix("/console")].told["_serial"]))
        return await super().answer(request)

    async def _authority(self, request: Request, tenant: str, *, token: bool) -> Response:
        at = f"{self.root}/{tenant}"
        if not token:
            told = {"issuer": f"{at}/v2.0", "authorization_endpoint": f"{at}/oauth2/v2.0/authorize"}
            return _json({**told, "token_endpoint": f"{at}/oauth2/v2.0/token"}, 200)
        form = dict(parse_qsl((await request.body()).decode()))
        given = (tenant, form.get("client_id"), form.get("client_secret"), form.get("grant_type"))
        if given != (self.tenant, self.client, self.secret, "client_credentials"):
            text = "AADSTS7000215: Invalid client secret provided."
            return _json({"error": "invalid_client", "error_description": text, "error_codes": [7000215]}, 401)
        scopes = form.get("scope", "").split()  # some clients add `openid` and others
        if f"{self.root}/.default" not in scopes:
            text = f"AADSTS500011: The resource principal named {' '.join(scopes)} was not found in the tenant."
            return _json({"error": "invalid_resource", "error_description": text}, 400)
        return _json({"token_type": "Bearer", "expires_in": 3599, "access_token": self.token}, 200)

    # What calls share

    def require(self, call: Call[Azure]) -> None:
        """The version, the subscription and the group of a path."""
        if not call.query.get("api-version"):
            raise Refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        if (named := call.values.get("subscription")) and named.lower() != self.subscription:
            raise Refused(404, "SubscriptionNotFound", f"The subscription '{named}' could not be found.")
        if (group := call.values.get("group")) is not None and self.group(group) is None:
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def group(self, name: str) -> Thing | None:
        """The group of this name."""
        return self.groups.get(name.lower())

    def id(self, group: str, kind: str, name: str) -> str:
        """The identifier of a resource."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{group}/providers/{kind}/{name}"

    def at(self, id: str) -> Any:
        """The resource with this identifier; None: there is none."""
        return next((shelf[id.lower()] for shelf in self.shelves.values() if id.lower() in shelf), None)

    def named(self, kind: str, call: Call[Azure]) -> Any:
        """The resource that a path names."""
        self.require(call)
        found = self.shelves[kind].get(self.id(call.values["group"], kind, call.values["name"]).lower())
        if found is None:
            text = f"The Resource '{kind}/{call.values['name']}' was not found."
            raise Refused(404, "ResourceNotFound", text)
        return found

    def checked(self, model: str, body: Mapping[str, Any]) -> None:
        """Refuse a body that is not as Azure's model has it."""
        if found := checking.wrong(model, body):
            raise Refused(400, "InvalidRequestContent", f"The request content was invalid: {found}")
        if "location" in body and body["location"] not in LOCATIONS:
            raise Refused(400, "LocationNotAvailableForResourceType", f"No location {body['location']!r}.")

    def told(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """An answer, checked too."""
        if found := checking.wrong(model, body):
            self.wrong.append(f"{model}: {found}")
        return body

    def going_on(self, operation: Operation, body: Mapping[str, Any] | None = None, status: int = 202) -> Answer:
        """The answer to the begin of an operation."""
        at = f"{self.root}/subscriptions/{self.subscription}/providers/{COMPUTE}/locations/any"
        headers = {
            "Azure-AsyncOperation": f"{at}/operations/{operation.id}?api-version=2026-01-01",
            "Retry-After": str(self.poll_after),
        }
        if status == 202:
            headers["Location"] = f"{at}/results/{operation.id}?api-version=2026-01-01"
        return Answer(body, status, headers)


def page(call: Call[Azure], found: Iterable[Mapping[str, Any]]) -> Answer:
    """One page, with the link to the next."""
    things, first = list(found), call.number("$skiptoken", 0)
    query = urlencode({**call.query, "$skiptoken": first + PAGE})
    more = {"nextLink": f"{call.cloud.root}{call.path}?{query}"} if len(things) > first + PAGE else {}
    return Answer({"value": things[first : first + PAGE], **more})


def tagged(call: Call[Azure], found: Iterable[Thing]) -> list[Thing]:
    """Those that `$filter=tagName eq 'a' and tagValue eq 'b'` lets through."""
    wanted = re.fullmatch(r"tagName eq '([^']+)'(?: and tagValue eq '([^']*)')?", call.query.get("$filter", ""))
    if wanted is None:
        return list(found)
    return [one for one in found if wanted[1] in one.labels and wanted[2] in (None, one.labels[wanted[1]])]


@ROUTES.on(
    "Microsoft.Compute/locations/operations/read", f"GET ALL/providers/{COMPUTE}/locations/{{at}}/operations/{{id}}"
)
async def get_operation(call: Call[Azure]) -> Answer:
    operation = _operation(call)
    word = {"running": "InProgress", "done": "Succeeded", "failed": "Failed"}[operation.state]
    error = {"error": {"code": operation.code, "message": operation.error}} if operation.state == "failed" else {}
    told = {"name": str(operation.id), "status": word, "startTime": operation.begun, **error}
    headers = {"Retry-After": str(call.cloud.poll_after)} if word == "InProgress" else {}
    return Answer(told, 200, headers)


@ROUTES.on(
    "Microsoft.Compute/locations/operations/read", f"GET ALL/providers/{COMPUTE}/locations/{{at}}/results/{{id}}"
)
async def get_result(call: Call[Azure]) -> Answer:
    operation = _operation(call)
    if operation.state == "running":
        return call.cloud.going_on(operation)
    if operation.state == "failed":
        raise Refused(409, operation.code, operation.error)
    return Answer(None, 200)


def _operation(call: Call[Azure]) -> Operation:
    call.cloud.require(call)
    operation = call.cloud.operations.all.get(int(call.values["id"]) if call.values["id"].isdigit() else 0)
    if operation is None:
        raise call.cloud.refuse("missing", call.name)
    return operation


def busy(machine: Machine) -> None:
    """Refuse a change of a machine with an operation."""
    if machine.busy:
        raise Refused(409, "Conflict", "The request failed due to conflict with a concurrent request.")


def _jwt(claims: Mapping[str, Any]) -> str:
    parts = [{"typ": "JWT", "alg": "none"}, {**claims, "exp": int(time.time()) + 36000}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(32)])


def _plain(text: str) -> Response:
    from starlette.responses import Response

    return Response(text, media_type="text/plain")


def _json(body: Mapping[str, Any], status: int) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(dict(body), status)
