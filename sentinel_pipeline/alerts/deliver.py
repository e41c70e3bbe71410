"""Send what is due through Apprise, and remember what came of it.

What this module does not do: decide what is worth an alert, or wait; it is called again on the next
tick.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote

from ..records.alert import Alert
from ..secrets import mask_error
from ..store import Outbox
from .rules import AlertRules, url_problem

_SHORTEST_SECRET = 4
"""Characters of a part of a URL that is masked in errors."""


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

    if problem := url_problem(url):
        return f"{problem}: write it as %40 in the channel's URL"
    sender = Apprise()
    with _complaints() as complaints:
        if not sender.add(url):
            return "not a URL that Apprise knows"
        kind = NotifyType.INFO if alert.kind == "digest" else NotifyType.WARNING
        body = f"{alert.body}\n\n{alert.link}" if alert.link else alert.body
        done = sender.notify(
            title=mask_error(alert.title),
            body=mask_error(body),
            notify_type=kind,
            body_format=NotifyFormat.TEXT,
        )
    reasons = mask_error(without_secrets("; ".join(complaints), url))[:500]
    return None if done else reasons or "was refused without an error message"


def without_secrets(text: str, url: str) -> str:
    """``text`` without what the URL holds besides its scheme and host: users, keys, paths."""
    before, _, after = url.partition("://")[2].rpartition("@")
    _, *path = re.split(r"[/?#]", after)
    for part in sorted(re.split(r"[:/@?&=#,]+", "/".join((before, *path))), key=len, reverse=True):
        for secret in {part, unquote(part)}:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
    return text


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
