"""The schema: sessions, their dialogs, the inbox and the outbox, and the workers.

Every table that grows carries the session's id, so that the data shards by session. Times are
integers: milliseconds since 1970, UTC. `docs/delivery.md` says what these rows promise.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)
from sqlalchemy import (
    text as sql_text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bridge.store.encryption import EncryptedText

# SQLite counts rows by itself only in an INTEGER primary key.
RowId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """All tables of the bridge."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Worker(Base):
    """One bridge process that owns sessions, as long as it makes heartbeats."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    started_at: Mapped[int] = mapped_column(BigInteger)
    heartbeat_at: Mapped[int] = mapped_column(BigInteger)
    capacity: Mapped[int] = mapped_column(Integer)
    """How many sessions it will run at most."""
    running: Mapped[int | None] = mapped_column(Integer)
    """How many it ran at its last heartbeat, claim or release; None: an older version wrote it."""
    incarnation: Mapped[str | None] = mapped_column(String(32))
    """Identifies the process: two processes of one name would take each other's sessions."""


class Presence(Base):
    """One row: until when Slack could reach some worker that could store its events."""

    __tablename__ = "presence"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Always 1."""
    until: Mapped[int] = mapped_column(BigInteger)
    gaps: Mapped[int] = mapped_column(Integer, default=0)
    """How many gaps there were. A thread that was read before the last one counts as unread."""


class Secret(Base):
    """Something that the bridge has made for itself and nobody may know."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(EncryptedText)


