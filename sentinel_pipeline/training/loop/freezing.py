"""Staged freezing: which parameters train from which step on, by patterns of their names.

A parameter that is frozen gets no gradient, so neither its weights nor its moments move (weight
decay included); one that is thawed begins with fresh moments, one that trains on keeps its own.
Each stage is written to ``stages.jsonl`` with a hash of what is frozen in it, and the hash is taken
again when the stage ends: frozen weights that moved end the run. What this module does not do:
choose stages, or freeze the base of an adapter (PEFT does; patterns see the adapter's parameters
alone).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadInput, Infrastructure, did_you_mean
from ...records.training_spec import FreezeStage
from ...worker import ranks
from ...worker.progress import Progress
from .windows import rewind_rows

if TYPE_CHECKING:
    from torch.nn import Module, Parameter


def stage_at(stages: Sequence[FreezeStage], step: int) -> FreezeStage:
    """The stage in whose steps the one after ``step`` falls."""
    return [stage for stage in stages if stage.from_step <= step][-1]


def rate_factor(stages: Sequence[FreezeStage], step: int) -> float:
    """What the scheduled learning rate is multiplied with after ``step`` steps; 1 without
    stages."""
    return stage_at(stages, step).lr_scale if stages else 1.0


def trained_names(stage: FreezeStage, names: Iterable[str]) -> list[str]:
    """The names that some pattern of ``train`` matches and none of ``freeze``."""
    return [name for name in names if _any(stage.train, name) and not _any(stage.freeze, name)]


def check_stages(stages: Sequence[FreezeStage], names: Sequence[str], field: str) -> None:
    """Hold every pattern against the model's parameters.

    Raises:
        BadInput: a pattern that matches none of ``names``, or a stage that trains nothing;
            ``field`` is the recipe's key.
    """
    for at, stage in enumerate(stages):
        for key in ("train", "freeze"):
            for pattern in getattr(stage, key):
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise BadInput(
                        f"{pattern!r} matches none of the model's {len(names)} trainable parameters.",
                        field=f"{field}[{at}].{key}",
                        fix=_nearest(pattern, names),
                    )
        if not trained_names(stage, names):
            raise BadInput(
                "trains nothing.", field=f"{field}[{at}].freeze", fix="Leave something out of it."
            )


def _nearest(pattern: str, names: Sequence[str]) -> str:
    """The names with their layers' numbers left out, and the one that was probably meant."""
    suggestion = did_you_mean(pattern, {re.sub(r"\d+", "*", name) for name in names})
    return (
        f"{suggestion} The head is tied to the embeddings." if "lm_head" in pattern else suggestion
    )


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def staged_schedule(scheduler: Any, factor: Callable[[int], float]) -> Any:
    """The same schedule, each rate multiplied by the ``factor`` of its step."""
    from torch.optim.lr_scheduler import LambdaLR

    inner = scheduler.lr_lambdas[0]
    return LambdaLR(scheduler.optimizer, lambda step: inner(step) * factor(step))


class Freezing:
    """The stages over one trainer's model."""

    def __init__(
        self, stages: Sequence[FreezeStage], model: Module, path: Path, field: str
    ) -> None:
        """Raises BadInput: see ``check_stages``."""
        self.stages = stages
        self.path = path
        self.parameters: dict[str, Parameter] = {
            k: p for k, p in model.named_parameters() if p.requires_grad
        }
        check_stages(stages, list(self.parameters), field)
        ever = {name for stage in stages for name in trained_names(stage, self.parameters)}
        # What no stage trains is nobody's business from here on; what any stage trains the
        # optimizer must know from the start.
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(name in ever)
        self.trained = sum(self.parameters[name].numel() for name in ever)
        self._open: FreezeStage | None = None
        self._frozen: list[str] = []
        self._hash = ""

    def begin(self, step: int, optimizer: Any, progress: Progress) -> None:
        """Open the stage of a run that starts at ``step``; where it was open before, its frozen
        weights must be as they were."""
        rows = rewind_rows(self.path, step)
        self._enter(step, optimizer)
        if not rows or rows[-1]["step"] != self._stage.from_step:
            self._write(progress)
        elif rows[-1]["frozen_sha256"] != self._hash:
            raise Infrastructure(
                f"the frozen weights are not those that the stage from step {self._stage.from_step} began with: "
                f"the checkpoint of step {step} is damaged. Delete it, then run again to resume from an earlier one."
            )

    def after_step(self, step: int, optimizer: Any, progress: Progress) -> None:
        """Change stages where ``step`` is the last one before the next.

        Raises:
            Infrastructure: a weight that was frozen has moved.
        """
        if stage_at(self.stages, step) is self._open:
            return
        self.close()
        self._enter(step, optimizer)
        self._write(progress)

    def close(self) -> None:
        """Raises Infrastructure where a weight that is frozen now has moved since its stage
        began."""
        if self._open is not None and weights_hash(self.parameters, self._frozen) != self._hash:
            raise Infrastructure(
                f"weights frozen from step {self._open.from_step} on have moved: nothing is kept of it."
            )

    @property
    def _stage(self) -> FreezeStage:
        assert self._open is not None
        return self._open

    def _enter(self, step: int, optimizer: Any) -> None:
        self._open = stage_at(self.stages, step)
        trained = set(trained_names(self._open, self.parameters))
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(name in trained)
            if name not in trained:
                parameter.grad = None
                # Old moments would push it on the day it is thawed.
                optimizer.state.pop(parameter, None)
        self._frozen = [name for name in self.parameters if name not in trained]
        self._hash = weights_hash(self.parameters, self._frozen)

    def _write(self, progress: Progress) -> None:
        stage = self._stage
        total = sum(p.numel() for p in self.parameters.values())
        frozen = sum(self.parameters[name].numel() for name in self._frozen)
        row = {
            "step": stage.from_step,
            "lr_scale": stage.lr_scale,
            "trained_tensors": len(self.parameters) - len(self._frozen),
            "trained": total - frozen,
            "frozen_tensors": len(self._frozen),
            "frozen": frozen,
            "frozen_sha256": self._hash,
        }
        if ranks.is_main():
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
        progress.note(
            f"from step {stage.from_step}: {row['trained_tensors']} tensors train ({total - frozen:,} weights, "
            f"rate times {stage.lr_scale:g}), {row['frozen_tensors']} are frozen ({frozen:,})"
        )


def weights_hash(parameters: Mapping[str, Parameter], names: Iterable[str]) -> str:
    """SHA-256 over the names and bytes of some parameters."""
    import torch

    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode())
        digest.update(
            parameters[name].detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()
