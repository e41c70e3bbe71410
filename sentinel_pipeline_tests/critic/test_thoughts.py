"""Thought and answer are parted once: whatever the tags, the answer alone is read, and an
unfinished thought is no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.candidates.shapes import to_candidate
from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.critic.reading import read
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.critic.thoughts import (
    UNFINISHED,
    Parted,
    opened_at_end,
    part,
    segments,
    with_thought,
)
from sentinel_pipeline.records import (
    Candidate,
    Constraints,
    CriticLabels,
    FieldsAnswer,
    FunctionCalls,
    GroundedText,
    JsonAnswer,
    JudgedAnswer,
    Message,
    PatchApplies,
    PythonTests,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    StdioTests,
    TextAnswer,
    Verifier,
)
from sentinel_pipeline.records.data_spec import CriticSpec

ASK = (Message("user", "Write a function inc that adds one."),)
INC = PythonTests(tests="assert inc(1) == 2\nassert inc(-1) == 0", entry_point="inc")
GOOD = "```python\ndef inc(x):\n    return x + 1\n```"
BAD = "```python\ndef inc(x):\n    return x - 1\n```"

PAIRS = [
    ("<think>", "</think>"),
    ("<THINK>", "</Think>"),
    ('<think budget="64">', "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
]  # fmt: skip


@pytest.mark.parametrize(("opening", "closing"), PAIRS)
def test_every_form_of_thought_is_parted_from_its_answer(opening: str, closing: str) -> None:
    assert part(f"{opening}\nadd one\n{closing}{GOOD}") == Parted("\nadd one\n", GOOD)
    assert part(f"\n {opening}{BAD}") == Parted(BAD, "", finished=False)


@pytest.mark.parametrize(
    ("completion", "thought", "answer"),
    [
        ("Add one.\n</think>\n\n" + GOOD, "Add one.\n", GOOD),
        ("so it is four </think> 4", "so it is four ", "4"),
        ("so it is four.</think>4", "so it is four.", "4"),
        (BAD + "\nno\n</think>\n" + GOOD, BAD + "\nno\n", GOOD),
        ("```python\ndraft\n</think>\n" + GOOD, "```python\ndraft\n", GOOD),
        ("all of it thought</think>", "all of it thought", ""),
        ("<think>a\n<think>b</think>\nc</think>4", "a\n<think>b</think>\nc", "4"),
        ("<think>\n<think>\na</think>4", "\na", "4"),
        ("<think>a</think>\n<think>b</think>\n4", "a\nb", "4"),
        ("<think>a</think>\nfour\n<think>b</think>\nfive", "a\nb", "four\nfive"),
        ("<think>a</think>b</think>4", "a\nb", "4"),
        ("<think>\n\n</think>\n\n4", "\n\n", "4"),
        ("<think>in `</think>` code</think>4", "in `</think>` code", "4"),
        ("<think>end with the </think> tag\n</think>\n4", "end with the </think> tag\n", "4"),
        ('<think>it is "yes"</think>"yes"', 'it is "yes"', '"yes"'),
        ("<think>a</think>\n    return 4", "a", "    return 4"),
        ("<think>a</think><answer>\n4\n</answer>", "a", "4"),
        ("<think>a</think><answer>4</answer><|im_end|>", "a", "4<|im_end|>"),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>4<|end_of_solution|>", "a", "4"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>4<|END_RESPONSE|>", "a", "4"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>", "a", "4<|return|>"),
        ("analysisThe user wants a sum.assistantfinalIt is 4.", "The user wants a sum.", "It is 4."),
        ("<|im_start|>assistant\n<think>a</think>4", "a", "4"),
    ],
)  # fmt: skip
def test_where_a_thought_ends(completion: str, thought: str, answer: str) -> None:
    assert part(completion) == Parted(thought, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I think it is 4.",
        "import re\n\ndef bare(t):\n    return re.sub(r'<think>.*?</think>', '', t)\n",
        "def tail(t):\n    # </think> ends it\n    return t.split('</think>')[-1]\n",
        "Use this:\n```python\ndef tail(t):\n    return t.split('</think>')[-1]\n```\nDone.",
        "```jinja\n{{ bos }}\n</think>\n{{ text }}\n```",
        'Call `text.rpartition("</think>")` and keep the last part.',
        '{"note": "x </think> y", "n": 4}',
        "The </think> tag ends a thought.",
        "<think> tags are written by some models.",
        "Use <think> and </think> around it.",
        "--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n a\n-</think>\n",
        'DOC = """\n</think>\n"""\n',
        "analysisResult = 5",
        "<thinker>Rodin</thinker>",
        "<think/>4",
    ],
)
def test_a_tag_that_is_only_named_parts_nothing(answer: str) -> None:
    assert part(answer) == Parted("", answer)
    assert part(f"<think>Hm.</think>{answer}") == Parted("Hm.", answer)


def test_a_block_after_the_first_words_of_an_answer_is_part_of_it() -> None:
    answer = "Sure, the format is:\n<think>\nyour reasoning\n</think>\nyour answer"
    assert part(answer) == Parted("", answer)


@pytest.mark.parametrize(
    "completion",
    [
        "<think>\nLet me try:\n" + GOOD + "\nHmm, but wait",
        "<thinking>I'd split on '</thinking>' and then",
        "<think>outer\n<think>inner</think>\n" + GOOD,
        "<think>a</think>\n4\n<think>is that right, or",
        "<|channel|>analysis<|message|>Add one. " + GOOD,
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>Now",
        "analysisThe user wants a function. " + GOOD,
    ],
)
def test_an_unfinished_thought_is_no_answer(completion: str) -> None:
    parted = part(completion)
    assert (parted.answer, parted.finished) == ("", False)
    assert parted.thought
    (found,) = score([Scorable("x", ASK, completion, INC)])
    assert (found.outcome, found.reason) == ("fail", UNFINISHED)
    assert extract(completion, "json").error == UNFINISHED


def test_a_call_in_harmony_is_an_answer_and_its_analysis_is_not() -> None:
    call = "<|start|>assistant to=functions.w<|channel|>commentary json<|message|>{}<|call|>"
    found = part(f"<|channel|>analysis<|message|>call w<|end|>{call}")
    assert (found.thought, found.answer, found.finished) == ("call w", call, True)


# -- properties ------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [*"\n `\"'{}é", "<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]", "<answer>", "</answer>", '"""',
     "```\n", "```python\n", "don't", "x = 1", "the ", " tag", "<|channel|>analysis<|message|>",
     "<|channel|>final<|message|>", "<|end|>", "<|start|>assistant", "<|return|>", "<|im_end|>", "analysis", "assistantfinal",
     "◁think▷", "◁/think▷", "<s>"]
)  # fmt: skip
hostile = st.lists(_PIECES, max_size=24).map("".join) | st.text(max_size=200)
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<[◁"), min_size=1)


@given(hostile)
def test_no_character_is_lost_and_none_is_in_two_parts(text: str) -> None:
    pieces = segments(text)
    assert "".join(piece.text for piece in pieces) == text
    found = part(text)
    answers = [piece.text for piece in pieces if piece.kind == "answer"]
    assert found.answer == "".join(answers)
    assert found.finished or not found.answer


@given(hostile)
def test_an_answer_is_parted_into_itself(text: str) -> None:
    answer = part(text).answer
    assert part(answer) == Parted("", answer)


@given(plain, st.sampled_from(PAIRS[:-2]), plain)
def test_a_thought_before_any_answer_is_parted_from_it(
    thought: str, tags: tuple[str, str], answer: str
) -> None:
    found = part(f"{tags[0]}{thought}{tags[1]}\n\n{answer}")
    assert (found.thought, found.answer.strip(), found.finished) == (
        thought,
        answer.strip(),
        True,
    )


@given(hostile, plain)
def test_a_thought_from_a_field_is_read_back_beside_the_same_answer(
    thought: str, answer: str
) -> None:
    if part(f"<think>{thought}</think>4{answer}") == Parted(thought, f"4{answer}"):
        assert part(with_thought(thought, f"4{answer}")).answer == f"4{answer}"


@pytest.mark.parametrize(
    "thought",
    ["ends with\n</think>\nor so", "a <think> b", "</think>", "[/THINK]\n</think>\nboth"],
)
def test_a_field_that_speaks_of_tags_is_kept_whole(thought: str) -> None:
    assert part(with_thought(thought, GOOD)) == Parted(f"\n{thought}\n", GOOD)


def test_parting_takes_time_in_proportion_to_the_text() -> None:
    import time

    started = time.perf_counter()
    for text in (
        "<think></think><answer>" * 20_000,
        "x </think> " * 40_000,
        "<think>\n" * 40_000,
        "<think>a</think>\n" + "b\n<think>c</think>\n" * 20_000,
        "`<think>" * 40_000,
        "```\n</think>\n" * 30_000,
        "<|channel|>analysis<|message|>" * 20_000,
        "analysis" + "assistant" * 40_000,
    ):
        part(text)
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>\n"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("Say <think>.<|im_end|>\n<|im_start|>assistant\n", ""),
        ("[THINK]", "[THINK]"),
        ("", ""),
    ],
)
def test_a_prompt_tells_whether_it_leaves_a_thought_open(prompt: str, tag: str) -> None:
    assert opened_at_end(prompt) == tag


