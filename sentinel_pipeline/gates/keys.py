"""Keys of verdicts: which gate, about which artifact, by which scorer and policy; made here for
whoever asks or writes the ledger.

What this module does not do: read the ledger, or say which scorer is the current one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..records import VerdictKey
from ..records.recipe import Recipe, section_hash
from ..records.stages import report_of
from ..store import Artifact, Home, Store
from ..store.files import sha256_file

HELDOUT = "heldout"


def policy_hash(policy: Any) -> str:
    """Identity of a policy, which is any section of a recipe: a verdict decided under another one
    is stale."""
    return section_hash(policy)[:16]


class Bound(NamedTuple):
    """What answered what, and how: the part of a key that is about the answers in a report."""

    checkpoint_hash: str
    suite_hash: str
    decoding: str


def decoding_text(decoding: Mapping[str, Any]) -> str:
    """A report's decoding as it stands in keys."""
    return json.dumps(dict(decoding), sort_keys=True)


def artifact_key(name: str, artifact: Artifact, policy: Any, scorer_version: str) -> VerdictKey:
    """The key of gate ``name`` about ``artifact``, decided by ``policy``."""
    return VerdictKey(
        name=name,
        subject=f"{artifact.manifest.recipe}/{artifact.manifest.asset}",
        subject_hash=artifact.hash,
        scorer_version=scorer_version,
        policy_hash=policy_hash(policy),
    )


def suite_file_hash(home: Home, recipe: Recipe, suite: str) -> str | None:
    """Hash of the user's own file that a suite is read from, or of the sources that the held-out
    tasks are dealt from; None for a suite without one, "" where a file is gone."""
    if suite == HELDOUT:
        names = [
            place
            for source in recipe.tasks.source
            for place in (*source.places.values(), source.database)
            if place is not None
        ]
        if not names:
            return None
        return files_hash(home.root / name for name in names)
    path = home.suite_file(suite, recipe.bench.data)
    return None if path is None else files_hash([path])


def files_hash(paths: Iterable[Path]) -> str:
    """One hash over files, and over all files of folders by name."""
    digest = hashlib.sha256()
    for path in paths:
        files = (
            sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        )
        for file in files:
            if not file.is_file():
                return ""
            stat = file.stat()
            digest.update(_file_hash(file, stat.st_mtime_ns, stat.st_size).encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=4096)
def _file_hash(file: Path, _changed: int, _size: int) -> str:
    return sha256_file(file)


def report_key(
    store: Store,
    recipe: Recipe,
    gate: str,
    report: Artifact,
    scorer_version: str,
    bound: Bound | None = None,
) -> VerdictKey:
    """The key of one of the recipe's gates about ``report``; of a paired gate, beside the report of
    ``against`` as it is now.

    Args:
        bound: what was answered, for who decides; what the verdict must be about, for who goes on.
            None: for who only looks whether the verdict is old.
    """
    policy = recipe.gates[gate]
    against_hash = None
    if policy.against:
        against = store.find(report_of(policy.against))
        against_hash = against.hash if against else ""
    return VerdictKey(
        name=gate,
        subject=f"{report.manifest.recipe}/{report.manifest.asset}",
        subject_hash=report.hash,
        scorer_version=scorer_version,
        policy_hash=policy_hash(policy),
        against_hash=against_hash,
        suite_file=suite_file_hash(store.home, recipe, policy.suite),
        **(bound._asdict() if bound else {}),
    )
