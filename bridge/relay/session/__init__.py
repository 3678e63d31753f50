"""One conversation's actor, from its opening to its end: it owns a `delivery` and a `posting`.

Run by `relay.worker`, one task for each session. Nobody else decides about a session's state.
"""
