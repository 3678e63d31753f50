"""A conversation's metadata: its agents, its dialogs and its end. Pure."""

from __future__ import annotations

from bridge.liveperson.frames import ConversationChange, DialogInfo
from bridge.liveperson.happenings import (
    AgentJoined,
    AgentLeft,
    Closed,
    DialogClosed,
    DialogOpened,
    WaitingForAgent,
)
from bridge.liveperson.reading import Reading

AGENT_ROLES = frozenset({"ASSIGNED_AGENT", "AGENT"})
TALKS = frozenset({"MAIN", "POST_SURVEY"})
"""Dialogs in which a consumer writes."""


class Metadata:
    """Follows one conversation's metadata and adds its changes to the events."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._dialogs: dict[str, DialogInfo] = {}
        self._updated_at = 0
        self._until: int | None = None
        self.agents: frozenset[str] | None = None
        """None: not told yet."""
        self.over: Closed | None = None

    def begin(self, known: ConversationChange | None) -> None:
        """Start with what was told before."""
        if known is not None:
            self.changed(known)
        if self.agents is None and self.over is None:
            self.agents = frozenset()
            self._reading.put(WaitingForAgent(None))

    def changed(self, change: ConversationChange) -> bool:
        """Take a change. False if it is out of date, or tells nothing."""
        if change.kind == "DELETE" and change.state != "CLOSE":
            return False  # it only does not match the subscription any more: it may still be open
        if change.updated_at is not None:
            if change.updated_at < self._updated_at:
                return False  # a newer change came first: this one is out of date
            self._updated_at = change.updated_at
        for dialog in change.dialogs:
            self._dialog(dialog)
        if change.last_event is not None and change.last_event[0] in self._reading.dialogs:
            self._reading.dialogs[change.last_event[0]].exists(change.last_event[1])
        if is_over(change):
            self.over = self.over or Closed(closed_by(change))
        else:
            self._agents(change)
        return True

    def target(self, conversation: str) -> str:
        """The dialog to publish in: the survey's, once the main dialog is over."""
        open_ones = [
            each.dialog_id
            for each in self._dialogs.values()
            if each.dialog_type in TALKS and each.state != "CLOSE"
        ]
        readable = [each for each in open_ones if each in self._reading.dialogs]
        return readable[-1] if readable else conversation

    def _dialog(self, dialog: DialogInfo) -> None:
        kind, before = dialog.dialog_type or "OTHER", self._dialogs.get(dialog.dialog_id)
        if before is None:
            self._reading.add_dialog(dialog.dialog_id)
            if dialog.dialog_id not in self._reading.dialogs:
                return  # there are too many dialogs
            self._reading.put(DialogOpened(dialog.dialog_id, kind))
        self._dialogs[dialog.dialog_id] = dialog
        if dialog.state == "CLOSE" and (before is None or before.state != "CLOSE"):
            cause = dialog.closed_cause
            self._reading.put(DialogClosed(dialog.dialog_id, kind, dialog.closed_by, cause))

    def _agents(self, change: ConversationChange) -> None:
        before = self.agents or frozenset()
        agents = frozenset(p.id for p in change.participants if p.role in AGENT_ROLES)
        for agent in sorted(agents - before):
            self._reading.put(AgentJoined(agent))
        for agent in sorted(before - agents):
            self._reading.put(AgentLeft(agent))
        until, told = change.delay_until, self._until
        if not agents and (before or self.agents is None or until != told):
            self._reading.put(WaitingForAgent(until))
        self.agents, self._until = agents, until


def is_over(change: ConversationChange) -> bool:
    """Whether the conversation is over. It is not while its survey runs (stage OPEN)."""
    return change.state == "CLOSE" and change.stage != "OPEN"


def closed_by(change: ConversationChange) -> str | None:
    """Who closed it: the conversation's reason, else what its dialogs say."""
    if change.close_reason:
        return change.close_reason
    return next((each.closed_by for each in change.dialogs if each.closed_by), None)