class Session(Base):
    """One thread paired with one conversation."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    request_key: Mapped[str] = mapped_column(String(255), unique=True)
    """Identity of the command or click that asked for it: a redelivery opens nothing new."""

    team_id: Mapped[str] = mapped_column(String(32))
    channel_id: Mapped[str] = mapped_column(String(32))
    thread_ts: Mapped[str | None] = mapped_column(String(32))
    """The card's ts, which is the thread's; None until the card is posted."""
    opener_id: Mapped[str] = mapped_column(String(32))
    response_url: Mapped[str | None] = mapped_column(EncryptedText)
    """Where to answer the command when no thread can be opened."""

    account: Mapped[str] = mapped_column(String(20))
    label: Mapped[str | None] = mapped_column(String(80))
    """The account's name for people, from the configuration."""
    state: Mapped[str] = mapped_column(String(16))
    live: Mapped[bool] = mapped_column(Boolean, default=True)
    """False once closed or failed: nothing more is expected from LivePerson."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it closed or failed, in words for the person."""
    conversation_id: Mapped[str | None] = mapped_column(String(64))
    opening_since: Mapped[int | None] = mapped_column(BigInteger)
    """When a conversation was first requested: since then, look for it before requesting again."""
    consumer_id: Mapped[str | None] = mapped_column(String(128))
    credentials: Mapped[str | None] = mapped_column(EncryptedText)
    agent_id: Mapped[str | None] = mapped_column(String(128))
    agent_name: Mapped[str | None] = mapped_column(String(255))
    agent_avatar: Mapped[str | None] = mapped_column(Text)
    several_writers: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Somebody else than the opener has written: from then on each message names its writer."""
    quick_replies: Mapped[str | None] = mapped_column(Text)
    """Cards whose quick replies may still stand in the thread: JSON of `relay.shared.cards`."""
    ttr: Mapped[str | None] = mapped_column(String(16))
    """How soon an answer is wanted, as LivePerson last told: NORMAL, URGENT, …"""
    ttr_normal: Mapped[int | None] = mapped_column(Integer)
    """In how many seconds an answer is due when nothing is urgent, as LivePerson told."""
    card_shown: Mapped[str | None] = mapped_column(String(64))
    """Hash of what the card shows; if its present content has another, the card is updated."""

    held_since: Mapped[int | None] = mapped_column(BigInteger)
    """Since when Slack refuses posts to the thread; set once the opener has been told."""

    owner: Mapped[str | None] = mapped_column(String(128))
    epoch: Mapped[int] = mapped_column(Integer, default=0)
    """Raised by each claim; each write of an owner is fenced by it."""
    attention: Mapped[bool] = mapped_column(Boolean, default=False)
    """A session that is no longer live needs an owner, because it has something to post."""
    unheard_since: Mapped[int | None] = mapped_column(BigInteger)
    """Slack could not reach the bridge since then: the thread has to be read. None: it need not."""

    created_at: Mapped[int] = mapped_column(BigInteger)
    active_at: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("team_id", "channel_id", "thread_ts", name="uq_sessions_thread"),
        # The sessions of an owner, or of nobody; by activity, the newest last.
        Index(
            "ix_sessions_owner",
            "owner",
            "active_at",
            postgresql_where=sql_text("live OR attention"),
            sqlite_where=sql_text("live OR attention"),
        ),
        Index(
            "ix_sessions_unheard",
            "active_at",
            postgresql_where=sql_text("unheard_since IS NOT NULL"),
            sqlite_where=sql_text("unheard_since IS NOT NULL"),
        ),
        # Sessions that are over and still wait for a rating: their credentials are kept for it.
        Index(
            "ix_sessions_kept",
            "closed_at",
            postgresql_where=sql_text("credentials IS NOT NULL AND NOT live"),
            sqlite_where=sql_text("credentials IS NOT NULL AND NOT live"),
        ),
        Index("ix_sessions_team", "team_id", "channel_id", "created_at"),
        Index("ix_sessions_opener", "team_id", "opener_id", "created_at"),
        Index(
            "ix_sessions_open",
            "team_id",
            "channel_id",
            postgresql_where=sql_text("live"),
            sqlite_where=sql_text("live"),
        ),
        Index(
            "ix_sessions_person",
            "team_id",
            "opener_id",
            postgresql_where=sql_text("live"),
            sqlite_where=sql_text("live"),
        ),
    )


class Dialog(Base):
    """One dialog of a conversation, and how far it has been read."""

    __tablename__ = "dialogs"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    dialog_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dialog_type: Mapped[str] = mapped_column(String(32), default="MAIN")
    state: Mapped[str] = mapped_column(String(16), default="OPEN")
    cursor: Mapped[int] = mapped_column(BigInteger, default=-1)
    """Sequence of the last event that has been handled; -1: none."""
    gaps: Mapped[str | None] = mapped_column(Text)
    """Numbers below the cursor that were never seen, as JSON: [[first, last], …]."""


class Inbox(Base):
    """Slack → LivePerson: one thing to tell LivePerson, committed before Slack is acknowledged."""

    __tablename__ = "inbox"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"))
    team_id: Mapped[str] = mapped_column(String(32))
    channel_id: Mapped[str] = mapped_column(String(32))
    message_ts: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    """The kind of the item (`bridge.relay.shared.items`): `text`, `close`, `note`, …"""
    part: Mapped[int] = mapped_column(Integer, default=0)
    """An item that is sent in several parts has a row for each, and each arrives by itself."""

    user_id: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)
    """JSON of the item's struct."""
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    """`waiting`, `sent`, `failed`, or `kept` (not for LivePerson, or not any more)."""
    dialog_id: Mapped[str | None] = mapped_column(String(64))
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    """The sequence that LivePerson gave it, once known."""
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        # The ts first: new rows go to one end of the index, and share its page.
        # The session and not the channel, since a channel may get a new id.
        UniqueConstraint("message_ts", "session_id", "kind", "part", name="uq_inbox_event"),
        Index(
            "ix_inbox_waiting",
            "session_id",
            postgresql_where=sql_text("state = 'waiting'"),
            sqlite_where=sql_text("state = 'waiting'"),
        ),
        Index("ix_inbox_session", "session_id"),
        # An event of a dialog can be only one of our messages: no two rows have the same number.
        Index(
            "uq_inbox_number",
            "session_id",
            "dialog_id",
            "sequence",
            unique=True,
            postgresql_where=sql_text("sequence IS NOT NULL"),
            sqlite_where=sql_text("sequence IS NOT NULL"),
        ),
    )


