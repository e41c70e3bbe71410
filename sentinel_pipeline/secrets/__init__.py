"""Secrets: what looks like one (``find``), and text as it may be written where people and logs see
it (``mask``).

What this room does not do: ask a provider whether a key lives, or decide what becomes of a row
(the critic does)."""

from .find import Credential, find_credentials
from .mask import MASK, mask

__all__ = ["MASK", "Credential", "find_credentials", "mask"]
