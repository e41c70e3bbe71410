"""Canaries: answers of which we know what they are, kept as data: known-bad ones with the reason, and some right ones.

A line of ``data/canaries/*.jsonl`` is ``{"id", "prompt", "completion", "verifier", "label", "reasons"}``. ``completion`` may be
a list of pieces that are joined when read, so that no file of ours holds what looks like a credential. A line without ``label``
is gold. What this module does not do: judge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInput
from ..records import LABELS, Candidate, Message, Verifier
from ..records.decode import Fault, build_kind
from ..records.verifiers import KINDS
from ..store.files import read_jsonl, sha256_file

_FIELDS = frozenset({"id", "prompt", "completion", "verifier", "label", "reasons"})


class Canary(NamedTuple):
    """``label`` must be False for one of ``reasons``; None and empty: the answer is right."""

    id: str
    candidate: Candidate
    label: str | None
    reasons: tuple[str, ...]


def read_canaries(folder: Path) -> list[Canary]:
    """Every canary of a folder, files by name.

    Raises:
        BadInput: there is none, a line is malformed (file and line are named), or an id stands twice.
    """
    found: list[Canary] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line, row in enumerate(read_jsonl(path), start=1):
            try:
                found.append(_canary(row))
            except (ValueError, TypeError, KeyError) as error:
                raise BadInput(f"is no canary: {error}.", file=path, line=line) from error
    if not found:
        raise BadInput(
            "no canaries: a scorer cannot be examined without known-bad answers.", file=folder
        )
    names = [one.id for one in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"canary {twice!r} stands twice.", file=folder)
    return found


def canaries_hash(folder: Path) -> str:
    """Over the files: which exam a licence was won in."""
    return "-".join(sha256_file(path)[:12] for path in sorted(folder.glob("*.jsonl")))


def _canary(row: dict[str, Any]) -> Canary:
    if unknown := row.keys() - _FIELDS:
        raise ValueError(f"unknown field {min(unknown)!r}")
    label, reasons = row.get("label"), tuple(row.get("reasons") or ())
    if label is not None and (label not in LABELS or not reasons):
        raise ValueError(f"label {label!r} needs reasons, and must be one of {', '.join(LABELS)}")
    completion, given = row["completion"], row.get("verifier")
    try:
        verifier: Verifier | None = None if given is None else build_kind(KINDS, given)
    except Fault as fault:
        raise fault.below("verifier") from None
    candidate = Candidate(
        id=row["id"],
        source="canary",
        messages=(Message("user", row["prompt"]),),
        completion="".join(completion) if isinstance(completion, list) else completion,
        verifier=verifier,
    )
    return Canary(row["id"], candidate, label, reasons)
