"""A user's own rewards: how they are called, what stops them, and the exam that licenses them."""

from __future__ import annotations

import itertools
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.audit.exam import Material, examine
from sentinel_pipeline.audit.own_rewards import check_own_rewards, own_reward_exams
from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records.decode import Fault
from sentinel_pipeline.records.reward_spec import OwnReward, RewardSpec
from sentinel_pipeline.rewards import Scoring, reward_functions
from sentinel_pipeline.rewards.own import OwnRewardFunction, own_rewards, own_version
from sentinel_pipeline.sandbox.judge.zygotes import Lost, Zygote

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


def sandboxed(root: Path, source: str, function: str = "polite") -> OwnRewardFunction:
    """A reward that runs in the sandbox, with little CPU time."""
    spec = reward(root, source, function, run="sandbox")
    return OwnRewardFunction(spec, root, Scoring(RewardSpec(cpu_seconds=0.5, step_seconds=20.0)))


def test_in_the_sandbox_a_function_gets_the_columns_that_are_plain_data(tmp_path: Path) -> None:
    source = """
def seen(prompts, completions, family, **columns):
    assert sorted(columns) == ["reference"], sorted(columns)
    assert prompts == [[{"role": "user", "content": "a"}]] * 2
    completions.append("changed")
    return (len(family[0]), None)
"""
    own = sandboxed(tmp_path, source, "seen")
    prompts = [[{"role": "user", "content": "a"}]] * 2
    completions = turns("x", "y")
    values = own(
        completions,
        prompts=prompts,
        family=["ab", "ab"],
        reference=["", ""],
        trainer_state=object(),
    )
    own.close()
    assert values == [2.0, None]
    assert completions == turns("x", "y")
    again = pickle.loads(pickle.dumps(own))
    assert again(turns("x", "y"), prompts=prompts, family=["ab"], reference=[]) == [2.0, None]
    again.close()


def test_in_the_sandbox_a_module_is_never_imported_here_and_keeps_no_state(tmp_path: Path) -> None:
    source = f"""
import sys
calls = 0
def polite(completions, **_):
    global calls
    calls += 1
    try:
        open({str(tmp_path / "traces")!r}, "w")
    except OSError:
        return [float(calls)] * len(completions)
"""
    own = sandboxed(tmp_path, source)
    assert own(turns("x")) == [1.0]
    assert own(turns("x")) == [1.0]
    own.close()
    assert not (tmp_path / "traces").exists()
    assert str(own.spec.function).partition(":")[0] not in sys.modules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def polite(**_):\n    while True: pass\n", "no answer in the sandbox, timeout"),
        ("def polite(**_):\n    import os; os.kill(os.getpid(), 11)\n", "no answer in the sandbox, "),
        ("def polite(**_):\n    import os; os._exit(0)\n", "no answer in the sandbox, exit: "),
        ("def polite(**_):\n    return [0] * (1 << 32)\n", "no answer in the sandbox, memory"),
        ("def polite(**_):\n    import socket; socket.socket()\n", "PermissionError"),
        ("def polite(**_):\n    raise KeyError('x')\n", "raised KeyError: 'x' (line 2)"),
        ("def polite(**_):\n    return [float('nan')]\n", "returned nan for completion 0"),
        ("def polite(**_):\n    return [object()]\n", "returned what is not plain data"),
        ("def polite(**_):\n    return []\n", "returned 0 values for 1 completions"),
        ("import numpy\ndef polite(**_):\n    return [1.0]\n", "ModuleNotFoundError"),
        ("def polite(:\n", "syntax_error"),
        ("def rude(**_):\n    return [1.0]\n", "cannot be called: 'polite' is not defined; defined: rude"),
    ],
)  # fmt: skip
def test_a_function_that_fails_in_the_sandbox_is_refused_with_its_reason(
    tmp_path: Path, source: str, expected: str
) -> None:
    own = sandboxed(tmp_path, source)
    with pytest.raises(BadInput) as error:
        own(turns("x"))
    own.close()
    assert f"the reward 'polite' ({own.spec.function})" in str(error.value)
    assert expected in str(error.value)


def test_a_sandbox_that_is_lost_is_infrastructure_and_no_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> Any:
        raise Lost("killed")

    own = sandboxed(tmp_path, POLITE)
    assert own(turns("yes please")) == [1.0]
    own.close()
    monkeypatch.setattr(Zygote, "run", lost)
    with pytest.raises(Infrastructure, match="the sandbox lost the function 'polite': killed"):
        own(turns("yes please"))
    own.close()


def test_a_module_that_is_not_there_is_refused_before_the_sandbox_starts(tmp_path: Path) -> None:
    spec = reward(tmp_path, POLITE, run="sandbox")
    gone = replace(spec, function="nothing.of_this_name:polite")
    with pytest.raises(BadInput) as error:
        check_own_rewards([gone], tmp_path)
    assert error.value.field == "grpo.reward[0].function"
    assert "has no module 'nothing.of_this_name'" in str(error.value)


def test_a_licence_in_the_sandbox_holds_for_the_source_and_the_place(tmp_path: Path) -> None:
    spec = reward(tmp_path, POLITE, run="sandbox")
    before = own_version(spec, tmp_path)
    assert own_version(replace(spec, run="process"), tmp_path) != before
    module = tmp_path / f"{str(spec.function).partition(':')[0]}.py"
    module.write_text(POLITE + "# changed\n")
    assert own_version(spec, tmp_path) != before


def test_a_verifier_needs_no_place_to_run(tmp_path: Path) -> None:
    spec = OwnReward(
        name="colour",
        verifier='{"kind": "text_answer", "accepted": ["red"]}',
        examples="examples.jsonl",
        run="sandbox",
    )
    with pytest.raises(Fault) as fault:
        spec.require()
    assert "Leave run out" in str(vars(fault.value))
