"""The fixtures of the engine's tests."""

from tests.support.fixtures import bells, clock, database_url, make, scratch, squidie, wire

__all__ = ["bells", "clock", "database_url", "make", "scratch", "squidie", "wire"]
