"""LivePerson's own agent SDK for Node works against the stand-in, unmodified.

The SDK is a stranger to this project: what it demands, our stand-in did not choose. It comes from
npm into `.node`, once; where there is no npm, or nothing comes, the tests say so and are skipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lp_sandbox.liveperson import LivePersonSandbox
from tests.sandbox.liveperson.consumer import TELECOM, Json, consumer, sign_up, text

HERE = Path(__file__).parent
FOLDER = Path(__file__).parents[3] / ".node"
VERSION = "1.2.0"
DEADLINE = 15.0
CONVERSATIONS = "cqm.ExConversationChangeNotification"
EVENTS = "ms.MessagingEventNotification"


@pytest.fixture(scope="session")
def sdk() -> Path:
    """Where the SDK lies."""
    found = FOLDER / "node_modules" / "node-agent-sdk"
    if found.exists():
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("LivePerson's agent SDK needs node and npm")
    FOLDER.mkdir(exist_ok=True)
    command = [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    try:
        subprocess.run(
            [*command, "--prefix", str(FOLDER), f"node-agent-sdk@{VERSION}"],
            check=True,
            capture_output=True,
            timeout=90,
        )
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"LivePerson's agent SDK could not be installed: {error}")
    return found


class NodeAgent:
    """One agent that is logged in by the SDK."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: asyncio.Queue[Json] = asyncio.Queue()
        self.told: list[tuple[str, Any]] = []
        """What the SDK has told of so far."""
        self._news = asyncio.Event()

    async def read(self) -> None:
        """Read what the program prints, to its end."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "told" in said:
                self.told.append((said["told"], said["body"]))
                self._news.set()
            else:
                await self._answers.put(said)

    async def ask(self, call: str, body: Any = None, metadata: Any = None) -> Any:
        """Call a function of the SDK; gives what it answers."""
        assert self._process.stdin is not None
        line = {"call": call, "body": {} if body is None else body, "metadata": metadata}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        async with asyncio.timeout(DEADLINE):
            answer = await self._answers.get()
        assert "error" not in answer, (call, answer)
        return answer["answer"]

    async def hears(self, type_: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Wait until the SDK tells of something; gives the first such body."""
        async with asyncio.timeout(DEADLINE):
            while True:
                self._news.clear()
                for kind, body in self.told:
                    assert kind not in ("error", "warn"), body
                    if kind == type_ and wanted(body):
                        return body
                await self._news.wait()

    async def hears_text(self, words: str) -> Any:
        """Wait for an event with this text; gives the change."""
        body = await self.hears(
            EVENTS, lambda body: any(_text(change) == words for change in body["changes"])
        )
        return next(change for change in body["changes"] if _text(change) == words)

    async def hears_of(self, wanted: Callable[[Any], bool]) -> Any:
        """Wait until the conversation's details are as wanted; gives the details."""
        body = await self.hears(CONVERSATIONS, lambda body: any(map(wanted, _details(body))))
        return next(filter(wanted, _details(body)))

    async def on_duty(self) -> None:
        """Take conversations."""
        await self.ask("subscribeAgentsState")
        await self.ask("setAgentState", {"availability": "ONLINE"})
        await self.ask("subscribeExConversations", {"convState": ["OPEN", "CLOSE"]})
        await self.ask("subscribeRoutingTasks")

    async def rung(self, conversation: str) -> str:
        """Wait until it rings for a conversation; gives the ring."""
        body = await self.hears(
            "routing.RoutingTaskNotification",
            lambda body: any(
                change["result"]["conversationId"] == conversation for change in body["changes"]
            ),
        )
        return str(body["changes"][0]["result"]["ringsDetails"][0]["ringId"])

    async def accept(self, conversation: str) -> None:
        """Accept the ring for a conversation, and read its dialog."""
        ring = await self.rung(conversation)
        await self.ask("updateRingState", {"ringId": ring, "ringState": "ACCEPTED"})
        await self.ask("subscribeMessagingEvents", {"dialogId": conversation})

    async def update(self, conversation: str, *fields: Json) -> None:
        """Change fields of a conversation."""
        body = {"conversationId": conversation, "conversationField": list(fields)}
        await self.ask("updateConversationField", body)

    async def publish(self, dialog: str, event: Json, **more: Any) -> Any:
        """Publish an event."""
        return await self.ask("publishEvent", {"dialogId": dialog, "event": event, **more})


def _details(body: Json) -> list[Json]:
    return [change["result"]["conversationDetails"] for change in body["changes"]]


def _text(change: Json) -> str | None:
    message = change["event"].get("message")
    return message if isinstance(message, str) else None


