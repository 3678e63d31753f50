"""The heart of the bridge: threads of Slack paired with conversations of LivePerson.

Rooms, from the top: `service` (what the listeners call), `intake`, `worker`, `session`, then
`delivery` (LivePerson) and `posting` (Slack) beside each other, and `shared` below all of them.
Each imports only what is below itself.
"""
