"""The recipe of a run as it was when the run was launched: every step reads this copy, whatever
becomes of the recipe's file.

``state/recipes/SHA256/NAME.toml`` holds a copy, ``state/launched/LOOP`` names the copy of a loop.
Whichever step of a loop comes first makes them. What this module does not do: freeze the files that
a recipe names; the artifacts made from them are hashed themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import BadInput, Infrastructure
from ..records.recipe import Recipe, load_recipe
from .files import atomic_write, sync_folder, write_json
from .home import Home


def freeze(home: Home, name: str, loop: str) -> Recipe:
    """The recipe ``name`` of ``loop``: the copy that was made when it was launched, made now where
    there is none.

    Raises:
        BadInput: there is no such recipe, or it is invalid.
        Infrastructure: the copy was changed since, or cannot be written.
    """
    launched = find_launched(home, name, loop)
    if launched is not None:
        return launched
    home.recipe(name)  # an invalid file is told by its own name, not by the copy's
    text = home.recipe_file(name).read_bytes()
    sha256 = hashlib.sha256(text).hexdigest()
    copy = _copy(home, sha256, name)
    pointer = _pointer(home, loop)
    try:
        if not copy.is_file():
            with atomic_write(copy, "wb", private=True) as stream:
                stream.write(text)
        # Two steps may come first at once: the link is made by one of them, and both read it.
        aside = pointer.with_name(f".{pointer.name}.{os.getpid()}")
        with atomic_write(aside, private=True) as stream:
            stream.write(f"{sha256} {name}\n")
        with suppress(FileExistsError):
            os.link(aside, pointer)
        aside.unlink()
        sync_folder(pointer.parent)
    except OSError as error:
        raise Infrastructure(
            f"the recipe could not be kept under {home.state}: {error}."
        ) from error
    frozen = find_launched(home, name, loop)
    assert frozen is not None
    return frozen


def find_launched(home: Home, name: str, loop: str) -> Recipe | None:
    """The recipe ``name`` as ``loop`` was launched with it; None where it was launched before such
    copies were kept.

    Raises:
        Infrastructure: the copy was changed since.
    """
    pointer = _pointer(home, loop)
    if not pointer.is_file():
        return None
    sha256, _, of_recipe = pointer.read_text(encoding="utf-8").strip().partition(" ")
    if of_recipe != name:
        return None
    copy = _copy(home, sha256, name)
    if not copy.is_file() or hashlib.sha256(copy.read_bytes()).hexdigest() != sha256:
        raise Infrastructure(
            f"{copy} is not the recipe that the run was launched with. Start anew: sentinel run {name}."
        )
    return load_recipe(copy)


LIMITS = ("budget.max_hours", "budget.max_cost")
"""What may change while a run pauses: how much it may cost is not what it does."""


def keep_expected(home: Home, loop: str, hours: Mapping[str, float | None]) -> None:
    """Keep what the plan expects of each asset of ``loop``; the newest plan counts."""
    told = {asset: each for asset, each in hours.items() if each is not None}
    write_json(_expected(home, loop), told)


def expected_hours(home: Home, loop: str) -> dict[str, float]:
    """Asset -> the device hours that the plan of ``loop`` expected; empty without a plan."""
    path = _expected(home, loop)
    if not path.is_file():
        return {}
    hours: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return hours


def _expected(home: Home, loop: str) -> Path:
    return home.state / "launched" / f"{loop}.hours.json"


def refuse_edited(launched: Recipe, now: Recipe) -> None:
    """
    Raises:
        BadInput: the recipe means something else than when the run was launched; says what. The
            limits of the budget may change.
    """
    changes = [
        change for change in recipe_changes(launched, now) if change.partition(" ")[0] not in LIMITS
    ]
    if changes:
        more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
        raise BadInput(
            f"the recipe changed since the run was launched: {'; '.join(changes[:5])}{more}.",
            field="--resume",
            fix=f"Undo that, or start anew: sentinel run {now.name}.",
        )


def recipe_changes(before: Recipe, after: Recipe) -> list[str]:
    """What differs in meaning: ``sft.learning_rate was 0.0002, is 0.001``."""
    old = _flat(asdict(before))
    new = _flat(asdict(after))
    return [
        f"{key} was {_shown(old.get(key))}, is {_shown(new.get(key))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            name: leaf
            for part, inner in value.items()
            for name, leaf in _flat(inner, f"{key}.{part}" if key else str(part)).items()
        }
    return {key: value}


def _shown(value: Any) -> str:
    text = "absent" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _copy(home: Home, sha256: str, name: str) -> Path:
    return home.state / "recipes" / sha256 / f"{name}.toml"


def _pointer(home: Home, loop: str) -> Path:
    return home.state / "launched" / loop
