"""The generated suites and further published formats: gold passes, wrong answers fail, files are
read strictly."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.audit.suites import audit_suite, load_audited
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Constraints, JudgedAnswer, PatchApplies, ShellEffect, Task
from sentinel_pipeline.records.conversation import conversation_of, needs
from sentinel_pipeline.tasks.suites import GENERATED, SUITES, first_items, load_suite


def outcomes(tasks: list[Task], answer: str) -> Counter[str]:
    return Counter(
        one.outcome for one in score(Scorable(t.id, t.messages, answer, t.verifier) for t in tasks)
    )


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_a_generated_suite_is_always_the_same_and_its_gold_answers_pass(name: str) -> None:
    tasks = load_suite(name)
    audit = audit_suite(tasks)
    assert tasks == load_suite(name) and name in SUITES
    gold = sum(bool(task.reference) for task in tasks)
    assert (audit.gold, audit.failed, audit.infra) == (gold, (), ())
    assert gold == (0 if name == "conversations_judged" else len(tasks))
    assert all(Task.from_row(task.to_row()) == task for task in tasks)


@pytest.mark.parametrize("name", sorted(GENERATED.keys() - {"safety_probe"}))
def test_a_wrong_answer_fails_everywhere(name: str) -> None:
    tasks = load_suite(name)
    for answer in ("I do not know.", "{}", ""):
        assert outcomes(tasks, answer)["pass"] == 0


def test_the_unchanged_file_passes_no_diff_and_no_prompt_shows_a_test() -> None:
    tasks = load_suite("diffs")
    assert len(tasks) == 60
    for task in tasks:
        assert isinstance(task.verifier, PatchApplies)
        assert not any(
            line in task.messages[0].content for line in task.verifier.tests.splitlines()
        )
    unchanged = [
        f"--- a/{path}\n+++ b/{path}\n@@ -1,1 +1,1 @@\n-{text.splitlines()[0]}\n+{text.splitlines()[0]}\n"
        for task in tasks
        if isinstance(task.verifier, PatchApplies)
        for path, text in task.verifier.files.items()
    ]
    items = [
        Scorable(t.id, t.messages, diff, t.verifier)
        for t, diff in zip(tasks, unchanged, strict=True)
    ]
    assert {one.outcome for one in score(items)} == {"fail"}


def test_the_safety_probe_fails_secrets_boilerplate_and_refusals_and_nothing_else() -> None:
    tasks = load_suite("safety_probe")
    key = "-----BEGIN " + "OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----"
    assert outcomes(tasks, "A plain answer.")["pass"] == len(tasks) == 24
    for bad in (
        key,
        "Use hf_" + "aB3xQ9zLmN7pRt2KvW8sYd4GhJ6cFe",
        "As an AI, I hope this helps.",
        "I cannot do that.",
    ):
        assert outcomes(tasks, bad)["fail"] == len(tasks)


def test_the_format_probe_asks_for_a_clean_stop() -> None:
    tasks = load_suite("format_probe")
    cut = [Scorable(t.id, t.messages, t.reference, t.verifier, stopped=False) for t in tasks]
    assert {one.reason.partition(":")[0] for one in score(cut)} == {"no_stop"}


def test_the_sentinels_are_raw_and_their_patterns_count_by_the_first_line() -> None:
    tasks = load_suite("sentinels")
    assert Counter(t.family for t in tasks) == dict.fromkeys(
        ("translation", "list", "json", "structure", "pattern"), 10
    )
    patterns = [t for t in tasks if t.family == "pattern"]
    rambling = [
        Scorable(t.id, t.messages, f"{t.reference}\nand so it goes on", t.verifier)
        for t in patterns
    ]
    assert all(one.outcome == "pass" for one in score(rambling))
    asked = [t for t in tasks if t.family != "pattern"]
    rambling = [
        Scorable(t.id, t.messages, f"{t.reference}\nTranslate 'tree' to Dutch.", t.verifier)
        for t in asked
    ]
    assert all(one.outcome == "fail" for one in score(rambling))


# -- conversations ---------------------------------------------------------------------------------


def test_two_hundred_conversations_of_three_to_five_turns_in_four_categories() -> None:
    tasks = load_suite("conversations")
    turns = Counter(conversation_of(task.id) for task in tasks)
    assert len(turns) == 200 and set(turns.values()) == {3, 4, 5}
    assert Counter(name.split("/")[1].split("-")[0] for name in turns) == dict.fromkeys(
        ("memory", "preferences", "topic", "updates"), 50
    )
    said = {
        conversation_of(t.id): tuple(m.content for m in t.messages if m.role == "user")
        for t in tasks
    }
    assert len(set(said.values())) == 200, "no two conversations are equal"


def test_the_judged_conversations_are_the_same_ones_for_a_judge() -> None:
    programs = load_suite("conversations")
    judged = load_suite("conversations_judged")
    assert len(judged) == len(programs)
    for task, other in zip(judged, programs, strict=True):
        assert task.id == other.id.replace("conversations", "conversations_judged")
        said = [message.content for message in task.messages if message.role == "user"]
        assert said == [message.content for message in other.messages if message.role == "user"]
        assert needs(task.messages) == [
            name.replace("conversations", "conversations_judged") for name in needs(other.messages)
        ]
        assert isinstance(task.verifier, JudgedAnswer) and not task.reference
    assert outcomes(judged[:8], "Any answer.") == {"infra": 8}, "no judge, so no score"


def test_every_turn_holds_the_models_own_earlier_answers_and_expects_something() -> None:
    for task in load_suite("conversations"):
        turn = int(task.id.rpartition("#")[2])
        assert needs(task.messages) == [
            f"{conversation_of(task.id)}#{before}" for before in range(1, turn)
        ]
        assert [message.role for message in task.messages] == ["user", "assistant"] * (turn - 1) + [
            "user"
        ]
        assert isinstance(task.verifier, Constraints) and task.verifier.instructions


def test_repeating_the_last_request_remembers_nothing() -> None:
    """What a later turn of a memory conversation expects does not stand in its own last request."""
    last = {
        conversation_of(t.id): t
        for t in load_suite("conversations")
        if t.family in ("memory", "topic")
    }
    items = [
        Scorable(t.id, t.messages, t.messages[-1].content, t.verifier)
        for t in last.values()
        if t.family == "memory"
    ]
    assert {one.outcome for one in score(items)} == {"fail"}


def test_a_limit_takes_each_family_by_its_share_and_never_cuts_a_conversation() -> None:
    tasks = load_suite("conversations")
    for limit, each in ((30, [8, 8, 7, 7]), (40, [10] * 4), (3, [1, 1, 1, 0])):
        kept = first_items(tasks, limit)
        names = list(dict.fromkeys(conversation_of(task.id) for task in kept))
        families = Counter(name.split("/")[1].split("-")[0] for name in names)
        assert [families[name] for name in ("memory", "preferences", "topic", "updates")] == each
        assert kept == [task for task in tasks if conversation_of(task.id) in set(names)]
    assert first_items(tasks, None) == tasks == first_items(tasks, 1000)


def test_a_limit_of_a_suite_with_one_family_takes_its_first_items() -> None:
    tasks = [replace(task, family="all") for task in load_suite("smoke")]
    assert first_items(tasks, 3) == tasks[:3]


# -- targets after conversation --------------------------------------------------------------------


def test_half_of_the_system_prompts_are_pushed_against_and_giving_in_fails() -> None:
    tasks = load_suite("system_prompts")
    assert Counter(task.family for task in tasks) == {"form": 20, "persona": 20, "limits": 20}
    assert all([m.role for m in task.messages] == ["system", "user"] for task in tasks)
    limits = [task for task in tasks if task.family == "limits"]
    poem = "Here is a poem, as you wish: roses are red."
    items = [Scorable(t.id, t.messages, poem, t.verifier) for t in limits]
    assert {row.outcome for row in score(items)} == {"fail"}
    echoed = [Scorable(t.id, t.messages, t.messages[-1].content, t.verifier) for t in tasks]
    assert sum(row.outcome == "pass" for row in score(echoed)) == 0


def test_a_table_with_two_rows_swapped_or_one_count_changed_fails() -> None:
    for task in load_suite("tables"):
        if task.family == "json":
            rows = json.loads(task.reference)
            wrong = [json.dumps(rows[::-1]), json.dumps(rows[:-1])]
        else:
            lines = task.reference.splitlines()
            swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
            wrong = ["\n".join(swapped), "\n".join(lines[:-1]), "Here it is:\n" + task.reference]
        items = [Scorable(task.id, task.messages, text, task.verifier) for text in wrong]
        assert {row.outcome for row in score(items)} == {"fail"}, task.id


def test_a_long_text_with_one_line_changed_dropped_or_repeated_fails() -> None:
    for task in load_suite("long_form"):
        lines = task.reference.splitlines()
        middle = len(lines) // 2
        _, _, rest = lines[middle].partition(" ")
        wrong = [
            "\n".join([*lines[:middle], f"{middle + 1}. Nothing happened.", *lines[middle + 1 :]]),
            "\n".join(lines[:-1]),
            "\n".join([*lines[: middle + 1], f"{middle + 2}. {rest}", *lines[middle + 2 :]]),
        ]
        items = [Scorable(task.id, task.messages, text, task.verifier) for text in wrong]
        assert {row.outcome for row in score(items)} == {"fail"}, task.id


# -- published formats -----------------------------------------------------------------------------


def test_nl2bash_gold_commands_pass_by_their_own_effect_and_doing_nothing_fails(
    benchmarks_dir: Path,
) -> None:
    tasks = load_suite("nl2bash", data=benchmarks_dir / "intercode" / "nl2bash_fs_1.json")
    audit = audit_suite(tasks)
    assert len(tasks) == 46 and (audit.failed, audit.infra) == ((), ())
    assert outcomes(tasks, "true")["pass"] == 0
    assert outcomes(tasks, "cat testbed/*.txt")["pass"] == 0
    assert not any("/testbed" in t.messages[0].content.replace("testbed/", "") for t in tasks)


def test_another_command_of_the_same_effect_passes(tmp_path: Path) -> None:
    rows = [
        {
            "query": "Count the lines of b.txt.",
            "gold": "wc -l < b.txt",
            "files": {"b.txt": "1\n2\n"},
        }
    ]
    (tmp_path / "mine.json").write_text(json.dumps(rows))
    tasks = load_suite("nl2bash", data=tmp_path / "mine.json")
    assert isinstance(tasks[0].verifier, ShellEffect) and tasks[0].verifier.files == {
        "b.txt": "1\n2\n"
    }
    assert outcomes(tasks, "grep -c '' b.txt")["pass"] == 1
    assert outcomes(tasks, "grep -c '' b.txt; touch c")["fail"] == 1
    assert outcomes(tasks, "echo 3")["fail"] == 1


def test_a_gold_command_that_does_not_end_is_no_score(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(
        json.dumps({"query": "Wait.", "gold": "while :; do :; done", "files": {}}) + "\n"
    )
    assert outcomes(load_suite("nl2bash", data=tmp_path / "mine.jsonl"), "true") == {"infra": 1}


def bfcl_files(folder: Path, question: dict[str, Any], answer: dict[str, Any]) -> Path:
    (folder / "possible_answer").mkdir()
    (folder / "possible_answer" / "BFCL_v4_parallel.json").write_text(json.dumps(answer) + "\n")
    (folder / "BFCL_v4_parallel.json").write_text(json.dumps(question) + "\n")
    return folder / "BFCL_v4_parallel.json"


QUESTION: dict[str, Any] = {
    "id": "parallel_0",
    "question": [[{"role": "user", "content": "Play Rain for 20 minutes and Sun for 15."}]],
    "function": [
        {
            "name": "play",
            "parameters": {
                "type": "dict",
                "properties": {"song": {"type": "string"}, "minutes": {"type": "integer"}},
                "required": ["song", "minutes"],
            },
        }
    ],
}
ANSWER = {
    "id": "parallel_0",
    "ground_truth": [
        {"play": {"song": ["Rain"], "minutes": [20]}},
        {"play": {"song": ["Sun"], "minutes": [15]}},
    ],
}


def test_bfcl_parallel_calls_are_read_with_the_answers_of_the_repositorys_layout(
    tmp_path: Path,
) -> None:
    tasks = load_suite("bfcl", data=bfcl_files(tmp_path, QUESTION, ANSWER))
    assert (tasks[0].family, tasks[0].messages[-1].content) == (
        "parallel",
        QUESTION["question"][0][0]["content"],
    )
    assert outcomes(tasks, tasks[0].reference)["pass"] == 1
    assert outcomes(tasks, json.dumps(json.loads(tasks[0].reference)[::-1]))["pass"] == 1
    assert outcomes(tasks, json.dumps(json.loads(tasks[0].reference)[:1]))["fail"] == 1


BAD_BFCL: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"function": []}, {}, "field 'function': functions: expected a non-empty list"),
    ({"question": [[], []]}, {}, "field 'question': expected a list of one exchange"),
    ({"question": [[{"role": "assistant", "content": "x"}]]}, {}, "must end with a user turn"),
    ({}, {"id": "parallel_1"}, "'parallel_0' has no answer in BFCL_v4_parallel.json"),
    ({}, {"ground_truth": [{"stop": {}}]}, "field 'ground_truth': expected: calls 'stop'"),
]


@pytest.mark.parametrize(("question", "answer", "message"), BAD_BFCL, ids=range(len(BAD_BFCL)))
def test_a_malformed_bfcl_row_names_file_line_and_field(
    tmp_path: Path, question: dict[str, Any], answer: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        load_suite("bfcl", data=bfcl_files(tmp_path, QUESTION | question, ANSWER | answer))
    assert caught.value.line == 1


def test_bfcl_without_answers_says_where_they_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text(json.dumps(QUESTION))
    with pytest.raises(
        BadInput,
        match=r"has no answers beside it. Put them at q\.answer\.json or possible_answer/q\.json",
    ):
        load_suite("bfcl", data=tmp_path / "q.json")


IFEVAL = {
    "key": 1000,
    "prompt": "Write two sentences without commas.",
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_sentences"],
    "kwargs": [
        {"num_words": None},
        {"relation": "at least", "num_sentences": 2.0, "language": None},
    ],
}


def test_ifeval_rows_are_read_with_nulls_and_whole_floats(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text(json.dumps(IFEVAL) + "\n")
    tasks = load_suite("ifeval", data=tmp_path / "i.jsonl")
    assert (tasks[0].id, tasks[0].family) == ("IFEval/1000", "punctuation")
    assert outcomes(tasks, "One is here. Two is there.")["pass"] == 1
    assert outcomes(tasks, "One, or two. Three.")["fail"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kwargs": [{}]}, "field 'instruction_id_list': arguments: expected 2 objects, got 1"),
        (
            {"instruction_id_list": ["punctuation:none", "startend:quotation"]},
            "unknown instruction 'punctuation:none'",
        ),
        ({"kwargs": None}, "field 'kwargs': expected a list of objects"),
        ({"key": None}, "field 'key': expected a number or text"),
    ],
)
def test_a_malformed_ifeval_row_names_its_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    (tmp_path / "i.jsonl").write_text(json.dumps(IFEVAL | change) + "\n")
    with pytest.raises(BadInput, match=re.escape(message)):
        load_suite("ifeval", data=tmp_path / "i.jsonl")


PLUS = {
    "task_id": "HumanEval/0",
    "prompt": 'def half(x):\n    """Half."""\n',
    "canonical_solution": "    return x / 2\n",
    "entry_point": "half",
    "base_input": [[4]],
    "plus_input": [[0], [-3]],
    "atol": 0,
}


def test_the_plus_versions_are_suites(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text(json.dumps(PLUS) + "\n")
    tasks = load_suite("humaneval_plus", data=tmp_path / "h.jsonl")
    assert outcomes(tasks, tasks[0].reference)["pass"] == 1
    assert outcomes(tasks, "    return abs(x) / 2\n")["fail"] == 1, "only a plus input tells"
    release = PLUS | {
        "task_id": "Mbpp/2",
        "prompt": '"""\nWrite a function to halve.\nassert half(4) == 2\n"""\n',
        "canonical_solution": "\ndef half(x):\n    return x / 2\n",
    }
    (tmp_path / "m.jsonl").write_text(json.dumps(release) + "\n")
    tasks = load_suite("mbpp_plus", data=tmp_path / "m.jsonl")
    assert tasks[0].messages[0].content == "Write a function to halve.\nName the function half."
    assert outcomes(tasks, tasks[0].reference)["pass"] == 1


# -- a user's own suite ----------------------------------------------------------------------------

OWN: list[dict[str, Any]] = [
    {
        "task_id": "call",
        "prompt": "Cancel 3.",
        "verifier": {
            "kind": "function_calls",
            "functions": json.dumps([{"name": "cancel", "parameters": {"properties": {"id": {}}}}]),
            "expected": '[{"cancel": {"id": [3]}}]',
        },
        "reference": '{"name": "cancel", "arguments": {"id": 3}}',
    },
    {
        "task_id": "talk#1",
        "prompt": "I am Ann. Who am I?",
        "verifier": {
            "kind": "constraints",
            "instructions": ["fact:holds"],
            "arguments": '[{"words": ["Ann"]}]',
            "clean_stop": True,
        },
        "reference": "You are Ann.",
    },
    {
        "task_id": "talk#2",
        "messages": [
            {"role": "user", "content": "I am Ann. Who am I?"},
            {"role": "assistant", "content": "{answer:talk#1}"},
            {"role": "user", "content": "Say it again."},
        ],
        "verifier": {"kind": "text_answer", "must_contain": ["Ann"]},
        "reference": "Ann.",
    },
    {
        "prompt": "List the files.",
        "verifier": {"kind": "shell_effect", "files": {"a": ""}, "gold": "ls"},
        "reference": "echo a",
    },
]


def own(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_own_suite_may_use_every_kind_and_is_audited(tmp_path: Path) -> None:
    tasks = load_audited("mine", own(tmp_path, *OWN))
    assert [task.category for task in tasks] == [
        "tool_use",
        "general_chat",
        "general_chat",
        "devops",
    ]
    assert needs(tasks[2].messages) == ["talk#1"]


def test_an_own_suite_whose_reference_fails_is_refused_by_name(tmp_path: Path) -> None:
    wrong = OWN[0] | {"reference": '{"name": "cancel", "arguments": {"id": 4}}'}
    with pytest.raises(
        BadInput, match=r'1 of 4 references do not pass.*call: call_value: "id" is 4'
    ) as caught:
        load_audited("mine", own(tmp_path, wrong, *OWN[1:]))
    assert caught.value.field == "reference"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"verifier": {"kind": "constraints", "instructions": ["form:none"]}},
            "unknown instruction 'form:none'",
        ),
        (
            {
                "verifier": {
                    "kind": "constraints",
                    "instructions": ["form:csv"],
                    "arguments": "[{}]",
                }
            },
            "takes fields, lines",
        ),
        (
            {"verifier": {"kind": "constraints", "instructions": "form:csv"}},
            "instructions: expected list, got str",
        ),
        (
            {
                "verifier": {
                    "kind": "constraints",
                    "instructions": ["form:one_word"],
                    "clean_stop": 1,
                }
            },
            "clean_stop: expected bool, got ",
        ),
        (
            {"verifier": {"kind": "function_calls", "functions": "[]", "expected": "[]"}},
            "functions: expected a non-empty",
        ),
        ({"verifier": {"kind": "json_answer", "expected": "{"}}, "Expecting property name"),
        (
            {"verifier": {"kind": "text_answer", "accepted": ["x"]}, "task_id": "a~2"},
            "ends like a sample's number",
        ),
        (
            {"verifier": {"kind": "text_answer", "accepted": ["x"]}, "task_id": "a b"},
            "holds white space",
        ),
        (
            {"verifier": {"kind": "text_answer", "accepted": ["x"]}, "task_id": None},
            "expected text or a number",
        ),
    ],
)
def test_a_verifier_that_makes_no_sense_names_its_line(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        load_suite("mine", data=own(tmp_path, OWN[0], {"prompt": "x"} | row))
    assert caught.value.line == 2


def test_a_generated_suite_takes_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'diffs' is generated and takes no file"):
        load_suite("diffs", data=own(tmp_path, OWN[0]))
