"""Rewards of the user's own, as TRL calls them: a function of the project's folder, or a verifier
that is asked of every completion.

A function runs in this process, where its code is trusted, or in the sandbox, which reads its
module and never imports it here. What it returns is trusted in neither: a number that is not
finite, a list of another length, an exception, a crash or a limit stops with the reward's name.
What this module does not do: examine a reward before it is used (``audit.own_rewards``).
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
from ..sandbox import Level, Limits, SandboxedFunction
from ..sandbox.functions import NOT_PLAIN
from .functions import text_of
from .scoring import Scoring, reward_of

_ANSWER_KIB = 256
"""What a function in the sandbox may answer."""


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
        self._sandboxed: SandboxedFunction | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnRewardFunction, (self.spec, self.root, self.scoring, self.place)

    def __call__(
        self, completions: Sequence[Any], *, prompts: Sequence[Any] = (), **columns: Any
    ) -> list[float | None]:
        """A reward for each completion, None where it does not apply.

        Raises:
            BadInput: the function cannot be imported, raises, returns other than numbers, crashes
                or runs into a limit of the sandbox.
            Infrastructure: the sandbox failed, twice.
            GateRefused: a verifier runs programs, or the function runs in the sandbox, and this
                machine isolates less than is demanded.
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

    def close(self) -> None:
        """End the processes that it started; another call starts them again."""
        self.scoring.close()
        if self._sandboxed is not None:
            self._sandboxed.close()
            self._sandboxed = None

    def _called(
        self, completions: Sequence[Any], prompts: Sequence[Any], columns: dict[str, Any]
    ) -> list[float | None]:
        arguments = {"prompts": prompts, "completions": completions, **columns}
        if self.spec.run == "sandbox":
            values = self._from_sandbox(arguments, len(completions))
        else:
            if self._function is None:
                self._function = load_function(self.spec, self.root, self.place)
            try:
                values = self._function(**arguments)
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

    def _from_sandbox(self, arguments: dict[str, Any], count: int) -> Any:
        """What the function returns, called where it can do no harm."""
        spec = self.scoring.spec
        assert self.spec.function is not None
        if self._sandboxed is None:
            path = module_file(self.spec, self.root, self.place)
            self._sandboxed = SandboxedFunction(
                path.read_text(encoding="utf-8"),
                self.spec.function.partition(":")[2],
                require_isolation=Level(spec.require_isolation),
            )
        limits = Limits(
            cpu_seconds=spec.cpu_seconds * max(1, count),
            wall_seconds=spec.step_seconds,
            memory_mib=spec.memory_mib,
            output_kib=_ANSWER_KIB,
        )
        called = self._sandboxed(arguments, limits)
        if called.problem is None:
            return called.value
        code, detail = called.problem
        if code == "wrong_entry_point":
            raise self._bad(f"cannot be called: {detail}", ".function")
        if code == NOT_PLAIN:
            raise self._bad("returned what is not plain data")
        if code == "exception":
            raise self._bad(f"raised {detail}"[:300])
        raise self._bad(f"gave no answer in the sandbox, {code}: {detail}"[:300])

    def _as_number(self, value: Any, index: int) -> float:
        """NumPy's and Torch's scalars, and True and False, are numbers too."""
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            what = f"returned {type(value).__name__} for completion {index}, expected a number"
            raise self._bad(what) from error

    def _bad(self, what: str, key: str = "") -> BadInput:
        return BadInput(
            f"the reward {self.spec.name!r} ({self.spec.function}) {what}.",
            field=f"{self.place}{key}",
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


def module_file(spec: OwnReward, root: Path, place: str) -> Path:
    """The file of the function's module, which is not imported.

    Raises:
        BadInput: the project's folder has no such file.
    """
    assert spec.function is not None
    module = spec.function.partition(":")[0]
    stem = root.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    raise BadInput(
        f"the reward {spec.name!r} has no module {module!r}.",
        file=stem.with_suffix(".py"),
        field=f"{place}.function",
        fix="In the sandbox a module is one file of the project's folder.",
    )


def own_version(spec: OwnReward, root: Path, place: str = "") -> str:
    """What a licence holds for: the recipe's words and the source of the function's module.

    Raises:
        BadInput: as ``load_function``.
    """
    source = ""
    place = place or f"grpo.reward.{spec.name}"
    if spec.function is not None and spec.run == "sandbox":
        source = module_file(spec, root, place).read_text(encoding="utf-8")
    elif spec.function is not None:
        function = load_function(spec, root, place)
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
