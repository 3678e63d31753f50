"""The page's calls to its server, and `/control/…` for programs that want to cause faults.

The page's own calls answer 200 with `{"error": sentence}` where something is refused; `/control`
answers with 4xx statuses.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from lp_sandbox.agent import ScriptedAgent
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.cards import gallery_card
from lp_sandbox.liveperson.conversations import Refused
from lp_sandbox.page.breaks import Breaks, CannotBreak
from lp_sandbox.page.control import BridgeControl
from lp_sandbox.slack import Refusal, SlackSandbox
from lp_sandbox.slack.files import Attachment

Body = dict[str, Any]
Action = Callable[[Body], Awaitable[Body]]

REFUSALS = {
    "not_in_channel": "You are not in this channel.",
    "is_archived": "This channel is archived: nobody can write here.",
    "thread_not_found": "That thread is gone.",
    "message_not_found": "That message is gone.",
    "channel_not_found": "There is no such channel.",
}


class Api:
    """The actions of persons and agents, each a small method."""

    def __init__(
        self,
        slack: SlackSandbox,
        liveperson: LivePersonSandbox,
        agent: ScriptedAgent,
        breaks: Breaks,
        bridge: BridgeControl,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._slack = slack
        self._liveperson = liveperson
        self._agent = agent
        self._breaks = breaks
        self._bridge = bridge
        self._changed = changed

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        actions: dict[str, Action] = {
            "slack/say": self._say,
            "slack/click": self._click,
            "slack/delete": self._delete,
            "agent/accept": self._accept,
            "agent/say": self._answer,
            "agent/card": self._card,
            "agent/file": self._file,
            "agent/close": self._close,
            "agent/typing": self._typing,
            "agent/transfer": self._transfer,
            "agent/take-over": self._take_over,
            "agent/hand-back": self._hand_back,
            "agent/script": self._script,
            "domains": self._domains,
            "break": self._break,
        }
        return [
            *(web.post(f"/api/{name}", self._handler(do)) for name, do in actions.items()),
            web.post("/control/faults", self._faults),
        ]

    def _handler(self, do: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = await read_body(request)
            try:
                answer = await do(body)
            except Refusal as refusal:
                answer = {"error": REFUSALS.get(refusal.error, f"Slack refuses: {refusal.error}.")}
            except Refused as refused:
                answer = {"error": f"LivePerson refuses: {refused.reason}."}
            except CannotBreak as reason:
                answer = {"error": str(reason)}
            except LookupError as error:
                answer = {"error": str(error.args[0]) if error.args else "There is no such thing."}
            self._changed()
            return web.json_response(answer)

        return handle

    # -- Slack's side --------------------------------------------------------------------------

    async def _say(self, body: Body) -> Body:
        """A person writes; what begins with a slash is a command."""
        user, channel = need(body, "user"), need(body, "channel")
        thread_ts = body.get("thread_ts")
        if "data" in body:
            attached = Attachment(need(body, "name"), read_data(body))
            typed = self._slack.typed(str(body.get("text", "")))
            return {"ts": await self._slack.say(user, channel, typed, thread_ts, [attached])}
        text = need(body, "text")
        if text.startswith("/") and not text.startswith("//") and thread_ts is None:
            command, _, rest = text.partition(" ")
            if command != "/lp":
                return {"error": f"{command} is not a command here. Try /lp help."}
            result = await self._slack.command(user, channel, rest.strip(), command)
            return {"status": result.status}
        ts = await self._slack.say(user, channel, self._slack.typed(text), thread_ts)
        return {"ts": ts}

    async def _click(self, body: Body) -> Body:
        result = await self._slack.click(
            need(body, "user"),
            need(body, "channel"),
            need(body, "message_ts"),
            need(body, "action_id"),
            body.get("value"),
            values=body.get("values"),
        )
        if not 200 <= result.status < 300:
            return {"error": "The bridge did not answer. Is it running?"}
        return {"status": result.status}

    async def _delete(self, body: Body) -> Body:
        await self._slack.delete(need(body, "channel"), need(body, "message_ts"))
        return {}

    # -- the agent's side ----------------------------------------------------------------------

    async def _accept(self, body: Body) -> Body:
        conversation_id = self._take(body)
        await self._liveperson.accept(conversation_id, agent=self._as(body))
        return {}

    async def _answer(self, body: Body) -> Body:
        """Type as an agent: takes over from the script, and from a colleague."""
        conversation_id, key = await self._speaks(body)
        sequence = await self._liveperson.say(conversation_id, need(body, "text"), agent=key)
        return {"sequence": sequence}

    async def _card(self, body: Body) -> Body:
        """Send a card of the gallery as an agent: takes over likewise."""
        card = gallery_card(need(body, "card"))
        conversation_id, key = await self._speaks(body)
        sequence = await self._liveperson.publish(conversation_id, card.event, agent=key)
        return {"sequence": sequence}

    async def _file(self, body: Body) -> Body:
        """Send a file as an agent: takes over likewise. Its name is its caption."""
        conversation_id, key = await self._speaks(body)
        name, data = need(body, "name"), read_data(body)
        sequence = await self._liveperson.send_file(
            conversation_id,
            data,
            name,
            file_type=name.rpartition(".")[2].upper()[:8] or "TXT",
            agent=key,
        )
        return {"sequence": sequence}

    async def _speaks(self, body: Body) -> tuple[str, str]:
        """Have an agent take a conversation over; gives both."""
        conversation_id = self._take(body)
        key = self._as(body)
        assigned = self._liveperson.conversations[conversation_id].assigned
        if assigned is None or assigned.key != key:
            await self._liveperson.accept(conversation_id, agent=key)
        return conversation_id, key

    async def _close(self, body: Body) -> Body:
        await self._liveperson.close(self._known(body), by=body.get("by", "agent"))
        return {}

    async def _typing(self, body: Body) -> Body:
        """Show that an agent who has the conversation types, or has stopped."""
        conversation = self._liveperson.conversations[self._known(body)]
        if conversation.assigned is not None and conversation.state == "OPEN":
            state = "COMPOSING" if body.get("on") else "PAUSE"
            await self._liveperson.typing(conversation.id, state=state)
        return {}

    async def _transfer(self, body: Body) -> Body:
        await self._liveperson.transfer(self._known(body))
        return {}

    async def _take_over(self, body: Body) -> Body:
        self._take(body)
        return {}

    async def _hand_back(self, body: Body) -> Body:
        self._agent.hand_back(self._known(body))
        return {}

    async def _script(self, body: Body) -> Body:
        self._agent.switch(bool(body.get("on")))
        return {"on": self._agent.on}

    def _known(self, body: Body) -> str:
        conversation_id = need(body, "conversation")
        if conversation_id not in self._liveperson.conversations:
            raise LookupError("There is no such conversation.")
        return conversation_id

    def _take(self, body: Body) -> str:
        conversation_id = self._known(body)
        self._agent.take_over(conversation_id)
        return conversation_id

    def _as(self, body: Body) -> str:
        """The acting agent: the chosen one, else the one who has the conversation."""
        conversation = self._liveperson.conversations[need(body, "conversation")]
        keys = [agent.key for agent in conversation.account.agents]
        chosen = body.get("agent")
        if chosen in keys:
            return str(chosen)
        return conversation.assigned.key if conversation.assigned else keys[0]

    # -- the rest ------------------------------------------------------------------------------

    async def _domains(self, body: Body) -> Body:
        """Ask the stand-in's CSDS, over HTTP as the bridge does."""
        account = str(body.get("account", "")).strip()
        if not (account.isascii() and account.isdecimal() and len(account) <= 20):
            return {"error": "An account number is made of 1 to 20 digits."}
        url = (
            f"{self._liveperson.base_url}/api/account/{quote(account)}/service/baseURI.json"
            "?version=1.0"
        )
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url) as response,
        ):
            if response.status != 200:
                return {
                    "error": f"The directory answers {response.status}: "
                    "LivePerson does not know this account."
                }
            answer = await response.json()
        known = self._liveperson.accounts.get(account)
        domains = {one["service"]: one["baseURI"] for one in answer.get("baseURIs", ())}
        return {"domains": domains, "name": known.name if known else None}

    async def _break(self, body: Body) -> Body:
        self._breaks.trigger(need(body, "name"))
        return {}

    async def _faults(self, request: web.Request) -> web.Response:
        """`{"side": "slack"|"liveperson"|"bridge", "name": …, parameters…}`."""
        body = await read_body(request)
        side, name = body.pop("side", None), body.pop("name", None)
        if not isinstance(name, str):
            return refuse("`name` is missing")
        try:
            if side == "slack":
                self._slack.faults.apply(name, **body)
            elif side == "liveperson":
                self._liveperson.faults.apply(name, **body)
            elif side == "bridge" and name == "kill":
                self._bridge.kill()
            else:
                return refuse("`side` is slack, liveperson or bridge (whose only fault is `kill`)")
        except (ValueError, TypeError, LookupError, OSError, Refused) as error:
            return refuse(str(error))
        self._changed()
        return web.json_response({"ok": True})


def need(body: Body, name: str) -> str:
    """Give a text of the body; 400 when it is missing."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise web.HTTPBadRequest(text=f"`{name}` is missing")
    return value


def read_data(body: Body) -> bytes:
    """Give a file's bytes, which a body holds as base64; 400 when they are missing."""
    try:
        return base64.b64decode(need(body, "data"), validate=True)
    except ValueError:
        raise web.HTTPBadRequest(text="`data` is not base64") from None


def refuse(reason: str) -> web.Response:
    """Answer a program that asked for something impossible."""
    return web.json_response({"ok": False, "error": reason}, status=400)


async def read_body(request: web.Request) -> Body:
    """Read a JSON object. Other content types are refused: any web page could send those here."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send application/json")
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="this is not JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="send a JSON object")
    return body
