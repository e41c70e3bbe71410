"""What a recipe names outside of itself and a run would look for: families of tasks, suites, files
of candidates, the judge's labels, weights of rewards, engines.

``sentinel plan`` and ``sentinel run`` ask the same function, so that what one accepts the other
does. What it does not do: ask the hub or a server, or know whether a model fits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec

from ...candidates.files import places_of
from ...errors import BadInput
from ...llm_judge.licence import read_labels
from ...records.grpo_spec import GrpoSpec
from ...records.recipe import Recipe
from ...records.stages import SFT
from ...rewards.functions import reward_functions
from ...rewards.scoring import Scoring
from ...store import Home
from ...tasks.suites import ENVIRONMENT as BENCHMARKS
from ...tasks.suites import GENERATED, HELDOUT, PUBLIC, load_suite
from ...tasks.task_bank import FRESH, build, fresh_heldout
from ..loop.trackers import require_trackers

MAX_COUNTED_TASKS = 50_000
"""Of more tasks only the families' names are looked at: to make them takes minutes."""


def missing_inputs(recipe: Recipe, home: Home) -> Iterator[BadInput]:
    """Each with its key in the recipe: what a run of ``recipe`` would stop at."""
    tasks = recipe.tasks
    fresh = tasks.fresh_sizes if tasks.fresh_seed is not None else {}
    sides = [tasks.train, tasks.heldout, tasks.window, fresh]
    if sum(count for side in sides for count in side.values()) > MAX_COUNTED_TASKS:
        sides = [dict.fromkeys(side, 1) for side in sides]
    counts = tuple(tuple(side.items()) for side in sides)
    levels = tuple(tasks.levels.items())
    if reason := _bank_problem(recipe.seed, tasks.fresh_seed, counts, levels):
        yield _at("tasks", reason)
    for name in dict.fromkeys((*recipe.bench.suites, *recipe.model.probe)):
        data = home.suite_file(name, recipe.bench.data)
        is_on_hub = name in PUBLIC and data is None and not os.environ.get(BENCHMARKS)
        of_the_bank = name == HELDOUT or (name == FRESH and tasks.fresh_seed is not None)
        if of_the_bank or is_on_hub or (name in GENERATED and data is None):
            continue
        if data is not None and not data.is_file():
            problem = BadInput("there is no such file.", file=data, fix="Check the path.")
            yield _at(f"bench.data.{name}", problem)
            continue
        try:
            load_suite(name, data=data)
        except BadInput as error:
            yield _at("bench.suites", error)
    if any(stage.trains_on == SFT.trains_on for stage in recipe.chain):
        for path in recipe.candidates.files:
            try:
                places_of(path, home.root)
            except BadInput as error:
                yield _at("candidates.files", error)
    if recipe.judge.exam is not None:
        try:
            read_labels(home.root / recipe.judge.exam.labels)
        except BadInput as error:
            yield _at("judge.exam.labels", error)
    for stage in recipe.chain:
        spec = recipe.spec_of(stage.name)
        if not isinstance(spec, GrpoSpec):
            continue
        families = [name for name, count in tasks.train.items() if count]
        own = [reward.name for reward in spec.reward]
        # Families of the recipe's own sources are not known before they are read.
        weights = {} if tasks.source else spec.weights
        try:
            reward_functions(families, Scoring(spec.rewards), weights, others=own)
        except BadInput as error:
            yield error
        if spec.engine == "vllm" and find_spec("vllm") is None:
            yield _vllm(f"{stage.name}.engine")
    if recipe.bench.engine == "vllm" and find_spec("vllm") is None:
        yield _vllm("bench.engine")
    try:
        require_trackers(recipe.report_to)
    except BadInput as error:
        yield error
    engines = {
        "candidates": recipe.candidates.engine,
        "critic": recipe.critic.engine,
        "mix": recipe.mix.engine,
    }
    for name, engine in engines.items():
        if engine != "ray":
            continue
        if find_spec("ray") is None:
            fix = "Install the extra: pip install 'sentinel-pipeline[ray]'."
            yield BadInput("Ray is not installed.", field=f"{name}.engine", fix=fix)
        elif not os.environ.get("RAY_ADDRESS"):
            fix = "Set RAY_ADDRESS to one, or to auto for one on this machine."
            yield BadInput("no Ray cluster is named.", field=f"{name}.engine", fix=fix)


def _at(key: str, error: BadInput) -> BadInput:
    """The same fault under the recipe's key."""
    return BadInput(str(error), field=key)


def _vllm(key: str) -> BadInput:
    fix = "Install the extra gpu (pip install 'sentinel-pipeline[gpu]'), or say transformers."
    return BadInput("vLLM is not installed.", field=key, fix=fix)


Counts = tuple[tuple[str, int], ...]


@lru_cache(maxsize=32)
def _bank_problem(
    seed: int,
    fresh_seed: int | None,
    sides: tuple[Counts, ...],
    levels: tuple[tuple[str, tuple[int, int]], ...],
) -> BadInput | None:
    """Whether the families have so many different prompts; only making them tells."""
    try:
        train, heldout, window, fresh = map(dict, sides)
        bank = build(seed, train, heldout, window, dict(levels))
        if fresh_seed is not None:
            fresh_heldout(fresh_seed, fresh, bank, dict(levels))
    except BadInput as error:
        return error
    return None
