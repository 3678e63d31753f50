"""CSDS: which host serves which service. It is always this server, as the caller addressed it."""

from __future__ import annotations

from typing import Any

from lp_sandbox.liveperson.accounts import STRANGER, Trouble
from lp_sandbox.liveperson.gate import Call, HttpRefused

Json = dict[str, Any]

SERVICES = ("idp", "asyncMessagingEnt", "acCdnDomain", "agentVep", "swift")


def base_uris(call: Call) -> Json:
    """`GET /api/account/{account}/service/baseURI.json?version=1.0`."""
    return {"baseURIs": [_entry(call, service) for service in SERVICES]}


def base_uri(call: Call) -> Json:
    """`GET /api/account/{account}/service/{service}/baseURI.json?version=1.0`."""
    wanted = call.request.match_info["service"].casefold()
    for service in SERVICES:
        if service.casefold() == wanted:
            return _entry(call, service)
    raise HttpRefused(404, "unknown service")


def _entry(call: Call, service: str) -> Json:
    if call.request.query.get("version") != "1.0":
        raise HttpRefused(400, "the query must say version=1.0")
    strange = call.account.trouble is Trouble.STRANGER
    host = STRANGER if strange else call.request.host
    return {"service": service, "account": call.account.number, "baseURI": host}
