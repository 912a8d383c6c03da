"""The fixtures of the engine's tests."""

from tests.support.fixtures import bells, clock, database_url, make, nobody, scratch, squidie, staffed, wire

__all__ = ["bells", "clock", "database_url", "make", "nobody", "scratch", "squidie", "staffed", "wire"]
