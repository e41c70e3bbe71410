"""Why a verdict is what it is."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A reason: ``code`` of ``outcomes.CODES`` and its detail."""

    code: str
    detail: str = ""
