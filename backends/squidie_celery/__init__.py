"""Celery carries Squidie's bells: `install(app, squidie)` into your app, or `create_app()` for one of its own."""

from squidie_celery.app import create_app
from squidie_celery.delivery import CeleryDelivery
from squidie_celery.install import install

__all__ = ["CeleryDelivery", "create_app", "install"]
