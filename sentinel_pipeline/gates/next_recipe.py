"""The recipe that a decision rule asks for, written out as TOML with its evidence on top; comments
of the old one are kept.

What this module does not do: decide, run, or write over a recipe that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import BadInput
from ..records.decision_spec import DecisionRule


def next_recipe(old: str, rule: DecisionRule, evidence: Sequence[str], name: str) -> str:
    """The TOML text of the next recipe: ``old`` with the rule's changes, without the decision over
    its curves, never nightly.

    Args:
        old: the TOML text of recipe ``name``.
        evidence: lines for the comment on top.

    Raises:
        BadInput: a key of the rule's ``set`` leads through something that is not a table.
    """
    import tomlkit

    document = tomlkit.parse(old)
    for key in ("name", "nightly"):
        document.pop(key, None)
    points = document.get("decisions", [])
    for place in reversed(range(len(points))):
        if points[place].get("evidence") == "curves":
            del points[place]
    if not points:
        document.pop("decisions", None)
    document["description"] = rule.why
    for key, value in rule.set.items():
        import tomlkit

        *tables, last = key.split(".")
        table = document
        for part in tables:
            if part not in table:
                table[part] = tomlkit.table()
            table = table[part]
            if not isinstance(table, dict):
                raise BadInput(
                    f"{part!r} is not a table in recipe {name}.",
                    field=key,
                    fix="Correct the rule's set.",
                )
        table[last] = value
    head = [f"After {name}, scenario {rule.name}: {rule.why}"]
    if rule.note:
        head.append(rule.note)
    comments = "".join(f"# {line}\n" for line in (*head, *evidence))
    return f"{comments}{tomlkit.dumps(document).lstrip()}"


def write_next(text: str, path: Path) -> bool:
    """Write the recipe unless the same one is there; True when it was written.

    Raises:
        BadInput: another recipe of that name is there, or the text is an invalid recipe (nothing is
            left behind then).
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
            "exists already with other content.",
            file=path,
            fix="Compare them; --out names another file.",
        )
    with atomic_write(path) as stream:
        stream.write(text)
    return True
