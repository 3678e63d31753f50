"""`python -m bridge`: the same as `lp-bridge`."""

from bridge.cli import main

main(prog_name="lp-bridge")
