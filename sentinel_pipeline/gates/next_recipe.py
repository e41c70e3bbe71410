"""The recipe that a decision rule asks for, written out as TOML with its evidence on top; comments
of the old one are kept.

What this module does not do: decide, run, or write over a recipe that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..records.decision_spec import DecisionRule
from ..records.stages import GRPO


def next_recipe(old: str, rule: DecisionRule, evidence: Sequence[str], name: str) -> str:
    """The TOML text of the next recipe: ``old`` with the rule's changes, with the rule's further
    rules as the decision over its curves, or without one; never nightly.

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
    if rule.then:
        # Below the report's points, which stay: the tree goes on over the next recipe's curves.
        further = tomlkit.aot()
        for point in points:
            further.append(point)
        over_curves = tomlkit.table()
        over_curves["stage"] = GRPO.name
        over_curves["evidence"] = "curves"
        over_curves["rules"] = _rules(rule.then)
        further.append(over_curves)
        document["decisions"] = further
    document["description"] = rule.why
    for key, value in rule.set.items():
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


def _rules(rules: Sequence[DecisionRule]) -> Any:
    """The rules as they would be written into a recipe: fields that say nothing are left out."""
    import tomlkit

    tables = tomlkit.aot()
    for rule in rules:
        table = tomlkit.table()
        for key in ("action", "name", "why", "recipe", "based_on", "note"):
            if getattr(rule, key):
                table[key] = getattr(rule, key)
        table["when"] = [
            {key: value for key, value in asdict(condition).items() if value not in (None, False)}
            for condition in rule.when
        ]
        if rule.set:
            table["set"] = rule.set
        if rule.then:
            table["then"] = _rules(rule.then)
        tables.append(table)
    return tables


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
