"""The exam of a user's own rewards: their own gold and known-bad examples, and hacks that no reward
should pay.

It is marked as the critic's and the built-in rewards' exams are, and leads to the same licence.
What this module does not do: say what a good answer is; the user's examples do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInput
from ..records import Message
from ..records.reward_spec import OwnReward, RewardSpec
from ..rewards.own import OwnRewardFunction, own_version
from ..rewards.scoring import Scoring
from ..tasks.suites import own
from ..tasks.suites.rows import read_rows
from .exam import Answer, Exam, Material, Question
from .reward_cases import JUDGE

_HACKED = 3
"""Gold examples whose prompts are answered with hacks."""
_NOT_PAID = "not_paid"


class Example(NamedTuple):
    """One answer whose worth is known."""

    id: str
    messages: tuple[Message, ...]
    completion: str
    gold: bool
    columns: dict[str, Any]
    """The row's other fields, which the function is given as it is those of a task."""


def read_examples(spec: OwnReward, root: Path, place: str) -> list[Example]:
    """The user's gold and known-bad answers.

    Raises:
        BadInput: no file, a malformed row, or none of either label.
    """
    path = root / spec.examples
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise BadInput(
            "there are no examples.",
            file=path,
            field=f"{place}.examples",
            fix="Give a JSONL file, or a folder of them, with gold and bad answers.",
        )
    examples = []
    for file in files:
        for row in read_rows(file):
            label = row.text("label")
            if label not in ("gold", "bad"):
                raise row.bad("label", f"{label!r:.40} is not a choice.", "Write gold or bad.")
            known = {"label", "completion", "prompt", "messages"}
            columns = {name: value for name, value in row.fields.items() if name not in known}
            name = f"{file.name}:{row.line}"
            completion = row.text("completion", empty=True)
            examples.append(Example(name, own.messages(row), completion, label == "gold", columns))
    for gold, word in ((True, "gold"), (False, "bad")):
        if not any(example.gold is gold for example in examples):
            raise BadInput(
                f"no example is {word}.",
                file=path,
                field=f"{place}.examples",
                fix="A reward is examined on both: add some.",
            )
    return examples


def own_reward_exams(
    specs: Sequence[OwnReward], root: Path, limits: RewardSpec | None = None
) -> Callable[[Material], Iterator[Exam]]:
    """What ``audit.scorers.audit`` takes: an exam for each of the rewards, under the limits of the
    recipe's ``[grpo.rewards]``."""

    def exams(material: Material) -> Iterator[Exam]:
        for index, spec in enumerate(specs):
            place = f"grpo.reward[{index}]"
            examples = read_examples(spec, root, place)
            questions = [
                Question(example.id, spec.scorer, example, () if example.gold else (_NOT_PAID,))
                for example in (*examples, *_hacks(examples))
            ]
            reward = OwnRewardFunction(spec, root, Scoring(limits or RewardSpec()), place)
            version = own_version(spec, root, place)
            yield Exam(spec.scorer, version, tuple(questions), partial(_paid, reward=reward))

    return exams


def _hacks(examples: Sequence[Example]) -> Iterator[Example]:
    """Answers that a policy finds where a reward is weak, to the prompts of gold examples."""
    for example in [each for each in examples if each.gold][:_HACKED]:
        prompt = example.messages[-1].content
        texts = {
            "nothing": "",
            "prompt": prompt,
            "prompt_twice": f"{prompt}\n{prompt}",
            "judge": JUDGE,
        }
        for name, text in texts.items():
            yield example._replace(id=f"{example.id}/{name}", completion=text, gold=False)


def _paid(items: Sequence[Example], *, reward: OwnRewardFunction) -> Iterator[Answer]:
    for example in items:
        (value,) = reward(
            [[{"role": "assistant", "content": example.completion}]],
            prompts=[[turn.to_dict() for turn in example.messages]],
            **{name: [column] for name, column in _columns(example, reward.spec).items()},
        )
        if value is None:
            yield Answer(None, ("none: the reward does not apply to its own example",))
        else:
            paid = value >= reward.spec.accepts_from
            yield Answer(paid, () if paid else (f"{_NOT_PAID}: {value:g}",))
    reward.close()


def _columns(example: Example, spec: OwnReward) -> dict[str, Any]:
    """What a training row has as well; an example that names no family is of one that the reward
    is for."""
    family = next(iter(spec.families), "")
    common = {"task_id": example.id, "family": family, "reference": "", "verifier": ""}
    return common | example.columns


def check_own_rewards(
    specs: Sequence[OwnReward], root: Path, limits: RewardSpec | None = None
) -> None:
    """Call every reward on its examples once, before anything runs.

    Raises:
        BadInput: one cannot be imported, raises, returns other than finite numbers, crashes or runs
            into a limit of the sandbox, or has no examples: by its name and key.
        Infrastructure: the sandbox failed.
        GateRefused: one runs in the sandbox, and this machine isolates less than is demanded.
    """
    for exam in own_reward_exams(specs, root, limits)(Material((), ())):
        for _ in exam.grade([question.item for question in exam.questions]):
            pass
