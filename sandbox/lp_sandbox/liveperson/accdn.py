"""accdn: the public configuration: connectors, agents' profiles, and their pictures."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lp_sandbox.liveperson.accounts import SandboxAgent
from lp_sandbox.liveperson.gate import Call, HttpRefused

Json = dict[str, Any]

ANONYMOUS = "lpTag.taglets.unAuthMessaging.lpUnauthFunction"
"""The `jsMethodName` by which a connector for anonymous tokens is known."""


def connectors(call: Call) -> list[Json]:
    """`GET …/configuration/le-connectors/all-connectors`."""
    provider = call.account.provider
    if provider is None:
        found = [_connector(3050000, "Authenticated consumers", "brandsOwn.getIdToken")]
    else:
        shown = provider.issuer if provider.published else "sandbox"
        found = [_connector(provider.connector, "The brand", "brandsOwn.getIdToken", shown)]
    if call.account.connector is not None:
        found.append(_connector(call.account.connector, "Anonymous consumers", ANONYMOUS))
    return found


def _connector(number: int, name: str, method: str, issuer: str = "sandbox") -> Json:
    configuration = {"jsContext": "window", "jsMethodName": method, "issuer": issuer}
    return {
        "id": number,
        "name": name,
        "deleted": False,
        "type": 1,
        "configuration": configuration,
    }


def settings(call: Call) -> list[Json]:
    """`GET …/configuration/setting/accountproperties`: the site settings that are public."""
    found: list[Json] = [_setting("messaging.sdes", "true")]
    if (sharing := call.account.file_sharing) is not None:
        found.append(_setting("messaging.file.sharing.enabled", str(sharing).lower()))
    return found


def _setting(name: str, value: str) -> Json:
    return {"id": name, "propertyType": 1, "propertyValue": {"value": value}}


def profile(call: Call) -> Json:
    """`GET …/configuration/le-users/users/{public id}`."""
    agent = _agent(call)
    seen = {
        "nickname": agent.nickname,
        "fullName": agent.full_name,
        "employeeId": agent.user_id,
    }
    origin = f"{call.request.scheme}://{call.request.host}"
    drawn = f"{origin}/pictures/{call.account.number}/{agent.public_id}.svg"
    return seen | {"pictureUrl": agent.picture_url or drawn}


def picture(call: Call) -> web.Response:
    """`GET /pictures/{account}/{public id}.svg`: the initial on the agent's colour."""
    agent = _agent(call)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96">'
        f'<rect width="96" height="96" rx="18" fill="{agent.colour}"/>'
        '<text x="48" y="66" font-family="sans-serif" font-size="52" font-weight="600"'
        f' fill="#fff" text-anchor="middle">{agent.nickname[:1]}</text></svg>'
    )
    return web.Response(text=svg, content_type="image/svg+xml")


def _agent(call: Call) -> SandboxAgent:
    agent = call.account.agent_by_public_id(call.request.match_info["agent"])
    if agent is None:
        raise HttpRefused(404, "no such user")
    return agent
