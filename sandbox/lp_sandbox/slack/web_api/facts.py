"""auth.test, users.*, team.info: facts about users and the workspace."""

from __future__ import annotations

from typing import Any

from lp_sandbox.slack.model import Refusal
from lp_sandbox.slack.web_api.call import Call, method


@method("api.test")
def api_test(call: Call) -> dict[str, Any]:
    return {"args": call.arguments}


@method("auth.test")
def auth_test(call: Call) -> dict[str, Any]:
    app, team = call.workspace.app, call.workspace.team
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": call.workspace.users[app.user_id].name,
        "team_id": team.id,
        "user_id": app.user_id,
        "bot_id": app.bot_id,
        "is_enterprise_install": call.workspace.by_organization,
        **({"enterprise_id": team.enterprise} if team.enterprise else {}),
    }


@method("users.info", scope="users:read", json=False)
def users_info(call: Call) -> dict[str, Any]:
    user = call.workspace.users.get(call.required("user", "user_not_found"))
    if user is None:
        raise Refusal("user_not_found")
    email = "users:read.email" in call.workspace.app.scopes
    return {"user": user.as_dict(call.workspace.team.id, email=email)}


@method("bots.info", scope="users:read", json=False)
def bots_info(call: Call) -> dict[str, Any]:
    app = call.workspace.app
    if call.text("bot") != app.bot_id:
        raise Refusal("bot_not_found")
    return {
        "bot": {
            "id": app.bot_id,
            "deleted": False,
            "name": app.name,
            "app_id": app.id,
            "user_id": app.user_id,
            "icons": {},
            "updated": 1_700_000_000,
        }
    }


@method("team.info", scope="team:read", json=False)
def team_info(call: Call) -> dict[str, Any]:
    team = call.workspace.team
    if call.text("team") not in {None, team.id}:
        raise Refusal("team_not_found")
    return {
        "team": {
            "id": team.id,
            "name": team.name,
            "domain": team.domain,
            "email_domain": "",
            "icon": {"image_default": True},
        }
    }
