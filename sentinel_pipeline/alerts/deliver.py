"""Send what is due through Apprise, and remember what came of it.

What this module does not do: decide what is worth an alert, or wait; it is called again on the next
tick.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..records.alert import Alert
from ..secrets import mask
from ..store import Outbox
from .rules import AlertRules


class Delivered(NamedTuple):
    """How many deliveries went out, and how many must be tried again."""

    sent: int
    failed: int


def deliver(outbox: Outbox, rules: AlertRules) -> Delivered:
    """Try every delivery that is due now."""
    sent = failed = 0
    for delivery in outbox.claim(time.time()):
        url = rules.url(delivery.channel) if delivery.channel in rules.channels else None
        error = (
            send(url, delivery.alert) if url else f"channel {delivery.channel} has no URL any more"
        )
        if error is None:
            outbox.delivered(delivery, time.time())
            sent += 1
        else:
            outbox.failed(delivery, error, time.time())
            failed += 1
    return Delivered(sent, failed)


def send(url: str, alert: Alert) -> str | None:
    """Send one alert to one Apprise URL; returns why it did not go out, without the URL, which may
    hold a secret."""
    from apprise import Apprise, NotifyFormat, NotifyType

    sender = Apprise()
    with _complaints() as complaints:
        if not sender.add(url):
            return "not a URL that Apprise knows"
        kind = NotifyType.INFO if alert.kind == "digest" else NotifyType.WARNING
        body = f"{alert.body}\n\n{alert.link}" if alert.link else alert.body
        done = sender.notify(
            title=mask(alert.title),
            body=mask(body),
            notify_type=kind,
            body_format=NotifyFormat.TEXT,
        )
    return (
        None
        if done
        else mask("; ".join(complaints))[:500] or "was refused without an error message"
    )


class _Keep(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What Apprise logs meanwhile: the only place where it says why."""
    logger = logging.getLogger("apprise")
    keep = _Keep()
    before = logger.propagate
    logger.addHandler(keep)
    logger.propagate = False
    try:
        yield keep.said
    finally:
        logger.removeHandler(keep)
        logger.propagate = before
