"""One session and its thread: posts the outbox, each message once, and keeps the card up to date.

Driven by `relay.session`. May touch Slack, and the outbox of its session. Never LivePerson.
"""
