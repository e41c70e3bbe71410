"""Before a first run: the device hours of every stage and whether it fits the device and the disk,
from the model's shape, the recipe and a sample of its tasks.

Answers, reference passes, windows and engines' starts are counted as training is. Rows that are not
made yet have the length of sampled tasks. A stage that does not fit is refused with the fewest keys
that make it fit. What this module does not do: know how long a model will talk before it is
trained: one that was not is taken to use all the tokens that it may.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ...errors import SentinelError
from ...generation.prompts import plain
from ...records.grpo_spec import GrpoSpec
from ...records.recipe import Recipe
from ...records.stages import BASE, TrainingStage, stage_of_report
from ...records.training_spec import StageSpec, TuneSpec
from ...store import Home
from ...tasks.suites import ENVIRONMENT, PUBLIC, load_suite
from ...tasks.task_bank import build
from ...worker.launch import sharding
from .hardware import Hardware, answer_seconds, train_seconds
from .plan_model import PlannedModel

if TYPE_CHECKING:
    from .plan import Plan

CHARACTERS = 3.6
"""Of a token of English, Portuguese or code, about."""
A_TURN = 6
"""Tokens that a chat template puts around a turn."""
SAMPLED = 30
"""Tasks of each family that are made to see how long they are."""
UNKNOWN = (200.0, 150.0)
"""Tokens of a prompt and its answer where no sampled task tells."""
LONGER = 2.5
"""The longest answer of a batch, in mean answers: a loop over batches waits for it."""
SPARE_GIB = 1.0
"""Of a device's memory that the driver, torch and fragments take."""
VLLM_GIB = 3.0
"""Beside the weights, what vLLM needs for its graphs and the least of a cache."""
PARITY = 2
"""Times that a stage's export reads its model to compare the forms."""
SUITES = {"humaneval": 164, "mbpp": 500, "ifeval": 541, "bfcl": 400}
"""Items of public suites whose files are not here."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean tokens of a task's prompt and of its reference."""

    prompt: float
    answer: float


def lengths_of(recipe: Recipe) -> Lengths:
    """Of a sample of the recipe's generated tasks."""
    families = {name: min(count, SAMPLED) for name, count in recipe.tasks.train.items() if count}
    if recipe.tasks.source or not families:
        return Lengths(*UNKNOWN)
    try:
        tasks = build(recipe.seed, families, {}).train
    except SentinelError:
        return Lengths(*UNKNOWN)
    weights = [recipe.tasks.train[task.family] / families[task.family] for task in tasks]
    total = sum(weights)

    def mean(characters: list[int], turns: list[int]) -> float:
        tokens = [c / CHARACTERS + A_TURN * t for c, t in zip(characters, turns, strict=True)]
        return sum(w * t for w, t in zip(weights, tokens, strict=True)) / total

    return Lengths(
        mean(
            [len(plain(task.messages, "raw")) for task in tasks],
            [len(task.messages) for task in tasks],
        ),
        mean([len(task.reference) for task in tasks], [1] * len(tasks)),
    )


