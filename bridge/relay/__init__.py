"""The heart of the bridge: it pairs Slack threads with LivePerson conversations.

Rooms, from the top: `service` (what the listeners call), `intake`, `worker`, `session`, then
`delivery` (LivePerson) and `posting` (Slack) beside each other, and `shared` below all of them.
Each imports only what is below itself.
"""
