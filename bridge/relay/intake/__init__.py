"""What people ask for in Slack: committed before it is acknowledged, or refused kindly.

Called by `relay.service`. May touch the store, and wake a session's owner. Never LivePerson.
"""
