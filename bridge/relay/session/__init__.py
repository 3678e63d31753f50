"""The actor of one session, from opening to end: it owns a `delivery` and a `posting`.

Run by `relay.worker`, one task for each session. Nobody else decides about a session's state.
"""
