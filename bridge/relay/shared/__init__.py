"""What every room of the relay uses: dependencies, a session's fenced record, its tasks.

Called by all other rooms; calls none of them. `deps` is what the composition root builds once and
every session is given.
"""
