"""Skipped artifacts: an asset that its recipe does not use says so, with the reason, instead of
holding anything.

What this module does not do: decide what a recipe uses.
"""

from __future__ import annotations

from .artifacts import Artifact, Draft

SKIPPED = "skipped.json"


def skip(out: Draft, reason: str) -> None:
    """Make ``out`` a skipped artifact."""
    out.json(SKIPPED, {"reason": reason})


def skipped_reason(artifact: Artifact) -> str | None:
    """Why the artifact holds nothing; None where it is what its name says."""
    if not (artifact.folder / SKIPPED).is_file():
        return None
    return str(artifact.json(SKIPPED)["reason"])
