"""The fixtures of the engine's tests."""

from tests.support.fixtures import bells, clock, make, squidie

__all__ = ["bells", "clock", "make", "squidie"]
