"""One session and its thread: the outbox on its way into Slack, each message once, and the card.

Driven by `relay.session`. May touch Slack, and the outbox of its session. Never LivePerson.
"""