@asynccontextmanager
async def node_agent(
    sandbox: LivePersonSandbox, sdk: Path, name: str = "maria"
) -> AsyncIterator[NodeAgent]:
    """An agent that the SDK has logged in."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "node_agent.js"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "AGENT_SDK": str(sdk),
            "ACCOUNT": TELECOM,
            "AGENT_NAME": name,
            "AGENT_PASSWORD": sandbox.agent_password,
            "CSDS_DOMAIN": sandbox.tls_address,
            "NODE_EXTRA_CA_CERTS": str(sandbox.ca_file),
            "NODE_NO_WARNINGS": "1",
        },
        limit=2**20,
    )
    agent = NodeAgent(process)
    reading = asyncio.create_task(agent.read())
    try:
        found = await agent.hears("connected")
        assert found["agentId"] == sandbox.accounts[TELECOM].agent(name).public_id
        yield agent
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(DEADLINE):
            await process.wait()
            await reading


async def test_it_leads_a_conversation_from_ring_to_close(
    sandbox: LivePersonSandbox, sdk: Path
) -> None:
    async with (
        node_agent(sandbox, sdk) as maria,
        consumer(sandbox, await sign_up(sandbox)) as ana,
    ):
        await maria.ask("getClock")
        await maria.on_duty()
        shown = [{"type": "personal", "personal": {"firstname": "Ana"}}]
        profile = {"firstName": "Ana", "authenticatedData": {"lp_sdes": shown}}
        await ana.ask("userprofile.SetUserProfile", profile)
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        await maria.accept(dialog)
        me = sandbox.accounts[TELECOM].agent("maria").public_id
        details = await maria.hears_of(
            lambda details: {"id": me, "role": "ASSIGNED_AGENT"} in details["participants"]
        )
        assert details["dialogs"][0]["dialogId"] == dialog
        assert (await maria.hears_text("hello"))["sequence"] == 0

        consumer_id = sandbox.conversations[dialog].consumer_id
        profile = await maria.ask("getUserProfile", consumer_id)
        assert any(each.get("personal") == {"firstname": "Ana"} for each in profile)

        await maria.publish(dialog, {"type": "ChatStateEvent", "chatState": "COMPOSING"})
        await maria.publish(dialog, text("only for us"), messageAudience="AGENTS_AND_MANAGERS")
        said = await maria.publish(dialog, text("hi Ana"))
        assert said == {"sequence": 2}
        card = {"type": "vertical", "elements": [{"type": "text", "text": "A card"}]}
        await maria.publish(dialog, {"type": "RichContentEvent", "content": card})
        seen = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [0]}
        await maria.publish(dialog, seen)
        await ana.settled()
        assert ana.messages() == [(0, "hello"), (2, "hi Ana")]
        kinds = [
            change["event"]["type"]
            for frame in ana.heard
            if frame.get("type") == EVENTS
            for change in frame["body"]["changes"]
        ]
        assert "RichContentEvent" in kinds
        assert "ChatStateEvent" in kinds

        await ana.publish(dialog, "bye")
        assert (await maria.hears_text("bye"))["sequence"] == 5
        await maria.update(
            dialog, {"field": "ConversationStateField", "conversationState": "CLOSE"}
        )
        await maria.hears_of(lambda details: details["state"] == "CLOSE")
    assert sandbox.conversations[dialog].closed_by == "AGENT"


async def test_it_hands_a_conversation_to_another_team_and_person(
    sandbox: LivePersonSandbox, sdk: Path
) -> None:
    account = sandbox.accounts[TELECOM]
    skill = next(iter(account.skills))
    async with (
        node_agent(sandbox, sdk) as maria,
        node_agent(sandbox, sdk, "tom") as tom,
        consumer(sandbox, await sign_up(sandbox)) as ana,
    ):
        await maria.on_duty()
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        await maria.accept(dialog)
        await maria.update(
            dialog,
            {
                "field": "ParticipantsChange",
                "type": "SUGGEST",
                "role": "MANAGER",
                "userId": account.agent("tom").old_id(TELECOM),
            },
        )
        await maria.hears_of(
            lambda details: any(
                each["state"] == "SUGGESTED"
                for each in details["dialogs"][0]["participantsDetails"]
            )
        )
        await tom.on_duty()
        await maria.update(
            dialog,
            {"field": "TTRField", "ttrType": "URGENT", "value": 300},
            {"field": "ParticipantsChange", "type": "REMOVE", "role": "ASSIGNED_AGENT"},
            {"field": "Skill", "type": "UPDATE", "skill": skill},
        )
        await tom.accept(dialog)
        details = await tom.hears_of(
            lambda details: (
                {"id": account.agent("tom").public_id, "role": "ASSIGNED_AGENT"}
                in details["participants"]
            )
        )
        assert details["skillId"] == skill
        await tom.publish(dialog, text("Tom here"))
        await ana.settled()
        assert (1, "Tom here") in ana.messages()
        assert sandbox.conversations[dialog].ttr == "URGENT"


async def test_it_lets_the_survey_come_and_can_end_everything(
    sandbox: LivePersonSandbox, sdk: Path
) -> None:
    sandbox.accounts[TELECOM].survey = True
    shows = {"type": ".ClientProperties", "features": ["MULTI_DIALOG"]}
    headers = {"Client-Properties": json.dumps(shows)}
    async with (
        node_agent(sandbox, sdk) as maria,
        consumer(sandbox, await sign_up(sandbox), headers=headers) as ana,
    ):
        await maria.on_duty()
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        await maria.accept(dialog)
        await maria.publish(dialog, text("done"))
        closing = {"dialogId": dialog, "state": "CLOSE", "closedCause": "Closed by agent"}
        await maria.update(dialog, {"field": "DialogChange", "type": "UPDATE", "dialog": closing})
        details = await maria.hears_of(lambda details: len(details["dialogs"]) == 2)
        assert (details["state"], details["stage"]) == ("CLOSE", "OPEN")
        assert details["dialogs"][1]["dialogType"] == "POST_SURVEY"
        await maria.update(dialog, {"field": "Stage", "conversationState": "CLOSE"})
        await maria.hears_of(lambda details: details["stage"] == "CLOSE")
    assert sandbox.conversations[dialog].stage == "CLOSE"
