"""Artifacts that a person marked as archived or superseded: which are meant, what is refused, and
what follows.

- *Archived*: lists and leaderboards leave it out unless asked; ``gc`` never deletes it, nor what it
  was made from.
- *Superseded*: left out likewise; nothing new is built on it and no release is made of it; ``gc``
  deletes it once it is old, though it be among the newest.

A release, and what it was made from, stays whatever is marked. What this module does not do: delete
(``retention``), or keep marks (``ledger``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import BadInput, GateRefused, Infrastructure, did_you_mean
from ..records.mark import Mark, MarkState
from .artifacts import Artifact
from .home import Home
from .ledger import Ledger
from .manifest import read_manifest

FORMS = "RECIPE/ASSET/RUN_ID, RECIPE/ASSET, RECIPE, or an artifact's folder"
"""What the address of artifacts may be."""
MAX_REASON = 500


def name_of(home: Home, artifact: Artifact) -> str:
    """``RECIPE/ASSET/RUN_ID``."""
    return artifact.folder.relative_to(home.runs).as_posix()


def current_name(home: Home, recipe: str, asset: str) -> str:
    """The same of a recipe's current artifact, without reading it; empty where there is none."""
    pointer = home.runs / recipe / asset / "current"
    return f"{recipe}/{asset}/{pointer.read_text().strip()}" if pointer.is_file() else ""


def find_artifacts(home: Home, address: str, run: str = "") -> list[Artifact]:
    """The finished artifacts of an address, oldest first; with ``run`` those of that run alone. A
    run's id may be shortened where that is unambiguous.

    Raises:
        BadInput: there are none, or several runs begin so; with the nearest name.
    """
    folder = Path(address).expanduser()
    if folder.is_absolute() or folder.is_dir():
        with suppress(ValueError):
            address = folder.resolve().relative_to(home.runs.resolve()).as_posix()
    parts = [part for part in address.strip("/").split("/") if part]
    if not 1 <= len(parts) <= 3 or any(part.startswith(".") for part in parts):
        raise BadInput(f"{address[:80]!r} is not the address of an artifact.", fix=f"Name {FORMS}.")
    # Names are compared and never joined: an address from outside reaches no path.
    artifacts = list[Artifact]()
    for path in sorted(home.runs.glob("*/*/*/manifest.json")):
        if path.parent.name[0] != "." and path.parts[-4] == parts[0]:
            with suppress(Infrastructure):  # a damaged manifest is left to `sentinel verify`
                artifacts.append(Artifact(path.parent, read_manifest(path.parent)))
    for place, (part, kind) in enumerate(
        zip([*parts, *[""] * (3 - len(parts))], ("recipe", "asset", "run"), strict=True)
    ):
        part = part or (run if kind == "run" else "")
        if not part:
            continue
        names = sorted({artifact.folder.parts[place - 3] for artifact in artifacts})
        if kind == "recipe" and not names:
            there = sorted(path.name for path in home.runs.glob("*") if path.is_dir())
            raise BadInput(f"{part[:80]!r} has no artifact.", fix=did_you_mean(part, there))
        matches = [name for name in names if name == part]
        if kind == "run" and not matches:
            matches = [name for name in names if name.startswith(part)]
        if len(matches) > 1:
            problem = f"several runs begin with {part!r}: {', '.join(matches[:5])}."
            raise BadInput(problem, fix="Write more of the run's id.")
        if not matches:
            problem = f"there is no {kind} {part[:80]!r} in {'/'.join(parts[:place]) or address}."
            of_stage = [name for name in names if name.startswith(f"{part}_")]
            fix = f"Name {' or '.join(of_stage)}." if of_stage else did_you_mean(part, names)
            raise BadInput(problem, fix=fix)
        artifacts = [
            artifact for artifact in artifacts if artifact.folder.parts[place - 3] == matches[0]
        ]
    return sorted(artifacts, key=lambda each: (each.manifest.created_at, each.manifest.asset))


def mark(
    home: Home,
    artifacts: Sequence[Artifact],
    state: MarkState,
    reason: str,
    *,
    marked_by: str,
    replaced_by: Artifact | None = None,
    dry_run: bool = False,
) -> list[Artifact]:
    """Mark artifacts, or undo their marks (``active``); returns those whose mark changes.

    Raises:
        BadInput: no reason, an artifact replaces itself, or one that is superseded replaces
            others.
    """
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        raise BadInput(
            f"expected one line of 1 to {MAX_REASON} characters.",
            field="--reason",
            fix="Say why: whoever looks for the artifact later reads it.",
        )
    ledger = Ledger(home.ledger)
    marks = ledger.marks()
    replacing = ""
    if replaced_by is not None:
        replacing = name_of(home, replaced_by)
        if any(artifact.folder == replaced_by.folder for artifact in artifacts):
            raise BadInput("an artifact cannot take its own place.", field="--by")
        if replacing in marks and marks[replacing].state == "superseded":
            problem = f"{replacing} is superseded itself: {marks[replacing].words}."
            raise BadInput(problem, field="--by", fix="Name the one that is used now.")
    changed = []
    for artifact in artifacts:
        name = name_of(home, artifact)
        now = marks.get(name)
        same = now is not None and (now.state, now.reason, now.replaced_by) == (
            *(state, reason),
            replacing,
        )
        if same or (now is None and state == "active"):
            continue
        changed.append(artifact)
        if not dry_run:
            ledger.record_mark(
                Mark(
                    artifact=name,
                    content_hash=artifact.hash,
                    state=state,
                    reason=reason,
                    marked_by=marked_by,
                    replaced_by=replacing,
                )
            )
    return changed


def hidden(home: Home) -> frozenset[str]:
    """Artifacts (``RECIPE/ASSET/RUN_ID``) that lists and leaderboards leave out unless asked. A
    ledger that cannot be read hides nothing: a list decides nothing."""
    try:
        return frozenset(Ledger(home.ledger).marks())
    except Infrastructure:
        return frozenset()


def refuse_superseded(home: Home, artifact: Artifact) -> None:
    """
    Raises:
        GateRefused: the artifact is superseded: nothing new is built on it.
    """
    name = name_of(home, artifact)
    mark_now = Ledger(home.ledger).marks().get(name)
    if mark_now is not None and mark_now.state == "superseded":
        raise GateRefused(
            f"{name} is {mark_now.words}: nothing new is built on it. Materialize it again, or take the "
            f"mark back: sentinel archive undo {name}."
        )
