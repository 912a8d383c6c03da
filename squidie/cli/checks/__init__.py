"""What `squidie doctor` looks at: small functions with stable ids, which say what they find and what helps."""

from squidie.cli.checks.examining import CHECKS, examine

__all__ = ["CHECKS", "examine"]