# -- every verifier --------------------------------------------------------------------------------

_RECORD = json.dumps({"produto": "Caneca azul", "preco": "R$ 25,00"})
ANSWERS: dict[str, tuple[Verifier, str, str]] = {
    "python": (INC, GOOD, BAD),
    "stdio": (
        StdioTests(inputs=("2\n",), outputs=("4\n",)),
        "```python\nprint(int(input()) * 2)\n```",
        "```python\nprint(0)\n```",
    ),
    "script": (
        ScriptTests(tests="if (inc(1) !== 2) throw new Error('no');", entry_point="inc", language="javascript"),
        "```js\nfunction inc(x) { return x + 1; }\n```",
        "```js\nfunction inc(x) { return x; }\n```",
    ),
    "sql": (
        SqlAnswer(setup="create table t(v int); insert into t values (1),(2)", query="select sum(v) from t"),
        "```sql\nselect sum(v) from t\n```",
        "```sql\nselect v from t\n```",
    ),
    "json": (JsonAnswer(expected='{"a": 4}'), '{"a": 4}', '{"a": 5}'),
    "fields": (
        FieldsAnswer(expected='{"a": 4.5}', schema='{"type": "object"}'),
        '{"a": 4,5}',
        '{"a": 9,9}',
    ),
    "patch": (
        PatchApplies(files={"f": "a\n"}, expected={"f": "b\n"}),
        "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n",
        "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+c\n",
    ),
    "shell": (
        ShellEffect(files={"a.txt": "1\n"}, expected_files={"a.txt": "1\n", "b.txt": "1\n"}),
        "```bash\ncp a.txt b.txt\n```",
        "```bash\nrm a.txt\n```",
    ),
    "text": (TextAnswer(must_contain=("blue",), must_not_contain=("green",)), "It is blue.", "Green?"),
    "calls": (
        FunctionCalls(
            functions='[{"name": "f", "parameters": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}]',
            expected='[{"f": {"n": [4]}}]',
        ),
        '{"name": "f", "arguments": {"n": 4}}',
        '{"name": "f", "arguments": {"n": 5}}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_a_draft_in_the_thought_neither_passes_nor_fails_an_answer(name: str) -> None:
    verifier, right, wrong = ANSWERS[name]
    completions = {
        f"<think>\n{wrong}\n</think>\n{right}": "pass",
        f"<think>\n{right}\n</think>\n{wrong}": "fail",
        f"{wrong}\nNo.\n</think>\n\n{right}": "pass",
        f"{right}\nNo.\n</think>\n\n{wrong}": "fail",
        f"<think>\n{right}": "fail",
        f"<think>\n{right}\n</think>": "fail",
    }
    items = [Scorable(text, ASK, text, verifier) for text in completions]
    assert {one.id: one.outcome for one in score(items)} == completions


def test_constraints_and_grounded_texts_look_at_the_answer_alone() -> None:
    brief = Constraints(
        instructions=("length_constraints:number_words",),
        arguments='[{"relation": "less than", "num_words": 5}]',
    )
    (found,) = score([Scorable("x", ASK, f"<think>{'word ' * 40}</think>Yes.", brief)])
    assert found.outcome == "pass"
    grounded = GroundedText(record=_RECORD, must_mention=("Caneca azul",), shown="", min_words=1, max_words=60)  # fmt: skip
    (found,) = score([Scorable("x", ASK, "<think>Caneca azul", grounded)])
    assert (found.outcome, found.reason, found.evidence.get("credit", 0.0)) == ("fail", UNFINISHED, 0.0)  # fmt: skip


def test_an_unfinished_thought_is_failed_without_asking_a_judge() -> None:
    (found,) = score([Scorable("x", ASK, "<think>hm", JudgedAnswer())])
    assert (found.outcome, found.reason) == ("fail", UNFINISHED)


# -- labels ----------------------------------------------------------------------------------------


def labels_of(
    completion: str, verifier: Verifier | None = None, spec: CriticSpec | None = None
) -> CriticLabels:
    row = Candidate(id="x", source="file:x", messages=ASK, completion=completion, verifier=verifier)
    return next(label([row], spec=spec or CriticSpec(workers=1)))


def test_a_row_whose_thought_never_ended_is_rejected_and_says_so() -> None:
    for verifier in (INC, None):
        found = labels_of(f"<think>\n{GOOD}\nWait", verifier)
        assert found.accepted.value is False
        assert found.format_pass == (False, UNFINISHED)
    assert labels_of(f"<think>{GOOD}", INC).tests_pass == (False, UNFINISHED)


def test_the_answer_after_a_thought_is_labelled_like_the_answer_alone() -> None:
    alone = labels_of(GOOD, INC)
    assert labels_of(f"<think>\n{BAD}\nNo, add.\n</think>\n{GOOD}", INC) == alone
    assert alone.accepted.value is True
    harmony = f"<|channel|>analysis<|message|>{BAD}<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>"
    assert labels_of(harmony, INC).accepted.value is True


def test_a_secret_or_a_loop_in_a_thought_rejects_the_row() -> None:
    secret = labels_of("<think>key AKIA" + "QX7ZP3LMN8RT2VWK" + f"</think>{GOOD}", INC)
    assert secret.no_secret.value is False
    loop = labels_of("<think>" + "and so I go on and on " * 60 + f"</think>{GOOD}", INC)
    assert loop.no_repetition.value is False
    assert "in the thought" in loop.no_repetition.reason


def test_a_thought_that_drafts_its_answer_is_no_repetition() -> None:
    assert labels_of(f"<think>\n{GOOD}\n</think>\n{GOOD}", INC).no_repetition.value is True


def test_a_stop_token_is_still_looked_for_at_the_end_of_the_answer() -> None:
    demanded = CriticSpec(workers=1, stop_token="<|im_end|>")
    assert labels_of(f"<think>a</think>\n{GOOD}<|im_end|>", INC, demanded).format_pass.value is True
    without = labels_of(f"<think>a</think>\n{GOOD}", INC, demanded)
    assert without.format_pass == (False, "no_stop")
    after = labels_of(f"<think>a</think>\n{GOOD}<|im_end|>more", INC)
    assert after.format_pass.value is False and "after_stop" in after.format_pass.reason


def test_the_language_is_guessed_from_the_answer() -> None:
    found = read('<think>\n```python\nx = 1\n```\n</think>\n{"a": 1}', None)
    assert (found.language, found.found.value) == ("json", {"a": 1})


# -- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_a_thought_in_a_field_of_its_own_is_kept_before_the_answer(field: str) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": GOOD, field: "greet </think> back"},
    ]
    for row in (
        {"messages": turns},
        {"prompt": "Hi", "completion": turns[1:]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": GOOD, field: "greet </think> back"}]},
    ):  # fmt: skip
        found = to_candidate(row, source="file:x", file="x", line=1)
        assert part(found.completion) == Parted("\ngreet </think> back\n", GOOD)


def test_a_turn_that_is_thought_alone_is_a_row_that_is_rejected() -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "reasoning_content": "cut off in"},
    ]
    found = to_candidate({"messages": turns}, source="file:x", file="x", line=1)
    assert part(found.completion).finished is False
    assert next(label([found])).format_pass == (False, UNFINISHED)


def test_a_whole_rows_thought_stands_before_its_response() -> None:
    row = {"prompt": "Hi", "response": "Hello.", "reasoning_content": "greet"}
    found = to_candidate(row, source="file:x", file="x", line=1)
    assert part(found.completion) == Parted("\ngreet\n", "Hello.")


# -- cases with their right outcome ----------------------------------------------------------------

_OF_THOUGHTS = ("Z01", "Z03", "Z05", "X15", "X17", "Y09", "Y11", "Y13", "T15")


def test_rows_with_thoughts_have_the_labels_that_are_right(cases_dir: Path) -> None:
    lines = (cases_dir / "label.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [
        case
        for case in map(json.loads, lines)
        if case["id"][0] == "Z" or case["id"] in _OF_THOUGHTS
    ]
    rows = [
        to_candidate(json.loads(case["row"]), source="file:x", file="x", line=number)
        for number, case in enumerate(asked, start=1)
    ]
    assert len(asked) >= 3
    wrong = [
        (case["id"], name, getattr(found, name))
        for case, found in zip(asked, label(rows), strict=True)
        for name, expected in case["expect"].items()
        if expected != "any" and getattr(found, name).value is not expected
    ]
    assert wrong == []
