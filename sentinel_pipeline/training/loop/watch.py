"""What happens between two optimizer steps: the loss is checked and written, progress told, windows
held, signals heard.

It decides nothing of its own: rules (``gates.rules``) say when to stop, ``checkpoints`` how weights
are kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import advice
from ...errors import BadInput, SentinelError
from ...gates.rules import stop_reason
from ...gates.window_rules import step_verdicts, window_rules
from ...records import Task
from ...records.stages import SFT
from ...records.window import Window
from ...store import read_jsonl
from ...worker import ranks
from ...worker.interrupts import Interrupts
from ...worker.jobs import TuneJob
from ...worker.progress import Progress
from .checkpoints import save_checkpoint
from .freezing import Freezing
from .trackers import trl_names
from .windows import Scorer, append_window, best_window, describe, evaluate_window

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainerCallback


@dataclass(slots=True, kw_only=True)
class Watch:
    """The state of a run that is not the trainer's."""

    job: TuneJob[Any]
    tokenizer: PreTrainedTokenizerBase
    progress: Progress
    interrupts: Interrupts
    scorer: Scorer
    tasks: Sequence[Task]
    windows: list[Window]
    opening_window: bool = False
    """Whether a window is held before the first step."""
    stopped_by: str | None = None
    failure: SentinelError | None = None
    """Raised after the trainer returned, so that it ends in order."""
    trainer: Any = None
    freezing: Freezing | None = None

    def after_step(self, step: int, total: int, control: Any) -> None:
        loss, tokens, numbers = self.trainer.take_step()
        loss, tokens, stopping = ranks.reduced(loss, tokens, self.interrupts.asked is not None)
        if stopping and self.interrupts.asked is None:
            self.interrupts.asked = "another process"
        numbers |= self.more_numbers(step)
        if not math.isfinite(loss):
            self.failure = BadInput(
                f"the loss is {loss} at step {step}.",
                field=f"{self.job.kind}.learning_rate",
                fix="Lower it; the last full checkpoint and the best model are kept.",
            )
            control.should_training_stop = True
            control.should_save = False
            return
        if ranks.is_main():
            with (self.job.out / self.job.curves).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step, "loss": round(loss, 6), **numbers}) + "\n")
        self.track({"loss": loss, **numbers})
        self.progress.update(step, total, loss=loss, tokens=int(tokens), **_short(numbers))
        if self.tasks and (step % self.job.spec.windows.eval_steps == 0 or step == total):
            self.hold_window(step, control)
        if self.freezing is not None and step < total:
            self._change_stage(step, control)
        self.apply_rules(step, control)
        if self.job.kind == SFT.name and ranks.is_main() and step in (total // 2, total):
            self._look_at_the_loss()
        if self.interrupts.asked:
            control.should_training_stop = control.should_save = True

    def _look_at_the_loss(self) -> None:
        """Say what to try where the loss does not fall; nothing is stopped."""
        rows = read_jsonl(self.job.out / self.job.curves)
        losses = [row["loss"] for row in rows if row.get("loss") is not None]
        if advice.is_flat(losses):
            self.progress.advise(advice.FLAT_LOSS, advice.flat_loss(self.job.kind, losses))

    def track(self, numbers: dict[str, float]) -> None:
        """Hand the numbers to the trackers that the recipe names, if any."""
        if self.job.report_to:
            trainer = self.trainer
            numbers = trl_names(self.job.kind, numbers)
            trainer.callback_handler.on_log(trainer.args, trainer.state, trainer.control, numbers)

    def more_numbers(self, step: int) -> dict[str, float]:
        """What is told of a step beside the trainer's own numbers."""
        return {}

    def apply_rules(self, step: int, control: Any) -> None:
        """Rules over the curves, of trainers that have some."""

    def best(self) -> Window | None:
        """The window whose weights are kept."""
        return best_window(self.windows)

    def stopped(self) -> str | None:
        """Why a run that is found at its last checkpoint had stopped, or None to go on."""
        return stop_reason(window_rules(self.job.spec.windows), self.windows)

    def hold_window(self, step: int, control: Any) -> None:
        """The items are answered once, divided among the processes; a model in pieces needs them
        all for every item. Rank 0 scores, and its word counts."""
        scorer = self.scorer if ranks.is_main() else unscored
        window = evaluate_window(
            self.trainer.model,
            self.tokenizer,
            self.tasks,
            self.job.decoding,
            scorer,
            step,
            shared=not self.trainer.in_pieces,
        )
        window = ranks.from_main(window)
        self.windows.append(window)
        if self.best() == window:
            weights = self.trainer.weights()
            if ranks.is_main():
                save_checkpoint(
                    self.job.logs / "best", step, partial(self._write_model, weights=weights)
                )
        if ranks.is_main():
            append_window(self.job.out / "windows.jsonl", window)
        self.track(window_numbers(window))
        self.progress.note(describe(window))
        for gate, decided in step_verdicts(self.windows[-1:], self.job.spec.windows).items():
            self.progress.note(f"gate {gate}: {decided.verdict}: {decided.reason}")
        self.stopped_by = self.stopped()
        if self.stopped_by:
            self.progress.note(self.stopped_by)
            control.should_training_stop = control.should_save = True

    def before_training(self, control: Any) -> None:
        """The window at step 0 says what is to be beaten: an optimised model that never beats its
        start is not kept."""
        if self.opening_window and self.tasks and not self.windows:
            self.hold_window(0, control)

    def _change_stage(self, step: int, control: Any) -> None:
        assert self.freezing is not None
        try:
            self.freezing.after_step(step, self.trainer.optimizer, self.progress)
        except SentinelError as error:
            self.failure = error
            control.should_training_stop = True
            control.should_save = False

    def _write_model(self, folder: Path, weights: Any = None) -> None:
        self.trainer.save_weights(folder, weights)
        self.tokenizer.save_pretrained(folder)


def window_numbers(window: Window) -> dict[str, float]:
    """What a window says, as evaluation metrics; what it did not measure is left out."""
    rates = {"eval/pass_at_1": window.pass_at_1, "eval/syntax_rate": window.syntax_rate}
    return {name: value for name, value in rates.items() if value is not None}


def unscored(tasks: Sequence[Task], completions: Sequence[str]) -> list[Any]:
    """No scores: of the processes that are not rank 0."""
    return []


def _short(numbers: dict[str, float]) -> dict[str, float]:
    """What of a step's numbers people see beside the loss: reward margin and accuracy."""
    return {
        name.removeprefix("rewards/"): numbers[name]
        for name in ("rewards/margins", "rewards/accuracies")
        if name in numbers
    }


def watch_callback(watch: Watch) -> TrainerCallback:
    """``watch`` as the trainer's callback."""
    from transformers import TrainerCallback

    class Callback(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if watch.freezing is not None:
                watch.freezing.begin(
                    int(state.global_step), watch.trainer.optimizer, watch.progress
                )
            if int(state.global_step) == 0:
                watch.before_training(control)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            watch.after_step(int(state.global_step), int(state.max_steps), control)

    return Callback()
