"""The task families of the embedded ``tiny`` recipe, one file each. A new family is one file and
one line here."""

from __future__ import annotations

from . import chat, edits, functions, shell, tools
from .family import Draft, Family, is_heldout, is_window

FAMILIES: tuple[Family, ...] = (
    functions.FAMILY,
    edits.FAMILY,
    tools.FAMILY,
    shell.FAMILY,
    chat.FAMILY,
)

__all__ = ["FAMILIES", "Draft", "Family", "is_heldout", "is_window"]
