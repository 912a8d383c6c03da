"""The session's Redis as a server that a test may freeze, kill and fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.testing import Redis, Services


@pytest.fixture
def redis(services: Services) -> Iterator[Redis]:
    """Empty, before and after; alive again, whatever the test has done to it."""
    services.redis.flush()
    yield services.redis
    services.redis.thaw()
    services.redis.start()
    services.redis.flush()
