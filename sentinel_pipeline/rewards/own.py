"""Rewards of the user's own, as TRL calls them: a function of the project's folder, or a verifier
that is asked of every completion.

A function's code is trusted: it runs in this process. What it returns is not: a number that is not
finite, a list of another length or an exception stops with the reward's name. What this module does
not do: examine a reward before it is used (``audit.own_rewards``).
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..records.reward_spec import OwnReward
from ..records.verifiers import verifier_to_json
from .functions import text_of
from .scoring import Scoring, reward_of


class OwnRewardFunction:
    """One of the user's rewards, picklable; its ``__name__`` is the recipe's."""

    def __init__(
        self, spec: OwnReward, root: Path, scoring: Scoring | None = None, place: str = ""
    ) -> None:
        self.spec = spec
        self.root = root
        self.scoring = scoring or Scoring()
        self.place = place or f"grpo.reward.{spec.name}"
        """The key of the recipe, for errors."""
        self.__name__ = spec.name
        self._function: Callable[..., Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnRewardFunction, (self.spec, self.root, self.scoring, self.place)

    def __call__(
        self, completions: Sequence[Any], *, prompts: Sequence[Any] = (), **columns: Any
    ) -> list[float | None]:
        """A reward for each completion, None where it does not apply.

        Raises:
            BadInput: the function cannot be imported, raises, or returns other than numbers.
            GateRefused: a verifier runs programs, and this machine isolates less than is demanded.
        """
        if self.spec.verifier is not None:
            values = self._judged(completions)
        else:
            values = self._called(completions, prompts, columns)
        families = columns.get("family")
        if not self.spec.families or families is None:
            return values
        return [
            value if family in self.spec.families else None
            for value, family in zip(values, families, strict=True)
        ]

    def _judged(self, completions: Sequence[Any]) -> list[float | None]:
        checked = verifier_to_json(self.spec.built())
        assert checked is not None, "a reward has a verifier or a function"
        texts = [text_of(completion) for completion in completions]
        judged = self.scoring.judge(texts, [checked] * len(texts))
        return [None if each.score is None else reward_of(each.score) for each in judged]

    def _called(
        self, completions: Sequence[Any], prompts: Sequence[Any], columns: dict[str, Any]
    ) -> list[float | None]:
        if self._function is None:
            self._function = load_function(self.spec, self.root, self.place)
        try:
            values = self._function(prompts=prompts, completions=completions, **columns)
        except Exception as error:
            raise self._bad(f"raised {type(error).__name__}: {error}"[:300]) from error
        if not isinstance(values, (list, tuple)) or len(values) != len(completions):
            shown = f"a {type(values).__name__}"
            if isinstance(values, (list, tuple)):
                shown = f"{len(values)} values"
            raise self._bad(f"returned {shown} for {len(completions)} completions")
        rewards: list[float | None] = []
        for index, value in enumerate(values):
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    value = self._as_number(value, index)
                if not math.isfinite(value):
                    raise self._bad(f"returned {value} for completion {index}")
                value = float(value)
            rewards.append(value)
        return rewards

    def _as_number(self, value: Any, index: int) -> float:
        """NumPy's and Torch's scalars, and True and False, are numbers too."""
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            what = f"returned {type(value).__name__} for completion {index}, expected a number"
            raise self._bad(what) from error

    def _bad(self, what: str) -> BadInput:
        return BadInput(
            f"the reward {self.spec.name!r} ({self.spec.function}) {what}.",
            field=self.place,
            fix="Correct the function, or remove the reward.",
        )


def load_function(spec: OwnReward, root: Path, place: str) -> Callable[..., Any]:
    """The user's function, imported from the project's folder first.

    Raises:
        BadInput: there is no such module or function, or importing it fails.
    """
    assert spec.function is not None
    module, _, name = spec.function.partition(":")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise BadInput(
            f"the reward {spec.name!r} cannot be imported: {type(error).__name__}: {error}.",
            field=f"{place}.function",
            fix=f"{module}.py belongs into {root}, with a function {name}.",
        ) from error
    if not callable(function):
        raise BadInput(
            f"{spec.function} is not a function but {type(function).__name__}.",
            field=f"{place}.function",
            fix="Name a function.",
        )
    return function  # type: ignore[no-any-return]  # whatever the user's module holds


def own_version(spec: OwnReward, root: Path, place: str = "") -> str:
    """What a licence holds for: the recipe's words and the source of the function's module.

    Raises:
        BadInput: as ``load_function``.
    """
    source = ""
    if spec.function is not None:
        function = load_function(spec, root, place or f"grpo.reward.{spec.name}")
        file = inspect.getsourcefile(inspect.unwrap(function))
        if file is not None:
            source = Path(file).read_text(encoding="utf-8")
    said = json.dumps(asdict(spec), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{said}\0{source}".encode()).hexdigest()[:12]


def own_rewards(
    specs: Sequence[OwnReward], root: Path, scoring: Scoring
) -> list[OwnRewardFunction]:
    """The user's rewards in the recipe's order; verifiers run under the same limits as ours, on
    workers of their own."""
    return [
        OwnRewardFunction(spec, root, Scoring(scoring.spec), f"grpo.reward[{index}]")
        for index, spec in enumerate(specs)
    ]
