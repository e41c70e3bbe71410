"""Canaries: answers of which we know what they are: known-bad ones with the reason, and right
ones.

Those of one kind of verifier are in its module of ``critic/scorers``, the others are data: a line
of ``data/canaries/*.jsonl`` is ``{"id", "prompt", "completion", "verifier", "label", "reasons"}``.
``completion`` may be a list of pieces that are joined when read, so that no file of ours holds
what looks like a credential. A line without ``label`` is gold. What this module does not do:
score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..critic.scorers import SCORERS
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
    """Every canary: those of the scorers' modules, then those of a folder, files by name.

    Raises:
        BadInput: the folder has none, a line is malformed (file and line are named), or an id is a
            duplicate.
    """
    in_files: list[Canary] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line, row in enumerate(read_jsonl(path), start=1):
            try:
                in_files.append(_canary(row))
            except (ValueError, TypeError, KeyError) as error:
                raise BadInput(f"not a canary: {error}.", file=path, line=line) from error
    if not in_files:
        raise BadInput(
            "no canaries: a scorer cannot be examined without known-bad answers.", file=folder
        )
    canaries = [*_of_scorers(), *in_files]
    names = [canary.id for canary in canaries]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"duplicate canary id {twice!r}.", file=folder)
    return canaries


def canaries_hash(folder: Path) -> str:
    """Over the scorers' own canaries and the files: which exam a licence was won in."""
    rows = [
        (canary.id, canary.candidate.to_row(), canary.label, canary.reasons)
        for canary in _of_scorers()
    ]
    of_scorers = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    files = (sha256_file(path) for path in sorted(folder.glob("*.jsonl")))
    return "-".join(digest[:12] for digest in (of_scorers, *files))


def _of_scorers() -> Iterator[Canary]:
    for scorer in SCORERS.values():
        for canary in scorer.examples.canaries:
            candidate = _candidate(canary.id, canary.prompt, canary.completion, canary.verifier)
            yield Canary(
                canary.id, candidate, "tests_pass" if canary.reasons else None, canary.reasons
            )


def _canary(row: dict[str, Any]) -> Canary:
    if unknown := row.keys() - _FIELDS:
        raise ValueError(f"unknown field {min(unknown)!r}")
    label = row.get("label")
    reasons = tuple(row.get("reasons") or ())
    if label is not None and (label not in LABELS or not reasons):
        raise ValueError(f"label {label!r} needs reasons, and must be one of {', '.join(LABELS)}")
    completion = row["completion"]
    fields = row.get("verifier")
    try:
        verifier: Verifier | None = None if fields is None else build_kind(KINDS, fields)
    except Fault as fault:
        raise fault.below("verifier") from None
    text = "".join(completion) if isinstance(completion, list) else completion
    candidate = _candidate(row["id"], row["prompt"], text, verifier)
    return Canary(row["id"], candidate, label, reasons)


def _candidate(name: str, prompt: str, completion: str, verifier: Verifier | None) -> Candidate:
    return Candidate(
        id=name,
        source="canary",
        messages=(Message("user", prompt),),
        completion=completion,
        verifier=verifier,
    )
