"""How conversations and events look from each side: consumers see public ids, agents old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lp_sandbox.liveperson.conversations import Dialog, SandboxConversation, StoredEvent
from lp_sandbox.liveperson.manners import Originator

Json = dict[str, Any]
INVITATION_SECONDS = 120
"""How long an invitation to a call, or to browse together, lasts."""


@dataclass(frozen=True, slots=True)
class _Participant:
    id: str
    role: str
    state: str = "ACTIVE"

    def seen(self) -> Json:
        return {"id": self.id, "role": self.role, "state": self.state}


def _participants(conversation: SandboxConversation, *, old_ids: bool) -> list[_Participant]:
    """Everyone, the consumer first; an agent with several roles stands there for each."""
    account = conversation.account

    def who(key: str) -> str:
        agent = account.agent(key)
        return agent.old_id(account.number) if old_ids else agent.public_id

    found = [_Participant(conversation.consumer_id, "CONSUMER")]
    for key, roles in conversation.agents.items():
        found += [_Participant(who(key), role) for role in roles]
    for key, role in conversation.suggested.items():
        found.append(_Participant(who(key), role, "SUGGESTED"))
    for dialog in conversation.dialogs:
        found += [_Participant(who(key), role) for key, role in dialog.agents.items()]
    return found


def _by_role(participants: list[_Participant]) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {}
    for each in participants:
        if each.state == "ACTIVE":
            roles.setdefault(each.role, []).append(each.id)
    return roles


def _dialog(dialog: Dialog, participants: list[_Participant]) -> Json:
    seen: Json = {
        "dialogId": dialog.id,
        "dialogType": dialog.kind,
        "channelType": "MESSAGING" if dialog.mode is None else "COBROWSE",
        "state": dialog.state,
        "creationTs": dialog.created_at,
        "participantsDetails": [each.seen() for each in participants],
    }
    if dialog.mode is not None:
        state = "INVITED" if dialog.state == "OPEN" else "CLOSED"
        expires = dialog.created_at + INVITATION_SECONDS * 1000
        seen["metaData"] = {"mode": dialog.mode, "sessionState": state, "expires": expires}
    if dialog.closed_by is not None:
        seen["endTs"] = dialog.ended_at
        seen["closedBy"] = dialog.closed_by
        seen["closedCause"] = dialog.closed_cause
    return seen


def _details(conversation: SandboxConversation) -> Json:
    """The fields that both sides see in the same form."""
    details: Json = {
        "state": conversation.state,
        "stage": conversation.stage,
        "startTs": conversation.started_at,
        "metaDataLastUpdateTs": conversation.updated_at,
        "skillId": conversation.skill_id,
        "ttr": {"ttrType": conversation.ttr, "value": conversation.ttr_seconds or 3600},
    }
    if conversation.state == "CLOSE":
        details["closeReason"] = conversation.closed_by
    if conversation.stage == "CLOSE":
        details["endTs"] = conversation.ended_at
    if conversation.campaign is not None:
        details["campaignInfo"] = conversation.campaign
    if conversation.context is not None:
        details["conversationContext"] = conversation.context
    if conversation.account.delay_until is not None:
        details["delay"] = {"type": "NIGHT", "tillWhen": conversation.account.delay_until}
    if conversation.csat is not None:
        details["csat"] = conversation.csat
    return details


def _change(conversation: SandboxConversation, details: Json, kind: str) -> Json:
    result = {
        "convId": conversation.id,
        "lastUpdateTime": conversation.updated_at,
        "effectiveTTR": conversation.started_at + (conversation.ttr_seconds or 3600) * 1000,
        "conversationDetails": details,
    }
    return {"type": kind, "result": result}


def consumer_change(conversation: SandboxConversation, kind: str = "UPSERT") -> Json:
    """A conversation as `cqm.ExConversationChangeNotification` shows it to its consumer."""
    participants = _participants(conversation, old_ids=False)
    details = _details(conversation)
    details["participants"] = [each.seen() for each in participants]
    details["participantsPId"] = _by_role(participants)
    details["dialogs"] = [_dialog(dialog, participants) for dialog in conversation.dialogs]
    return _change(conversation, details, kind)


def agent_change(conversation: SandboxConversation, kind: str = "UPSERT") -> Json:
    """A conversation as `.ams.aam.ExConversationChangeNotification` shows it to agents."""
    old = _participants(conversation, old_ids=True)
    details = _details(conversation)
    details["convId"] = conversation.id
    details["participants"] = _by_role(old)
    details["participantsPId"] = _by_role(_participants(conversation, old_ids=False))
    details["dialogs"] = [_dialog(dialog, old) for dialog in conversation.dialogs]
    return _change(conversation, details, kind)


def consumer_event(
    stored: StoredEvent, *, echo_metadata: bool, originator: Originator = "full"
) -> Json:
    """An event as an element of `changes` in `ms.MessagingEventNotification`.

    Metadata of agents always comes along; whether a consumer's own does is not promised.
    """
    passing = stored.event["type"] == "ChatStateEvent"
    seen: Json = {
        **({} if passing else {"sequence": stored.sequence}),
        **_originator(stored, originator),
        "serverTimestamp": stored.at,
        "event": stored.event,
        "dialogId": stored.dialog_id,
        "conversationId": stored.conversation_id,
    }
    if stored.audience != "ALL":
        seen["messageAudience"] = stored.audience
    if stored.metadata is not None and (echo_metadata or stored.agent is not None):
        seen["metadata"] = stored.metadata
    return seen


def _originator(stored: StoredEvent, form: Originator) -> Json:
    """Whose event it is, in one of the forms in which LivePerson may say so."""
    whole = {"originatorMetadata": {"id": stored.originator, "role": stored.role}}
    match form:
        case "only metadata":
            return whole
        case "other id":
            return {"originatorId": f"{stored.conversation_id[:8]}.{stored.originator}", **whole}
        case "no metadata":
            return {"originatorId": stored.originator}
        case "no role":
            return {
                "originatorId": stored.originator,
                "originatorMetadata": {"id": stored.originator},
            }
    return {"originatorId": stored.originator, **whole}


def agent_event(stored: StoredEvent, account: str) -> Json:
    """An event as agents get it: the flat body of `.ams.ms.OnlineEventDistribution`."""
    originator = stored.agent.old_id(account) if stored.agent else stored.originator
    seen: Json = {
        "sequence": stored.sequence,
        "originatorId": originator,
        "originatorPId": stored.originator,
        "originatorMetadata": {"id": stored.originator, "role": stored.role},
        "serverTimestamp": stored.at,
        "event": stored.event,
        "dialogId": stored.dialog_id,
        "messageAudience": stored.audience,
    }
    if stored.metadata is not None:
        seen["metadata"] = stored.metadata
    return seen
