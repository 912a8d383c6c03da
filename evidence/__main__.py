"""`python -m evidence resilience`, `faults`, `soak` or `chaos`: play it, and print what came of it.

Exits with 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import logging
import sys

from evidence import chaos, faults, resilience, soak


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the command that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m evidence", description="Does it survive?")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (resilience, faults, soak, chaos):
        command.declare(commands)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    code: int = given.play(given)
    return code


if __name__ == "__main__":
    sys.exit(main())
