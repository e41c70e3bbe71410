"""The evidence of the check ``eval_reward``: the weights that a GRPO run kept answer fresh prompts,
once, after they were chosen.

No window asked these prompts and nothing is chosen by them, so that the mean reward is not the best
of several looks. They are drawn as rollouts and windows are: at the rollouts' temperature and
length. An answer that was given is not given again: a killed measurement goes on from its file,
unless the weights are others. What this module does not do: choose the weights, or decide
(``gates.reward``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...critic.version import scorer_version
from ...gates.reward import KEPT_REWARD, decoding_of, weights_hash
from ...generation.engine import generate
from ...generation.loading import load_model, load_tokenizer
from ...generation.prompts import prompts_of
from ...records import Task
from ...records.task import suite_hash
from ...rewards import Scoring, reward_of, training_rows
from ...store import sha256_file, write_json
from ...store.files import whole_lines
from ...worker.interrupts import Interrupts
from ...worker.jobs import GrpoJob
from ...worker.progress import Progress
from .windows import window_tasks

ANSWERS = "kept_reward.jsonl"
"""In ``logs``: an answer a line, with the hash of the weights that gave it."""


def measure_kept(
    job: GrpoJob, step: int | None, scoring: Scoring, progress: Progress, interrupts: Interrupts
) -> dict[str, Any] | None:
    """Let ``model/`` of the finished job, the weights of ``step``, answer the fresh prompts, and
    write ``kept_reward.json``; None where the job has no such prompts.

    Raises:
        Infrastructure: the job was asked to stop, or memory does not suffice.
        GateRefused: this machine isolates less than the rewards demand.
    """
    place = job.out / KEPT_REWARD
    place.unlink(missing_ok=True)
    if job.fresh is None:
        return None
    tasks = window_tasks(job.fresh, job.spec.reward_items)
    folder = job.out / "model"
    weights = weights_hash(
        {
            path.relative_to(job.out).as_posix(): sha256_file(path)
            for path in folder.rglob("*")
            if path.is_file()
        }
    )
    answers = _answers(job, tasks, folder, weights, progress, interrupts, step or 0)
    judged = scoring.judge(
        [answers[task.id] for task in tasks],
        [row["verifier"] for row in training_rows(tasks)],
    )
    rewards = [
        None if outcome.score is None else round(reward_of(outcome.score), 6) for outcome in judged
    ]
    measured = {
        "step": step,
        "weights": weights,
        "prompts": suite_hash(task.content_hash for task in tasks),
        "decoding": decoding_of(job.spec.sampling(job.decoding)),
        "scorer_version": scorer_version(),
        "ids": [task.id for task in tasks],
        "families": [task.family for task in tasks],
        "rewards": rewards,
    }
    write_json(place, measured)
    scored = [reward for reward in rewards if reward is not None]
    mean = f"{sum(scored) / len(scored):.3f}" if scored else "not scored"
    progress.note(
        f"kept weights, {len(tasks)} fresh prompts at temperature {job.spec.temperature:g}: "
        f"mean reward {mean}"
    )
    return measured


def _answers(
    job: GrpoJob,
    tasks: list[Task],
    folder: Path,
    weights: str,
    progress: Progress,
    interrupts: Interrupts,
    step: int,
) -> dict[str, str]:
    """The completion of each task, from the file of an interrupted measurement where it has it."""
    path = job.logs / ANSWERS
    answers: dict[str, str] = {}
    if path.is_file():
        with path.open("rb") as stream:
            rows = list(map(json.loads, whole_lines(stream)))
        answers = {row["id"]: row["completion"] for row in rows if row["weights"] == weights}
    missing = [task for task in tasks if task.id not in answers]
    # Written anew, so that neither a torn line nor another checkpoint's answers stay in it.
    with path.open("w", encoding="utf-8") as stream:
        for name, completion in answers.items():
            stream.write(_line(name, completion, weights))
        if missing:
            model = load_model(folder)
            decoding = job.spec.sampling(job.decoding)
            for batch in generate(model, load_tokenizer(folder), prompts_of(missing), decoding):
                for answer in batch:
                    answers[answer.id] = answer.completion
                    stream.write(_line(answer.id, answer.completion, weights))
                stream.flush()
                progress.note(f"{len(answers)} of {len(tasks)} fresh prompts answered")
                interrupts.stop_if_asked(step)
    return answers


def _line(name: str, completion: str, weights: str) -> str:
    return json.dumps({"id": name, "completion": completion, "weights": weights}) + "\n"