class Outbox(Base):
    """LivePerson → Slack: one thing to show in the thread."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"))
    dialog_id: Mapped[str] = mapped_column(String(64))
    """For what the bridge itself says: `bridge:` and a random word, `sequence` 0. For a `change`:
    `press:` and the card's key, the card's `sequence`; the `part` is what can be pressed once."""
    sequence: Mapped[int] = mapped_column(BigInteger)
    part: Mapped[int] = mapped_column(Integer, default=0)

    kind: Mapped[str] = mapped_column(String(16))
    """`agent` (what the agent wrote), `notice` (what the bridge tells), `mark` (a reaction),
    `unmark` (one that is taken away), `change` (of a message of a card, after a press), `gone`
    (the thread's first message is deleted)."""
    payload: Mapped[str] = mapped_column(Text)
    """JSON of `Post` or `Mark` (`bridge.slack.web.sender`), or of what `relay.shared.cards` has."""
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    """`waiting`, `posted` or `failed`."""
    slack_ts: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("session_id", "dialog_id", "sequence", "part", name="uq_outbox_event"),
        Index(
            "ix_outbox_waiting",
            "session_id",
            postgresql_where=sql_text("state = 'waiting'"),
            sqlite_where=sql_text("state = 'waiting'"),
        ),
    )


class Installation(Base):
    """The app in one workspace, or in all workspaces of an organization (Enterprise Grid)."""

    __tablename__ = "installations"

    place: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The workspace's id (`T…`), or the organization's (`E…`) for an organization's install."""
    organization: Mapped[bool] = mapped_column(Boolean)
    """Whether it is an organization's: good in each of its workspaces."""
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    """The address with which links to its messages begin."""
    bot_user_id: Mapped[str] = mapped_column(String(32))
    bot_name: Mapped[str] = mapped_column(Text)
    bot_id: Mapped[str] = mapped_column(String(32))
    scopes: Mapped[str] = mapped_column(Text)
    """What was granted, comma-separated."""
    token: Mapped[str | None] = mapped_column(EncryptedText)
    """None: the app was removed there."""
    refresh_token: Mapped[str | None] = mapped_column(EncryptedText)
    """With token rotation: what the next token is asked with. It is good once."""
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    """When the token expires; None: never."""
    installed_at: Mapped[int] = mapped_column(BigInteger)
    installed_by: Mapped[str | None] = mapped_column(String(32))
    removed_at: Mapped[int | None] = mapped_column(BigInteger)


class OrganizationWorkspace(Base):
    """Which organization a workspace belongs to, as Slack's requests have told."""

    __tablename__ = "organization_workspaces"

    team_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(32), index=True)


class OAuthState(Base):
    """An installation that somebody has begun: good once, in the same browser, for ten minutes."""

    __tablename__ = "oauth_states"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the state: who reads the table cannot finish what others have begun."""
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)


SESSIONS = Base.metadata.tables["sessions"]
DIALOGS = Base.metadata.tables["dialogs"]
INBOX = Base.metadata.tables["inbox"]
OUTBOX = Base.metadata.tables["outbox"]
WORKERS = Base.metadata.tables["workers"]
PRESENCE = Base.metadata.tables["presence"]
SECRETS = Base.metadata.tables["secrets"]
INSTALLATIONS = Base.metadata.tables["installations"]
ORGANIZATION_WORKSPACES = Base.metadata.tables["organization_workspaces"]
OAUTH_STATES = Base.metadata.tables["oauth_states"]

WANTED = sql_text("(sessions.live OR sessions.attention)")
"""Sessions that need an owner. SQLAlchemy would write `live = 1` for SQLite, whose planner then
does not use the partial index."""
OPEN: ColumnElement[bool] = sql_text("sessions.live")  # type: ignore[assignment]
"""Sessions whose conversation goes on, as it stands in the partial indexes."""
WAITING: ColumnElement[str] = literal_column("'waiting'")
"""For conditions on `state`: with the word itself any plan may use the partial indexes, also one
that is prepared before the parameters are known."""
