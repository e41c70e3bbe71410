"""An alert: what a person is told, once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    key: str
    """What it is about; the same key is told once, however often it is noticed."""
    kind: str
    """A ``Kind`` of ``alerts.rules``."""
    recipe: str
    title: str
    body: str
    """Plain text: the number, its interval, the reason."""
    link: str