@dataclass(slots=True)
class Forecast:
    """One recipe on one device."""

    plan: Plan
    home: Home
    model: PlannedModel
    hardware: Hardware
    lengths: Lengths

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def share(self) -> float:
        """Of the device's peak that training reaches."""
        return self.hardware.reached(self.recipe.budget.utilisation)

    def hours(self, asset: str) -> float | None:
        """Device hours of one asset; None where the device's peak is not known."""
        if self.hardware.tflops is None:
            return None
        if self.hardware.bandwidth_gb_s is None:
            # A peak alone says how long arithmetic takes, and answering is not arithmetic.
            seconds = self._arithmetic(asset)
        else:
            seconds = self._seconds(asset)
        return None if seconds is None else round(seconds / 3600, 6)

    def _arithmetic(self, asset: str) -> float | None:
        """Training alone, on rows that were tokenized."""
        for stage in self.recipe.chain:
            entry = self.plan.trainers.get(stage.name)
            if asset == stage.checkpoint and entry is not None and entry["tokens"]:
                spec = self.recipe.spec_of(stage.name)
                tokens = entry["steps"] * entry["batch"] * self.row_tokens(stage, entry)
                return train_seconds(self.model, spec, self.hardware, self.share, tokens, 0)
        return None

    def _seconds(self, asset: str) -> float | None:
        recipe = self.recipe
        if asset == "base_checkpoint":
            return self._base()
        if asset == "self_generated":
            return self._self_generated()
        if asset == "self_repairs":
            return self._answers(recipe.critic.self_repair, trained=False)
        if asset in ("instruct_report", "alt_base_report"):
            formats = len(recipe.gap_proof.formats) if recipe.gap_proof else 0
            count = 1 if asset == "instruct_report" else formats
            suite = recipe.gap_proof.suite if recipe.gap_proof else ""
            return sum(
                self._answers(self._items(suite), trained=asset == "instruct_report")
                for _ in range(count)
            )
        if asset.endswith("_report"):
            stage = stage_of_report(asset)
            items = sum(map(self._items, recipe.bench.suites)) * recipe.bench.samples
            seconds = self._answers(items, trained=stage != BASE)
            if stage == BASE and recipe.gap_proof is not None:
                again = self._items(recipe.gap_proof.suite) * (len(recipe.gap_proof.formats) - 1)
                seconds += self._answers(again, trained=False)
            return seconds
        if asset == "preference_pairs":
            tasks = min(recipe.pairs.prompts, self.plan.pool.total)
            return self._answers(tasks * recipe.pairs.samples, trained=True)
        for trained in recipe.chain:
            if asset == trained.checkpoint:
                return self.training_seconds(trained)
        return None

    def _base(self) -> float:
        """An embedded model is pretrained, candidates are probed; another is only looked up."""
        spec = self.recipe.model
        if spec.source == "embedded":
            made = spec.embedded
            tokens = made.pretrain_steps * made.pretrain_batch * made.pretrain_length
            assert self.hardware.tflops is not None
            operations = 6.0 * self.model.parameters * tokens
            return operations / (self.hardware.tflops * 1e12 * self.share)
        if spec.source == "probed":
            items = sum(map(self._items, spec.probe))
            return len(spec.candidates) * self._answers(items, trained=False)
        return 0.0

    def _self_generated(self) -> float:
        """About two attempts a row that is kept: an instruction, then a response, both to the end
        of what they may take, as a base model's are."""
        spec = self.recipe.candidates.self_generated
        if spec is None:
            return 0.0
        attempts = 2.0 * spec.rows
        seconds = 0.0
        for tokens, before in ((spec.instruction_tokens, 300.0), (spec.response_tokens, 300.0)):
            seconds += self._asked(attempts, before, tokens, tokens)
        return seconds

    def _items(self, suite: str) -> int:
        """Items of a suite; those of the bank as the recipe asks."""
        limit = self.recipe.bench.limit
        count = self.plan.drawn_items(suite)
        if count is None:
            data = self.home.suite_file(suite, self.recipe.bench.data)
            try:
                # What only the hub has is not fetched for a plan.
                here = data is not None or suite not in PUBLIC or os.environ.get(ENVIRONMENT)
                count = len(load_suite(suite, data=data)) if here else SUITES.get(suite, 0)
            except (SentinelError, OSError):
                count = SUITES.get(suite, 0)
        return count if limit is None else min(limit, count)

    def _answers(self, items: float, *, trained: bool) -> float:
        """Answers to tasks; a model that was not trained to stop talks as long as it may."""
        most = float(self.recipe.bench.max_new_tokens)
        answer = min(most, 1.2 * self.lengths.answer) if trained else most
        longest = self._longest() if trained else most
        return self._asked(items, self.lengths.prompt, answer, longest) if items else 0.0

    def _longest(self) -> float:
        """Tokens of the longest answer of a batch by a trained model: some batches have one that
        runs on."""
        most = float(self.recipe.bench.max_new_tokens)
        return min(most, max(LONGER * self.lengths.answer, most / 2))

    def _asked(
        self, items: float, prompt: float, answer: float, longest: float, engine: str | None = None
    ) -> float:
        bench = self.recipe.bench
        return answer_seconds(
            self.model,
            self.hardware,
            engine or bench.engine,
            self.recipe.vllm,
            items=items,
            batch=bench.batch_size,
            prompt_tokens=prompt,
            answer_tokens=answer,
            longest=longest,
            four_bit=bench.load_in_4bit or self.recipe.vllm.quantization == "bitsandbytes",
        )

    def training_seconds(self, stage: TrainingStage) -> float | None:
        """Training, its windows, what precedes the first step, and the export."""
        entry = self.plan.trainers.get(stage.name)
        if entry is None:
            return None
        spec = self.recipe.spec_of(stage.name)
        windows = -(-entry["steps"] // spec.windows.eval_steps)
        asked = windows * spec.windows.eval_items * (2 if isinstance(spec, GrpoSpec) else 1)
        if isinstance(spec, GrpoSpec):
            # The kept weights answer the fresh prompts once.
            asked += self.plan.counted.reward
        # The trainer's own model answers, which is in memory already.
        looks = self._asked(
            asked,
            self.lengths.prompt,
            self.lengths.answer,
            self._longest(),
            "transformers",
        )
        export = (1 + PARITY) * 2.0 * self.model.parameters / 1e9
        if isinstance(spec, GrpoSpec):
            return self._grpo(spec, entry["steps"]) + looks + export
        assert isinstance(spec, TuneSpec) and stage.rows is not None
        rows = entry["steps"] * entry["batch"]
        tokens = rows * self.row_tokens(stage, entry)
        passes = entry["steps"] * spec.gradient_accumulation_steps
        trained = train_seconds(
            self.model,
            spec,
            self.hardware,
            self.share,
            tokens,
            passes,
            reference=stage.reads_reference,
            processes=self.recipe.launch.processes,
        )
        return trained + looks + export

    def row_tokens(self, stage: TrainingStage, entry: dict[str, Any]) -> float:
        """Mean tokens of a row, of both its sides where it is a pair."""
        assert stage.rows is not None
        report = entry["tokens"]
        if report:
            return float(report["tokens"] / max(report["kept"], 1))
        spec = self.recipe.spec_of(stage.name)
        side = min(self.lengths.prompt + self.lengths.answer, spec.max_length)
        return stage.rows.sides * side

    def _grpo(self, spec: GrpoSpec, steps: int) -> float:
        """A step draws all its completions, then learns from them."""
        answer = float(spec.max_completion_length)
        mean = min(answer, 0.5 * answer + 0.5 * self.lengths.answer)
        vllm = replace(self.recipe.vllm, data_parallel_size=1)
        rollouts = steps * answer_seconds(
            self.model,
            self.hardware,
            spec.engine,
            vllm,
            items=spec.completions,
            batch=spec.completions,
            prompt_tokens=self.lengths.prompt,
            answer_tokens=mean,
            longest=min(answer, LONGER * mean),
        )
        # The engine is started once, not at every step.
        starting = answer_seconds(
            self.model,
            self.hardware,
            spec.engine,
            vllm,
            items=0,
            batch=1,
            prompt_tokens=0,
            answer_tokens=0,
            longest=0,
        )
        rollouts -= (steps - 1) * starting
        tokens = steps * spec.completions * (self.lengths.prompt + mean)
        passes = steps * spec.gradient_accumulation_steps
        learning = train_seconds(
            self.model,
            spec,
            self.hardware,
            self.share,
            tokens,
            passes,
            reference=spec.beta > 0,
        )
        known = 0.0
        if spec.curriculum_samples:
            prompts = min(spec.prompts or self.plan.pool.total, self.plan.pool.total)
            known = self._asked(
                prompts * spec.curriculum_samples, self.lengths.prompt, mean, answer, spec.engine
            )
        return rollouts + learning + known

    def memory(self, stage: TrainingStage, spec: StageSpec) -> dict[str, int]:
        """MiB on each device while a stage trains, and while it generates for itself."""
        sides = stage.rows.sides if stage.rows is not None else 1
        entry = self.plan.trainers.get(stage.name)
        longest = entry["tokens"]["longest"] if entry and entry["tokens"] else 0
        if longest and isinstance(spec, TuneSpec):
            # Rows that were tokenized are as long as they are.
            spec = replace(spec, max_length=min(spec.max_length, longest))
        launch = self.recipe.launch
        shared = sharding(self.recipe.launch, self.home.root) if stage.divides_model else ""
        parts = self.model.memory_mib(
            spec,
            sides,
            None,
            sixteen_bit=self.hardware.sixteen_bit,
            processes=launch.processes,
            sharded=shared,
        )
        state = parts["total"] - parts["activations"]
        if isinstance(spec, GrpoSpec):
            batch = spec.completions
            tokens = spec.max_length
        else:
            # A window's prompts are as long as the sampled ones, twice over.
            batch = self.recipe.bench.batch_size
            tokens = round(2 * self.lengths.prompt) + self.recipe.bench.max_new_tokens
        empty = self.model.answering_mib(0, 0, sixteen_bit=self.hardware.sixteen_bit)
        drawn = self.model.answering_mib(batch, tokens, sixteen_bit=self.hardware.sixteen_bit)
        generating = drawn - empty
        if isinstance(spec, GrpoSpec) and spec.engine == "vllm" and spec.vllm_mode == "colocate":
            share = spec.vllm_gpu_memory_utilization * (self.hardware.memory_gib or 0) * 1024
            state += round(share)
            generating = 0
        parts["generating"] = state + generating
        parts["peak"] = max(state + parts["activations"], parts["generating"])
        return parts

    def misfits(self) -> Iterator[tuple[str, str]]:
        """What does not fit the device, as (key, reason with what to do)."""
        if self.hardware.memory_gib is None:
            return
        room = self.hardware.memory_gib - SPARE_GIB
        for stage in self.recipe.chain:
            spec = self.recipe.spec_of(stage.name)
            needed = self.memory(stage, spec)["peak"] / 1024
            if needed <= room:
                continue
            yield (
                stage.name,
                f"needs about {needed:,.1f} GiB, and {self.hardware.name} has {self.hardware.memory_gib:g}: "
                f"{self._remedy(stage, spec, room)}",
            )
        bench = self.recipe.bench
        if bench.engine == "server":
            return
        if bench.engine == "vllm":
            vllm = self.recipe.vllm
            four_bit = vllm.quantization == "bitsandbytes"
            needed = self.model.answering_mib(1, 1, sixteen_bit=True, four_bit=four_bit) / 1024
            needed = needed / vllm.tensor_parallel_size + VLLM_GIB
            given = vllm.gpu_memory_utilization * self.hardware.memory_gib
            if needed > given:
                yield (
                    "vllm",
                    f"answering needs about {needed:,.1f} GiB a device, and vllm.gpu_memory_utilization leaves it {given:,.1f}: "
                    'set vllm.tensor_parallel_size, or vllm.quantization = "bitsandbytes".',
                )
            return
        tokens = round(2 * self.lengths.prompt) + bench.max_new_tokens
        needed = (
            self.model.answering_mib(
                # Batches that do not fit are halved: one prompt must fit.
                1,
                tokens,
                sixteen_bit=self.hardware.sixteen_bit,
                four_bit=bench.load_in_4bit,
            )
            / 1024
        )
        if needed > room:
            yield (
                "bench",
                f"answering needs about {needed:,.1f} GiB, and {self.hardware.name} has "
                f"{self.hardware.memory_gib:g}: set bench.load_in_4bit = true, or take a larger device.",
            )

    def _remedy(self, stage: TrainingStage, spec: StageSpec, room: float) -> str:
        """One key, or the two, that make a stage fit."""
        options: list[dict[str, Any]] = []
        if not spec.gradient_checkpointing:
            options.append({"gradient_checkpointing": True})
        if isinstance(spec, GrpoSpec):
            sizes = [n for n in (16, 8, 4, 2, 1) if n < spec.batch_size]
            options += [{"micro_batch": n} for n in sizes if spec.completions % n == 0]
        elif isinstance(spec, TuneSpec):
            parts = [n for n in (2, 4, 8, 16, 32) if spec.batch_size % n == 0]
            least = stage.smallest_batch
            options += [spec.in_smaller_batches(n) for n in parts if spec.batch_size // n >= least]
            options += [
                {"max_length": n}
                for n in (4096, 2048, 1024)
                if n < spec.max_length and n > self.lengths.prompt + self.lengths.answer
            ]
        if spec.method == "full":
            options.append({"method": "lora"})
            if isinstance(spec, TuneSpec) and not self.model.fused_experts:
                options.append({"method": "lora", "load_in_4bit": True})
        elif isinstance(spec, TuneSpec) and not spec.load_in_4bit and not self.model.fused_experts:
            options.append({"load_in_4bit": True})
        for count in (1, 2):
            for chosen in combinations(options, count):
                changes = {key: value for change in chosen for key, value in change.items()}
                if len(changes) < sum(map(len, chosen)):
                    continue
                ranks = {str(spec.lora_r)} & self.model.adapter_parameters.keys()
                if changes.get("method") == "lora" and not ranks:
                    # An adapter's size is not known; it is small beside what it saves.
                    tried = replace(
                        self.model,
                        adapter_parameters={str(spec.lora_r): self.model.parameters // 100},
                    )
                else:
                    tried = self.model
                candidate = replace(spec, **changes)
                peak = replace(self, model=tried).memory(stage, candidate)["peak"] / 1024
                if peak <= room:
                    keys = " and ".join(
                        f"{stage.name}.{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
                        for key, value in changes.items()
                        if key != "gradient_accumulation_steps"
                    ).replace("'", '"')
                    steps = changes.get("gradient_accumulation_steps")
                    kept = (
                        f" (with {stage.name}.gradient_accumulation_steps = {steps} a step keeps its rows)"
                        if steps
                        else ""
                    )
                    return f"set {keys}{kept}: {peak:,.1f} GiB."
        return "no two keys make it fit: take a smaller model or a larger device."

    def disk_gib(self) -> float:
        """What a run leaves: each stage's model, its last and best weights, full checkpoints."""
        total = 0.0
        for stage in self.recipe.chain:
            spec = self.recipe.spec_of(stage.name)
            trained = self.model.trained(spec) if spec.method == "full" else 0
            if spec.method == "lora":
                trained = self.model.adapter_parameters.get(str(spec.lora_r), 0)
            moments = 2 if spec.optimizer == "adamw" else 1
            # Weights and moments of each full checkpoint; best, final and adapter are weights.
            total += spec.save_total_limit * trained * 4 * (1 + moments) + 3 * trained * 4
            total += self.model.parameters * (2 if spec.method == "lora" else 4)
        return total / 2**30

    def disk_refusal(self) -> str | None:
        """Why the disk does not suffice; None where it does."""
        needed = self.disk_gib()
        folder = self.home.root
        free = shutil.disk_usage(folder if folder.exists() else folder.anchor).free / 2**30
        if needed <= free:
            return None
        return (
            f"a run leaves about {needed:,.1f} GiB, and {free:,.1f} are free under {folder}: free some (sentinel gc "
            "--dry-run), or lower save_total_limit."
        )
