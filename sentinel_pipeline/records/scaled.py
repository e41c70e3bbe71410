"""A recipe shrunk to the embedded model: the same stages, suites, gates and checks, small numbers,
so that a plan is seen to work before it is paid for (``--scale tiny``).

Works on the parsed TOML of a valid recipe. The rules, which hold for every recipe:

- The model is the embedded one, of as many layers as the recipe's freezing names, with experts
  where it names some; several candidates become this one, and what one of them would have taught is
  left out. The peers of a gap proof are embedded, too.
- Counts of tasks, rows, steps, items and tokens are bounded; proportions between families stay.
  Steps at which something happens (windows, gates, thawing) fall within the few that are left.
- Nothing is fetched, served, billed or run elsewhere: data sets of the hub, files and suites that
  are not on this machine, judges behind an address, vLLM, servers, Ray, several processes and
  trackers are left out. A suite that only a judge can score is asked as its twin that programs
  score.
- Every gate is decided by the bar that the recipe sets. Those that ask a trained model for ability
  only warn, and a decision point after training that would stop says so and goes on: a model
  without ability passes none of them. Gates and points before training stop as they always do.
- The result has a name of its own (``RECIPE-tiny``), says whose it is (``scaled_from``), is never
  nightly, and is never released.

What this module does not do: know which files are on this machine (``cli.scaled`` does), or write
anything.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from .chain import read_stages
from .gap_spec import PeerModel
from .stages import BASE, DPO, GRPO, SFT, TRAINING_STAGES, gates_of_stage, stage_named

SCALES = ("tiny",)
_MODEL = {
    "hidden": 32, "layers": 2, "heads": 2, "intermediate": 96, "vocabulary": 512, "context": 2048,
    "pretrain_steps": 4, "pretrain_batch": 4, "warmup_steps": 1,
}  # fmt: skip
_TASKS = {"train": (160, 16), "heldout": (30, 3), "fresh": (30, 3), "window": (10, 2)}
"""Most tasks of a side, and the least of a family that has some."""
_STEPS = {SFT.name: 12}
"""Steps of a stage; of any other stage six."""
_FEW_STEPS = 6
_ITEMS = 30
"""Of each suite: with fewer, no base model can be shown to fail most of them."""
_TWINS = {"conversations_judged": "conversations"}
"""Suites that only a judge can score, and the same items scored by programs."""
_LAYER = re.compile(r"layers\.(\d+)\.")


class Scaled(NamedTuple):
    """A shrunk recipe, as TOML would be parsed, and what was left out of it, for people."""

    data: dict[str, Any]
    left_out: list[str]


def scaled_name(name: str, scale: str) -> str:
    """What a recipe is called at a scale."""
    return f"{name}-{scale}"


def shrink(data: Mapping[str, Any], name: str, absent: Collection[str]) -> Scaled:
    """The recipe at scale ``tiny``.

    Args:
        data: the parsed TOML of a valid recipe.
        name: the recipe's name.
        absent: suites whose files, and paths or data sets whose rows, are not on this machine, as
            the recipe names them.
    """
    small: dict[str, Any] = copy.deepcopy(dict(data))
    left_out: list[str] = []
    stages = read_stages(small, Path(f"{name}.toml"))
    for key in ("name", "nightly", "vllm", "server", "launch", "report_to"):
        if small.pop(key, None) is not None and key in ("vllm", "server", "launch", "report_to"):
            left_out.append(f"[{key}]")
    small["scaled_from"] = name
    small["description"] = (
        f"{name} at scale tiny: its stages, suites, gates and checks with a model of no ability. "
        "Its numbers say that the plan runs, and nothing else."
    )
    _shrink_model(small, stages, left_out)
    _shrink_tasks(small, absent, left_out)
    _shrink_candidates(small, absent, left_out)
    for stage in stages:
        section = small.setdefault(stage, {})
        if stage == GRPO.name:
            _shrink_grpo(section)
        else:
            _shrink_tuning(section, _STEPS.get(stage, _FEW_STEPS))
        if any(each.name == "answers" for each in fields(stage_named(stage).spec)):
            section["answers"] = {"max_per_class": 40, "min_per_class": 4}
    if DPO.name in stages:
        pairs = small.setdefault("pairs", {})
        pairs |= {"prompts": 20, "samples": 2, "min_pairs": 4, "max_shares": {}, "margin": 0.5}
        # A model of no ability accepts none of its own answers: the references are the chosen side.
        pairs |= {"reference": True, "min_accepted": 0.0, "ranked_by": "critic"}
    _shrink_judge(small, left_out)
    _shrink_suites(small, absent, left_out)
    _loosen(small, stages)
    _shrink_gap_proof(small)
    budget = small.get("budget", {})
    for key in ("device", "device_memory_gib", "device_tflops", "hourly_rate", "max_cost"):
        budget.pop(key, None)
    return Scaled(small, left_out)


def _shrink_model(small: dict[str, Any], stages: Collection[str], left_out: list[str]) -> None:
    model = small.pop("model", {})
    source = model.get("source", "embedded")
    patterns = " ".join(
        pattern
        for stage in stages
        for freezing in small.get(stage, {}).get("stages", ())
        for pattern in (*freezing.get("train", ()), *freezing.get("freeze", ()))
    )
    embedded = dict(_MODEL)
    layers = [int(number) + 1 for number in _LAYER.findall(patterns)]
    embedded["layers"] = max([_MODEL["layers"], *layers])
    if "expert" in patterns or model.get("embedded", {}).get("experts"):
        embedded |= {"experts": 4, "experts_per_token": 2}
    small["model"] = {"source": "embedded", "embedded": embedded}
    if "capable_because" in model:
        small["model"]["capable_because"] = model["capable_because"]
    if source != "embedded":
        names = [candidate["source"] for candidate in model.get("candidates", ())] or [source]
        left_out.append(f"the weights of {' and '.join(names)}: the embedded model stands in")
    if small.get(SFT.name, {}).pop("distillation", None) is not None:
        left_out.append("[sft.distillation]: there is no second model to teach")


def _shrink_tasks(small: dict[str, Any], absent: Collection[str], left_out: list[str]) -> None:
    tasks = small.setdefault("tasks", {})
    for side, (most, least) in _TASKS.items():
        if side in tasks:
            tasks[side] = _fewer(tasks[side], most, least)
    sources = []
    for source in tasks.pop("source", ()):
        places = [source.get(key) for key in ("file", "hub", "database", "train", "heldout")]
        if "hub" in source or any(place in absent for place in places if place):
            left_out.append(f"tasks of {next(place for place in places if place)}")
            continue
        sources.append(source | {"limit": min(source.get("limit", 200), 200)})
    if sources:
        tasks["source"] = sources


def _fewer(counts: Mapping[str, int], most: int, least: int) -> dict[str, int]:
    """At most ``most`` in all, in the same proportions; of a family that has some, ``least`` where
    there are so many."""
    total = sum(counts.values())
    if total <= most:
        return dict(counts)
    return {
        name: min(count, max(least, count * most // total)) if count else 0
        for name, count in counts.items()
    }


def _shrink_candidates(small: dict[str, Any], absent: Collection[str], left_out: list[str]) -> None:
    candidates = small.setdefault("candidates", {})
    candidates.pop("engine", None)
    left_out += [f"the rows of {name}" for name in candidates.get("files", ()) if name in absent]
    left_out += [f"the rows of {source['name']}" for source in candidates.pop("hub", ())]
    if "files" in candidates:
        candidates["files"] = [name for name in candidates["files"] if name not in absent]
    if "self_generated" in candidates:
        # One round of attempts; a model of no ability gets none accepted, which is said.
        candidates["self_generated"] |= {
            "rows": 2, "attempts": 16.0, "instruction_tokens": 16, "response_tokens": 24,
            "conversation_tokens": 24,
        }  # fmt: skip
    critic = small.setdefault("critic", {})
    critic.pop("engine", None)
    if critic.get("self_repair"):
        critic["self_repair"] = 8
    mix = small.setdefault("mix", {})
    for key in ("engine", "size", "unit", "source_caps", "category_caps"):
        mix.pop(key, None)


def _shrink_tuning(section: dict[str, Any], steps: int) -> None:
    """A stage that trains on rows, in so many steps."""
    section["max_steps"] = min(section.get("max_steps", steps), steps)
    for key, most in (
        ("batch_size", 4), ("gradient_accumulation_steps", 2), ("warmup_steps", 2),
        ("save_steps", steps // 2), ("max_length", 512), ("lora_r", 8), ("lora_alpha", 16),
    ):  # fmt: skip
        section[key] = min(section.get(key, most), most)
    # Twelve steps take as many passes over few rows as they need.
    section["num_train_epochs"] = max(float(section.get("num_train_epochs", 1.0)), 1.0)
    section.pop("load_in_4bit", None)
    for at, freezing in enumerate(section.get("stages", ())):
        freezing["from_step"] = at * 4
    windows = section.setdefault("windows", {})
    windows |= {"eval_steps": steps // 2, "eval_items": 4}
    if windows.get("early_stop_step"):
        windows["early_stop_step"] = steps
    if windows.get("gate_step"):
        windows["gate_step"] = steps
    windows.pop("suite", None)


def _shrink_grpo(section: dict[str, Any]) -> None:
    for key in ("vllm_mode", "vllm_server_base_url", "engine", "micro_batch", "load_in_4bit"):
        section.pop(key, None)
    section |= {
        "max_steps": 2, "prompts": 12, "prompts_per_step": 2, "num_generations": 2,
        "max_prompt_length": 512, "max_completion_length": 16, "eval_steps": 2, "eval_items": 4,
        "save_steps": 2,
    }  # fmt: skip
    if section.get("curriculum_samples"):
        section["curriculum_samples"] = 2
    for key, most in (("lora_r", 8), ("lora_alpha", 16)):
        section[key] = min(section.get(key, most), most)


def _shrink_judge(small: dict[str, Any], left_out: list[str]) -> None:
    judge = small.get("judge", {})
    for key in ("model", "exam"):
        if judge.pop(key, None) is not None:
            left_out.append(f"[judge.{key}]: nobody is asked who has to be paid")


def _shrink_suites(small: dict[str, Any], absent: Collection[str], left_out: list[str]) -> None:
    """Suites of this machine; a gate, a decision or a proof about another one is about the first
    that is left, and a gate of the recipe's own about another one is off."""
    bench = small.setdefault("bench", {})
    suites = [_TWINS.get(name, name) for name in bench.get("suites", ("heldout", "smoke"))]
    left_out += [f"suite {name}" for name in suites if name in absent]
    suites = list(dict.fromkeys(name for name in suites if name not in absent)) or ["heldout"]
    left_out += [f"the judge of {name}: programs score it" for name in _TWINS
                 if name in bench.get("suites", ())]  # fmt: skip
    instead = "heldout" if "heldout" in suites else suites[0]

    def known(suite: str) -> str:
        twin = _TWINS.get(suite, suite)
        return twin if twin in suites else instead

    bench["suites"] = suites
    for key in ("engine", "load_in_4bit"):
        bench.pop(key, None)
    bench["max_new_tokens"] = min(bench.get("max_new_tokens", 24), 24)
    bench["batch_size"] = min(bench.get("batch_size", 32), 32)
    bench["limit"] = min(bench.get("limit") or _ITEMS, _ITEMS)
    if "samples" in bench:
        bench["samples"] = min(bench["samples"], 2)
    if "gate_suite" in bench:
        bench["gate_suite"] = known(bench["gate_suite"])
    if "data" in bench:
        bench["data"] = {name: path for name, path in bench["data"].items() if name in suites}
    optional = small.get("budget", {}).get("optional")
    if optional:
        small["budget"]["optional"] = [
            unit for unit in optional if unit.removeprefix("suite:") not in absent
        ]
    defaults = {name for stage in (BASE, *_STAGES) for name in gates_of_stage(stage)}
    for name, gate in small.get("gates", {}).items():
        suite = gate.get("suite", instead)
        if name not in defaults and suite in absent:
            gate["severity"] = "off"
        if "suite" in gate and suite not in bench.get("where_present", {}):
            gate["suite"] = known(suite)
    for point in small.get("decisions", ()):
        if point.get("evidence", "report") == "report":
            point["suite"] = known(point.get("suite", "heldout"))
    if "gap_proof" in small:
        small["gap_proof"]["suite"] = known(small["gap_proof"].get("suite", "heldout"))


