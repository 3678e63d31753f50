"""This process among others: its lease, the sessions that it runs, the threads that it reads again.

Built by the composition root; `relay.service` and `relay.intake` hand committed rows to it.
"""
