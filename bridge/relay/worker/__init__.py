"""This process as one of several: its lease, its sessions, and the threads that it reads again.

Built by the composition root; `relay.service` and `relay.intake` hand committed rows to it.
"""
