"""The recipe that a scenario asks for, written out as TOML with its evidence on top; comments of the old one are kept.

What this module does not do: decide, run, or write over a recipe that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..records.scenario_spec import Scenario


def next_recipe(old: str, scenario: Scenario, evidence: Sequence[str], name: str) -> str:
    """The TOML text of the next recipe: ``old`` with the scenario's changes, without its decision tree, never nightly.

    Args:
        old: the TOML text of recipe ``name``.
        evidence: lines for the comment on top.

    Raises:
        BadInput: a key of the scenario leads through something that is no table.
    """
    import tomlkit

    document = tomlkit.parse(old)
    for key in ("name", "next", "nightly"):
        document.pop(key, None)
    document["description"] = scenario.title
    for key, value in scenario.set.items():
        _set(document, key, value, name)
    head = [
        f"After {name}, scenario {scenario.name}: {scenario.title}",
        *([scenario.because] * bool(scenario.because)),
    ]
    comments = "".join(f"# {line}\n" for line in (*head, *evidence))
    return f"{comments}{tomlkit.dumps(document).lstrip()}"


def _set(document: Any, key: str, value: Any, name: str) -> None:
    import tomlkit

    *path, last = key.split(".")
    table = document
    for part in path:
        if part not in table:
            table[part] = tomlkit.table()
        table = table[part]
        if not isinstance(table, dict):
            raise BadInput(
                f"{part!r} is no table in recipe {name}.", field=key, fix="Mend the scenario's set."
            )
    table[last] = value


def write_next(text: str, path: Path) -> bool:
    """Write the recipe unless the same one is there; True when it was written.

    Raises:
        BadInput: another recipe of that name is there, or the text is no valid recipe (nothing is left behind then).
    """
    import tempfile

    from ..records.recipe import load_recipe
    from ..store import atomic_write

    with tempfile.TemporaryDirectory(prefix="sentinel-next-") as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8")
        recipe = load_recipe(draft)
    if path.exists():
        if load_recipe(path).sha256() == recipe.sha256():
            return False
        raise BadInput(
            "is there already and says something else.",
            file=path,
            fix="Compare them; --out names another file.",
        )
    with atomic_write(path) as stream:
        stream.write(text)
    return True
