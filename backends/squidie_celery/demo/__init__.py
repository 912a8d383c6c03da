"""The demo: orders on real services, a worker killed in the middle of a charge, Redis emptied, nothing lost."""

from squidie_celery.demo.play import play

__all__ = ["play"]
