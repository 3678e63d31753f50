"""One session and LivePerson: what is published, what is read, and the machine that decides.

`machine` is pure; `publisher` and `reader` do the I/O for it. Driven by `relay.session`. May touch
LivePerson, and through `shared.record` the inbox, outbox and dialogs of its session. Never Slack.
"""
