"""The reference deployment: `celery -A celery_app worker` and `celery -A celery_app beat`."""

from celery_app.config import load, read
from squidie_celery import create_app, install

config = read()
app = create_app(config.redis_url, include=["celery_app"])  # for children that are spawned, not forked
squidie = install(app, load(config.app))

__all__ = ["app", "config", "squidie"]
