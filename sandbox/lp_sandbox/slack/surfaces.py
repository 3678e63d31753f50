"""What a person does outside of messages: opens the app's home, uses a shortcut, fills a dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lp_sandbox.slack.delivery import Delivery
from lp_sandbox.slack.events import VERIFICATION_TOKEN
from lp_sandbox.slack.model import SHORTCUTS, Refusal
from lp_sandbox.slack.people import ClickResult, People, SubmitResult, button_of, channel_name
from lp_sandbox.slack.responses import Occasion, Responses
from lp_sandbox.slack.web_api.views import keep, modal
from lp_sandbox.slack.workspace import Workspace


class Surfaces:
    """Homes, shortcuts and dialogs, as persons of the workspace use them."""

    def __init__(
        self,
        workspace: Workspace,
        delivery: Delivery,
        responses: Responses,
        people: People,
        base_url: Callable[[], str],
    ) -> None:
        self._workspace = workspace
        self._delivery = delivery
        self._responses = responses
        self._people = people
        self._base_url = base_url

    async def open_home(self, user: str, tab: str = "home") -> None:
        """Open the app's page; return once the app has acknowledged it or Slack has given up."""
        shown = self._workspace.homes.get(user)
        pair = {user, self._workspace.app.user_id}
        channel = next(
            each.id
            for each in self._workspace.channels.values()
            if each.kind == "im" and each.members == pair
        )
        event: dict[str, Any] = {
            "type": "app_home_opened",
            "user": user,
            "channel": channel,
            "tab": tab,
        }
        if shown is not None and tab == "home":
            event["view"] = {name: value for name, value in shown.items() if name != "user"}
        await self._delivery.tell({**event, "event_ts": self._workspace.next_ts(channel)})

    async def shortcut(
        self,
        user: str,
        callback_id: str,
        *,
        channel: str | None = None,
        message_ts: str | None = None,
    ) -> ClickResult:
        """Use a shortcut; one of a message needs its channel and ts.

        Raises:
            LookupError: the app has no such shortcut, or there is no such message.
        """
        kind = SHORTCUTS.get(callback_id)
        if kind != ("shortcut" if channel is None else "message_action"):
            raise LookupError(f"the app has no shortcut {callback_id} there")
        trigger = self._people.trigger(user)
        payload = self._payload(user, kind or "", trigger) | {"callback_id": callback_id}
        payload["action_ts"] = self._people.moment()
        if channel is not None:
            place = self._people.enter(user, channel, writes=False)
            message = self._workspace.message(channel, message_ts or "")
            payload["channel"] = {"id": channel, "name": channel_name(place)}
            payload["message_ts"] = message.ts
            payload["message"] = message.as_dict()
            payload["response_url"] = self._responses.url(Occasion(channel, user), self._base_url())
        answer = await self._delivery.interaction(payload, None)
        return ClickResult(answer.status, trigger)

    async def press(self, user: str, action_id: str, value: str | None = None) -> ClickResult:
        """Press a button in the app's home. LookupError: the person sees no such button there."""
        shown = self._workspace.homes.get(user)
        if shown is None:
            raise LookupError(f"{user} has not opened the home")
        block_id, button = button_of(shown["blocks"], action_id, value)
        trigger = self._people.trigger(user)
        view = {name: each for name, each in shown.items() if name != "user"}
        action: dict[str, Any] = {
            "type": "button",
            "action_id": action_id,
            "block_id": block_id,
            "text": button["text"],
            "action_ts": self._people.moment(),
            **{name: button[name] for name in ("value", "url", "style") if name in button},
        }
        payload = self._payload(user, "block_actions", trigger)
        payload["container"] = {"type": "view", "view_id": view["id"]}
        payload["view"] = {**view, "state": {"values": {}}}
        payload["actions"] = [action]
        answer = await self._delivery.interaction(payload, None)
        return ClickResult(answer.status, trigger)

    async def submit(self, user: str, view_id: str, values: dict[str, Any]) -> SubmitResult:
        """Submit a dialog that is open.

        Raises:
            LookupError: it is not the person's, or Slack's client would not send it, since a field
                is empty that must not be, or a value is none of those that are offered.
        """
        view = self._workspace.views.get(view_id)
        if view is None or view["user"] != user:
            raise LookupError(f"{user} sees no dialog {view_id}")
        _fits(view["blocks"], values)
        shown = {name: value for name, value in view.items() if name != "user"}
        payload = self._payload(user, "view_submission", self._people.trigger(user)) | {
            "view": {**shown, "state": {"values": values}},
            "response_urls": [],
        }
        answer = await self._delivery.interaction(payload, None)
        body = answer.body or {}
        if answer.acknowledged:
            self._follow(view, body)
        return SubmitResult(answer.status, body.get("errors", {}), body.get("view"))

    def _follow(self, view: dict[str, Any], body: dict[str, Any]) -> None:
        """Do with the dialog what the app has answered."""
        views, name = self._workspace.views, view["id"]
        match body.get("response_action"):
            case None | "clear":
                views.pop(name, None)
            case "errors":
                unknown = body["errors"].keys() - {block["block_id"] for block in view["blocks"]}
                if unknown or not body["errors"]:
                    raise Refusal("invalid_arguments", blocks=sorted(unknown))
            case "update":
                keep(views, name, modal(body["view"]), view["user"])

    def _payload(self, user: str, kind: str, trigger: str) -> dict[str, Any]:
        person, team = self._workspace.users[user], self._workspace.team
        return {
            "type": kind,
            "user": {
                "id": user,
                "username": person.name,
                "name": person.name,
                "team_id": person.team or team.id,
            },
            "team": {"id": team.id, "domain": team.domain},
            "api_app_id": self._workspace.app.id,
            "token": VERIFICATION_TOKEN,
            "trigger_id": trigger,
            "enterprise": None,
            "is_enterprise_install": False,
        }


def filled(view: dict[str, Any], **given: str | None) -> dict[str, Any]:
    """Give `state.values` of a dialog: what stands in it, changed by `given` (by block_id)."""
    values: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        name, element = block["block_id"], block["element"]
        values[name] = {element["action_id"]: _field(element, given.pop(name, ""))}
    if given:
        raise LookupError(f"the dialog has no {', '.join(given)}")
    return values


def _field(element: dict[str, Any], value: str | None) -> dict[str, Any]:
    """A field with a value; an empty one: as it stands; None: emptied."""
    kind = element["type"]
    field: dict[str, Any] = {"type": kind}
    if kind == "plain_text_input":
        typed = element.get("initial_value") if value == "" else value
        return field | {"value": typed}
    if kind == "conversations_select":
        chosen = element.get("initial_conversation") if value == "" else value
        return field | {"selected_conversation": chosen}
    option = element.get("initial_option")
    if value != "":
        found = [each for each in element["options"] if each["value"] == value]
        if value is not None and not found:
            raise LookupError(f"{value!r} is not offered")
        option = found[0] if found else None
    return field | {"selected_option": option}


def _fits(blocks: list[dict[str, Any]], values: dict[str, Any]) -> None:
    for block in blocks:
        if block["type"] != "input" or block.get("optional"):
            continue
        fields = values.get(block["block_id"], {})
        field = fields.get(block["element"].get("action_id"), {})
        if not any(value for name, value in field.items() if name != "type"):
            raise LookupError(f"{block['block_id']} must be filled in")
