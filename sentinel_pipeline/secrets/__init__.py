"""Secrets: what looks like one (``find``), and text as it may be written where people and logs see
it (``mask``; ``mask_error`` where an address of this installation may stand).

What this room does not do: ask a provider whether a key lives, or decide what becomes of a row
(the critic does)."""

from .addresses import mask_error
from .find import Credential, find_credentials
from .mask import MASK, mask

__all__ = ["MASK", "Credential", "find_credentials", "mask", "mask_error"]
