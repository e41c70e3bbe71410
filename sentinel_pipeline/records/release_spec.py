"""Recipe section about what is published: the terms that the model card states. What this module
does not do: release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSpec:
    license: str | None = None
    """The hub's identifier (``apache-2.0``, ``mit``, ``other`` …); nothing is released without
    one."""
    license_name: str | None = None
    """Where the identifier is ``other``."""
    license_link: str | None = None
    gates: tuple[str, ...] = ()
    """The promotion gates: a checkpoint is released only with a pass of every one of them that is
    about its stage, whatever their severity. Absent: the default gates of the stage that block."""
    language: tuple[str, ...] = ("en",)
    """ISO 639 codes."""
