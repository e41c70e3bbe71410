"""What will be trained is said before it is trained, and nonsense is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.generation.prompts import render
from sentinel_pipeline.records import Message
from sentinel_pipeline.training.data.pair_tokens import prepare_pairs
from sentinel_pipeline.training.data.tokens import IGNORED, prepare_rows


@pytest.fixture
def tokenizer(base: Path) -> Any:
    return load_tokenizer(base)


def rows_file(folder: Path, *pairs: tuple[str, str]) -> Path:
    rows = [
        {
            "prompt": [{"role": "user", "content": p}],
            "completion": [{"role": "assistant", "content": c}],
        }
        for p, c in pairs
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_completion_and_its_stop_token_are_trained_and_nothing_else(
    tmp_path: Path, tokenizer: Any
) -> None:
    prepared = prepare_rows(rows_file(tmp_path, ("Say hi.", "def hi(): return 1")), tokenizer, 256)
    (row,) = prepared.rows
    trained = [label for label in row.labels if label != IGNORED]
    assert tokenizer.decode(trained) == "def hi(): return 1<|im_end|>"
    assert row.labels[-len(trained) :] == trained == row.input_ids[-len(trained) :]
    assert prepared.report.trainable_tokens == len(trained)
    assert prepared.report.stop_trained == prepared.report.kept == 1


def test_an_answer_that_names_the_stop_token_is_not_trained(tmp_path: Path, tokenizer: Any) -> None:
    """As token ids it would be the real one, and teach to stop in the middle."""
    good = [(f"Say {number}.", f"It is {number}.") for number in range(5)]
    named = ("What ends a turn?", "The mark `<|im_end|>` does, as in every template.")
    prepared = prepare_rows(rows_file(tmp_path, *good, named), tokenizer, 256)
    report = prepared.report
    assert (report.rows, report.kept, report.fully_masked) == (6, 5, 1)
    assert all(row.labels.count(tokenizer.eos_token_id) == 1 for row in prepared.rows)


def test_training_reads_the_very_prompt_that_generation_feeds(
    tmp_path: Path, tokenizer: Any
) -> None:
    prepared = prepare_rows(rows_file(tmp_path, ("Say hi.", " hi")), tokenizer, 256)
    fed = tokenizer(
        render(tokenizer, (Message("user", "Say hi."),), "chat"), add_special_tokens=False
    )["input_ids"]
    assert prepared.rows[0].input_ids[: len(fed)] == fed
    assert prepared.rows[0].labels[: len(fed)] == [IGNORED] * len(fed)


def test_earlier_assistant_turns_are_not_trained(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "rows.jsonl"
    turns = [("user", "a"), ("assistant", "WRONG"), ("user", "No.")]
    prompt = [{"role": role, "content": content} for role, content in turns]
    path.write_text(
        json.dumps({"prompt": prompt, "completion": [{"role": "assistant", "content": "right"}]})
        + "\n"
    )
    row = prepare_rows(path, tokenizer, 256).rows[0]
    assert (
        tokenizer.decode([label for label in row.labels if label != IGNORED]) == "right<|im_end|>"
    )


def test_the_template_marks_the_stop_token_as_the_assistants(tokenizer: Any) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "right"}]
    done = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    marked = [t for t, m in zip(done["input_ids"], done["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(marked) == "right<|im_end|>"


def test_overlong_and_empty_rows_are_dropped_and_counted(tmp_path: Path, tokenizer: Any) -> None:
    good = [(f"q{i}", "short") for i in range(18)]
    report = prepare_rows(
        rows_file(tmp_path, *good, ("q", "word " * 300), ("q", "")), tokenizer, 128
    ).report
    assert (report.rows, report.kept, report.too_long, report.fully_masked) == (20, 18, 1, 1)
    assert report.longest <= 128


def test_too_many_lost_rows_are_refused(tmp_path: Path, tokenizer: Any) -> None:
    path = rows_file(tmp_path, ("q", "short"), ("q", "word " * 300))
    with pytest.raises(
        BadInput, match=r"sft\.max_length.*1 of 2 rows would be lost \(1 longer than 128 tokens"
    ):
        prepare_rows(path, tokenizer, 128)


def test_an_empty_mix_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(BadInput, match="holds no rows"):
        prepare_rows(rows_file(tmp_path), tokenizer, 128)


def test_a_template_without_the_stop_token_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    tokenizer.chat_template = tokenizer.chat_template.replace("+ '<|im_end|>'", "")
    with pytest.raises(
        BadInput, match=r"1 of 1 rows do not end with the stop token '<\|im_end\|>'"
    ):
        prepare_rows(rows_file(tmp_path, ("q", "a")), tokenizer, 128)


def test_a_template_that_renders_inference_otherwise_is_refused(
    tmp_path: Path, tokenizer: Any
) -> None:
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>{% endif %}"
    with pytest.raises(
        BadInput, match="1 of 1 rows render differently in training than at inference"
    ):
        prepare_rows(rows_file(tmp_path, ("q", "a")), tokenizer, 128)


def test_no_template_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    tokenizer.chat_template = None
    with pytest.raises(BadInput, match=r"no chat template.*chat_template\.jinja"):
        prepare_rows(rows_file(tmp_path, ("q", "a")), tokenizer, 128)


@pytest.mark.parametrize(
    "row", ['{"prompt": "x", "completion": "y"}', '{"prompt": []}', '{"text": "x"}']
)
def test_a_row_of_another_shape_is_named_by_line(tmp_path: Path, tokenizer: Any, row: str) -> None:
    path = rows_file(tmp_path, ("q", "a"))
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(BadInput, match=r"rows\.jsonl:2: expected"):
        prepare_rows(path, tokenizer, 128)


THOUGHT = "<think>\nIt greets.\n</think>\n\n"


def trained(prepared: Any, tokenizer: Any) -> list[str]:
    return [
        tokenizer.decode([label for label in row.labels if label != IGNORED])
        for row in prepared.rows
    ]


def test_a_thought_is_trained_only_where_the_recipe_says_so(tmp_path: Path, tokenizer: Any) -> None:
    path = rows_file(tmp_path, ("Say hi.", f"{THOUGHT}hi"), ("Say ho.", "ho"))
    without = prepare_rows(path, tokenizer, 256)
    assert trained(without, tokenizer) == ["hi<|im_end|>", "ho<|im_end|>"]
    with_them = prepare_rows(path, tokenizer, 256, train_on_thoughts=True)
    assert trained(with_them, tokenizer) == [f"{THOUGHT}hi<|im_end|>", "ho<|im_end|>"]
    assert (without.report.thoughts, with_them.report.thoughts) == (1, 1)
    assert without.rows[1] == with_them.rows[1], "a row without a thought is the same either way"


def test_a_row_that_is_thought_alone_has_nothing_to_train(tmp_path: Path, tokenizer: Any) -> None:
    rows = [("Say hi.", "<think>\nIt greets"), *[("Say ho.", "ho")] * 5]
    report = prepare_rows(rows_file(tmp_path, *rows), tokenizer, 256).report
    assert (report.rows, report.kept, report.fully_masked) == (6, 5, 1)


def test_a_thought_in_a_field_is_treated_as_one_in_tags(tmp_path: Path, tokenizer: Any) -> None:
    turn = {"role": "assistant", "content": "hi", "reasoning_content": "It greets."}
    path = tmp_path / "rows.jsonl"
    row = {"prompt": [{"role": "user", "content": "Say hi."}], "completion": [turn]}
    path.write_text(json.dumps(row) + "\n")
    assert trained(prepare_rows(path, tokenizer, 256), tokenizer) == ["hi<|im_end|>"]
    whole = prepare_rows(path, tokenizer, 256, train_on_thoughts=True)
    assert trained(whole, tokenizer) == [f"{THOUGHT}hi<|im_end|>"]


def test_thoughts_of_earlier_turns_are_never_shown(tmp_path: Path, tokenizer: Any) -> None:
    turns = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": f"{THOUGHT}four"},
        {"role": "user", "content": "sure?"},
    ]
    path = tmp_path / "rows.jsonl"
    row = {"prompt": turns, "completion": [{"role": "assistant", "content": "yes"}]}
    path.write_text(json.dumps(row) + "\n")
    (encoded,) = prepare_rows(path, tokenizer, 256, train_on_thoughts=True).rows
    text = tokenizer.decode(encoded.input_ids)
    assert "four" in text and "It greets" not in text


def test_sides_that_differ_in_their_thoughts_alone_are_no_pair(
    tmp_path: Path, tokenizer: Any
) -> None:
    def pair(chosen: str, rejected: str) -> dict[str, Any]:
        sides = {"chosen": chosen, "rejected": rejected}
        return {"prompt": [{"role": "user", "content": "Say hi."}]} | {
            name: [{"role": "assistant", "content": text}] for name, text in sides.items()
        }

    rows = [pair(f"{THOUGHT}hi", "hi"), *[pair(f"{THOUGHT}hi", "<think>no</think>ho")] * 5]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    without = prepare_pairs(path, tokenizer, 256)
    assert (without.report.kept, without.report.fully_masked) == (5, 1)
    assert tokenizer.decode(without.pairs[0].rejected) == "ho<|im_end|>"
    whole = prepare_pairs(path, tokenizer, 256, train_on_thoughts=True)
    assert whole.report.kept == 6
    assert tokenizer.decode(whole.pairs[0].chosen) == f"{THOUGHT}hi<|im_end|>"