_STAGES = tuple(stage.name for stage in TRAINING_STAGES)


def _loosen(small: dict[str, Any], stages: Collection[str]) -> None:
    """What asks a trained model for ability is decided by its own bar, and only warns."""
    gates = small.setdefault("gates", {})
    for stage in stages:
        for name in gates_of_stage(stage):
            gates.setdefault(name, {})
    base = gates_of_stage(BASE)
    for name, gate in gates.items():
        trained = name not in base and gate.get("stage", SFT.name) != BASE
        if trained and gate.get("severity", "block") == "block":
            gate["severity"] = "warn"
    fences = small.setdefault("fences", {})
    fences |= {"shares_are_met": "warn", "eval_reward": "warn", "watch_rules": "warn"}
    for point in small.get("decisions", ()):
        if point["stage"] == BASE or point.get("evidence", "report") != "report":
            continue
        for rule in point.get("rules", ()):
            if rule["action"] in ("investigate", "stop"):
                rule["why"] = f"at full scale the run would {rule['action']} here: {rule['why']}"
                rule["action"] = "continue"
    # Which gates promote says the recipe itself: this one promotes nothing.
    small.get("release", {}).pop("gates", None)


def _shrink_gap_proof(small: dict[str, Any]) -> None:
    proof = small.get("gap_proof")
    if proof is None:
        return
    proof["conversations"] = 4
    families = [name for name, count in small["tasks"].get("train", {}).items() if count][:2]
    taken = {int(small.get("seed", 17))}
    for place, (peer, layers) in enumerate((("instruct", 2), ("alternative", 3))):
        before = proof.get(peer, {})
        seed = int(before.get("seed", PeerModel().seed + place))
        while seed in taken:
            seed += 1
        taken.add(seed)
        model = {"source": "embedded", "embedded": _MODEL | {"layers": layers}}
        proof[peer] = {"model": model, "seed": seed}
        if peer == "instruct":
            proof[peer]["train"] = dict.fromkeys(families or ["chat"], 40)
            sft: dict[str, Any] = {}
            _shrink_tuning(sft, _STEPS[SFT.name])
            proof[peer][SFT.name] = sft
