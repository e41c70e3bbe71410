"""A user's own rewards: how they are called, what stops them, and the exam that licenses them."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.audit.exam import Material, examine
from sentinel_pipeline.audit.own_rewards import check_own_rewards, own_reward_exams
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.reward_spec import OwnReward
from sentinel_pipeline.rewards import Scoring, reward_functions
from sentinel_pipeline.rewards.own import OwnRewardFunction, own_rewards, own_version

_NUMBERS = itertools.count()
POLITE = """
def polite(prompts, completions, **columns):
    return [1.0 if "please" in turns[-1]["content"].split() else 0.0 for turns in completions]
"""
EXAMPLES = [
    {"prompt": "Ask for salt.", "completion": "Salt, please .", "label": "gold"},
    {"prompt": "Ask for tea.", "completion": "May I have tea, please ?", "label": "gold"},
    {"prompt": "Ask for salt.", "completion": "Salt!", "label": "bad"},
]


def reward(root: Path, source: str, function: str = "polite", **fields: Any) -> OwnReward:
    """A reward whose module no other test has imported."""
    module = f"own_rewards_{next(_NUMBERS)}"
    (root / f"{module}.py").write_text(source)
    (root / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in EXAMPLES))
    return OwnReward(
        name="polite", function=f"{module}:{function}", examples="examples.jsonl", **fields
    )


def turns(*texts: str) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in texts]


def test_a_function_is_called_as_trl_calls_rewards_and_keeps_its_name(tmp_path: Path) -> None:
    source = """
def seen(prompts, completions, family, reference, trainer_state=None, **columns):
    assert prompts == [[{"role": "user", "content": "a"}]] * 2
    assert trainer_state == "state"
    return [len(family[0]) + len(reference[0]), None]
"""
    (own,) = own_rewards([reward(tmp_path, source, "seen")], tmp_path, Scoring())
    prompts = [[{"role": "user", "content": "a"}]] * 2
    values = own(
        turns("x", "y"),
        prompts=prompts,
        family=["ab", "ab"],
        reference=["abc", ""],
        trainer_state="state",
    )
    assert values == [5.0, None]
    assert own.__name__ == "polite"
    again = pickle.loads(pickle.dumps(own))
    assert (again.__name__, again.spec) == (own.__name__, own.spec)


def test_a_reward_of_some_families_says_nothing_of_others(tmp_path: Path) -> None:
    own = OwnRewardFunction(reward(tmp_path, POLITE, families=("letters",)), tmp_path)
    values = own(turns("yes please", "yes please"), family=["letters", "sums"])
    assert values == [1.0, None]


def test_a_verifier_is_a_reward_too(tmp_path: Path) -> None:
    spec = OwnReward(
        name="colour",
        verifier='{"kind": "text_answer", "accepted": ["red"]}',
        examples="examples.jsonl",
    )
    own = OwnRewardFunction(spec, tmp_path)
    assert own(turns("red", "green")) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise KeyError('x')", "raised KeyError: 'x'"),
        ("return [float('nan')] * len(completions)", "returned nan for completion 0"),
        ("return [float('inf')] * len(completions)", "returned inf for completion 0"),
        ("return []", "returned 0 values for 1 completions"),
        ("return 1.0", "returned a float for 1 completions"),
        ("return ['x'] * len(completions)", "returned str for completion 0, expected a number"),
    ],
)
def test_what_is_no_reward_stops_with_the_rewards_name(
    tmp_path: Path, body: str, expected: str
) -> None:
    spec = reward(tmp_path, f"def polite(prompts, completions, **columns):\n    {body}\n")
    with pytest.raises(BadInput) as error:
        check_own_rewards([spec], tmp_path)
    assert f"the reward 'polite' ({spec.function}) {expected}" in str(error.value)
    assert error.value.field == "grpo.reward[0]"


@pytest.mark.parametrize(
    ("source", "function", "expected"),
    [
        ("import nothing_of_this_name\n", "polite", "ModuleNotFoundError"),
        (POLITE, "rude", "has no attribute 'rude'"),
        ("polite = 3\n", "polite", "is not a function but int"),
        ("def polite(:\n", "polite", "SyntaxError"),
    ],
)
def test_a_function_that_cannot_be_had_is_refused_by_its_key(
    tmp_path: Path, source: str, function: str, expected: str
) -> None:
    with pytest.raises(BadInput) as error:
        check_own_rewards([reward(tmp_path, source, function)], tmp_path)
    assert expected in str(error.value)
    assert error.value.field == "grpo.reward[0].function"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (EXAMPLES[:2], "no example is bad"),
        (EXAMPLES[2:], "no example is gold"),
        ([{"prompt": "a", "completion": "b", "label": "good"}], "'good' is not a choice"),
    ],
)
def test_examples_of_one_kind_examine_nothing(
    tmp_path: Path, rows: list[dict[str, str]], expected: str
) -> None:
    spec = reward(tmp_path, POLITE)
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BadInput, match=expected):
        check_own_rewards([spec], tmp_path)


def refusal(root: Path, spec: OwnReward) -> str | None:
    (exam,) = own_reward_exams([spec], root)(Material((), ()))
    audited = examine(exam)
    assert audited.name == "reward:polite"
    return audited.refusal


def test_a_reward_that_tells_gold_from_bad_and_pays_no_hack_is_licensed(tmp_path: Path) -> None:
    assert refusal(tmp_path, reward(tmp_path, POLITE)) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def polite(completions, **_): return [1.0] * len(completions)\n", "known-bad answers accepted"),
        ("def polite(completions, **_): return [0.0] * len(completions)\n", "gold answers accepted"),
        (
            "def polite(completions, **_):\n"
            "    return [0.0 if t[-1]['content'] == 'Salt!' else 1.0 for t in completions]\n",
            "8 of 9 known-bad answers accepted",
        ),
        (
            "n = 0\ndef polite(completions, **_):\n    global n\n    n += 1\n    return [n % 2.0] * len(completions)\n",
            "scores changed from round to round",
        ),
    ],
)  # fmt: skip
def test_a_reward_that_pays_what_it_should_not_gets_no_licence(
    tmp_path: Path, source: str, expected: str
) -> None:
    assert expected in str(refusal(tmp_path, reward(tmp_path, source)))


def test_a_licence_holds_for_the_source_and_the_settings_that_were_examined(
    tmp_path: Path,
) -> None:
    spec = reward(tmp_path, POLITE)
    before = own_version(spec, tmp_path)
    assert own_version(spec, tmp_path) == before
    module = tmp_path / f"{str(spec.function).partition(':')[0]}.py"
    module.write_text(POLITE + "# changed\n")
    assert own_version(spec, tmp_path) != before


def test_own_rewards_may_be_weighed_by_name_and_may_not_take_a_familys_name() -> None:
    _, weights = reward_functions(["sums"], Scoring(), {"polite": 2.0}, others=["polite"])
    assert weights == [1.0, 0.0]
    with pytest.raises(BadInput, match="is the name of a task family's reward"):
        reward_functions(["sums"], Scoring(), others=["sums"])
