"""Whether a mix's section of a recipe makes sense: shares, rules, caps, weights, each refused by its key.

What this module does not do: look at rows; a category without any is the mix's own report to make.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..errors import BadInput, did_you_mean
from .data_spec import CategoryRule, MixSpec
from .task import CATEGORIES

LANGUAGES = ("python", "typescript", "sql", "shell", "yaml", "json", "diff", "text")


def check_mix(spec: MixSpec, file: Path | None = None) -> None:
    """Refuse what cannot be meant.

    Raises:
        BadInput: shares that do not sum to 1; a rule without a condition, of an unknown language, or of a category that has no
            share; a cap, weight, size or threshold out of range; a cap of a category that has no share.
    """
    total = math.fsum(spec.shares.values())
    if (
        not all(math.isfinite(share) and share >= 0 for share in spec.shares.values())
        or abs(total - 1) > 1e-6
    ):
        _refuse(
            f"shares sum to {total:g}, expected 1 with none negative.",
            file,
            "shares",
            "Adjust the shares.",
        )
    for name, rule in spec.categories.items():
        _check_rule(name, rule, spec, file)
    for name in spec.category_caps:
        if name not in spec.shares:
            _refuse("has no share.", file, f"category_caps.{name}", did_you_mean(name, spec.shares))
    for key, numbers in (("source_caps", spec.source_caps), ("category_caps", spec.category_caps)):
        for name, number in numbers.items():
            if number < 0:
                _refuse(f"is {number}, expected 0 or more.", file, f"{key}.{name}")
    for name, weight in spec.weights.items():
        if not (math.isfinite(weight) and weight > 0):
            _refuse(
                f"is {weight:g}, expected more than 0.",
                file,
                f"weights.{name}",
                "To leave a source out, cap it at 0.",
            )
    if spec.size is not None and spec.size < 0:
        _refuse(f"is {spec.size}, expected 0 or more.", file, "size")
    if not 0 <= spec.repair_share <= 1:
        _refuse(f"is {spec.repair_share:g}, expected 0 to 1.", file, "repair_share")
    if not 0.5 <= spec.near_duplicates <= 1:
        _refuse(
            f"is {spec.near_duplicates:g}, expected 0.5 to 1.",
            file,
            "near_duplicates",
            "1 keeps all that differ.",
        )
    if spec.memory_mib < 128:
        _refuse(f"is {spec.memory_mib}, expected 128 or more.", file, "memory_mib")


def _check_rule(name: str, rule: CategoryRule, spec: MixSpec, file: Path | None) -> None:
    if name in CATEGORIES:
        _refuse(
            "is decided by general evidence already.",
            file,
            f"categories.{name}",
            "Give your category another name.",
        )
    if name not in spec.shares:
        _refuse("has no share.", file, f"categories.{name}", f"Add mix.shares.{name}.")
    if not (rule.languages or rule.sources or rule.words):
        _refuse(
            "has no condition.", file, f"categories.{name}", "Give languages, sources or words."
        )
    for language in rule.languages:
        if language not in LANGUAGES:
            _refuse(
                f"{language!r} is no language.",
                file,
                f"categories.{name}.languages",
                did_you_mean(language, LANGUAGES),
            )


def _refuse(message: str, file: Path | None, key: str, fix: str | None = None) -> Any:
    raise BadInput(message, file=file, field=f"mix.{key}", fix=fix)
