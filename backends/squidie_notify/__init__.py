"""Squidie without a broker: bells by LISTEN and NOTIFY, worked by `squidie worker`."""

from squidie_notify.delivery import NotifyDelivery
from squidie_notify.listener import NotifyListener

__all__ = ["NotifyDelivery", "NotifyListener"]
