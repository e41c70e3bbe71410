"""A recipe's stages, read from its file: which it uses, whose weights each starts from, and what a
section need not repeat.

Works on the parsed TOML, before it becomes a ``Recipe``: a wrong type is left for the reader to
refuse. What this module does not do: declare the stages (``stages``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import BadInput, did_you_mean
from .stages import (
    BASE,
    INHERITED,
    OF_ADAPTERS,
    REPORT_STAGES,
    STAGE_NAMES,
    TRAINING_STAGES,
    gates_of_stage,
    stage_named,
)


def read_stages(data: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of the stages that the recipe uses, in the order of the chain.

    Raises:
        BadInput: an unknown, repeated or misplaced stage, a section of a stage that is not used, or
            a start that is not there.
    """
    names = _named(data.get("stages"), path)
    if names is None:
        return tuple(
            stage.name for stage in TRAINING_STAGES if not stage.optional or stage.name in data
        )
    for name in STAGE_NAMES:
        if name in data and name not in names:
            raise BadInput(
                f"is set, but stages is {list(names)}.",
                file=path,
                field=name,
                fix=f"Add {name!r} to stages, or remove the section.",
            )
    return names


def _named(listed: Any, path: Path) -> tuple[str, ...] | None:
    """What ``stages`` says; None where it says nothing, or nothing that is a list of texts."""
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        return None
    if not listed:
        raise BadInput(
            "names no stage.",
            file=path,
            field="stages",
            fix=f"Name one of {', '.join(STAGE_NAMES)}, or leave the key out.",
        )
    for name in listed:
        if name not in STAGE_NAMES:
            raise BadInput(
                f"unknown training stage {name!r}.",
                file=path,
                field="stages",
                fix=did_you_mean(name, STAGE_NAMES),
            )
    ordered = [name for name in STAGE_NAMES if name in listed]
    if listed != ordered:
        raise BadInput(
            f"is {listed}, expected each stage once, in the order of the chain.",
            file=path,
            field="stages",
            fix=f"Write {ordered}.",
        )
    return tuple(listed)


def complete(data: dict[str, Any], names: Sequence[str], path: Path) -> None:
    """Fill in what follows from the neighbours: ``stages``, a section for each stage, and the
    settings that a section inherits.

    Raises:
        BadInput: a stage starts from one that the recipe does not use, or that comes after it.
    """
    data.setdefault("stages", list(names))
    for at, name in enumerate(names):
        section = data.setdefault(name, {})
        if not isinstance(section, dict):
            continue
        before = (BASE, *names[:at])
        start = section.get("start", before[-1])
        if not isinstance(start, str):
            continue
        if start not in before:
            raise BadInput(
                _why_not(start, name, names),
                file=path,
                field=f"{name}.start",
                fix=did_you_mean(start, before),
            )
        if start != BASE:
            _inherit(section, data[start], name)


def _why_not(start: str, name: str, names: Sequence[str]) -> str:
    if start not in REPORT_STAGES:
        return f"unknown training stage {start!r}."
    if start in names:
        return f"{start!r} does not come before {name!r}."
    return f"{start!r} is not among the recipe's stages {list(names)}."


def _inherit(section: dict[str, Any], start: Any, name: str) -> None:
    """What the start's section says and this one does not; an adapter's settings only where an
    adapter is trained."""
    settable = {field.name for field in fields(stage_named(name).spec)}
    for key in INHERITED:
        if not isinstance(start, dict) or key not in start or key not in settable:
            continue
        if key in OF_ADAPTERS and section.get("method", "lora") != "lora":
            continue
        section.setdefault(key, start[key])


def refuse_gates_of_other_stages(
    gates: Mapping[str, Any], names: Sequence[str], path: Path
) -> None:
    """Raises:
    BadInput: a default gate is changed whose stage the recipe does not use.
    """
    for stage in TRAINING_STAGES:
        if stage.name in names:
            continue
        for gate in gates_of_stage(stage.name).keys() & gates.keys():
            if isinstance(gates[gate], dict) and "stage" not in gates[gate]:
                raise BadInput(
                    f"judges {stage.name!r}, and stages is {list(names)}.",
                    file=path,
                    field=f"gates.{gate}",
                    fix=f"Remove it, or add {stage.name!r} to stages.",
                )
