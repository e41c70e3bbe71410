"""Tokenizers as they are: the end of a turn, system turns, BOS and thoughts, on the shapes of eight
families; and masks beside TRL's, token by token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.generation.prompts import Prompt, encode, render, special_tokens
from sentinel_pipeline.generation.template import problems, takes_no_system, turn_end
from sentinel_pipeline.records import Message
from sentinel_pipeline.records.decoding import Decoding
from sentinel_pipeline.records.model_spec import ModelSpec
from sentinel_pipeline.training.data.tokens import IGNORED, prepare_rows
from sentinel_pipeline.worker.convert import converted
from sentinel_pipeline.worker.weights import of_path
from sentinel_pipeline_tests.training.real_shapes import (
    BY_NAME,
    DEEPSEEK,
    SHAPES,
    Shape,
    make_tokenizer,
)

EVERY = (*SHAPES, DEEPSEEK)
PROMPT = [{"role": "user", "content": "What is my boat?"}]
ANSWER = "Your boat is amber."


def saved(shape: Shape, folder: Path, **changes: Any) -> Path:
    """The shape's tokenizer in a folder that a configuration makes a model's."""
    make_tokenizer(shape._replace(**changes)).save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def rows(folder: Path, *turns: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    lines = [json.dumps({"prompt": row[:-1], "completion": row[-1:]}) for row in turns]
    path.write_text("\n".join(lines) + "\n")
    return path


def trained(row: Any) -> list[int]:
    return [label for label in row.labels if label != IGNORED]


@pytest.mark.parametrize("shape", EVERY, ids=str)
def test_a_turn_ends_as_the_template_ends_it(shape: Shape, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(saved(shape, tmp_path))
    assert turn_end(tokenizer) == tokenizer.eos_token == shape.end
    assert tokenizer.pad_token == (shape.pad or shape.eos), "the document's end pads"


@pytest.mark.parametrize("shape", EVERY, ids=str)
def test_the_answer_and_the_end_of_its_turn_are_trained(shape: Shape, tmp_path: Path) -> None:
    folder = saved(shape, tmp_path)
    tokenizer = load_tokenizer(folder)
    path = rows(tmp_path, [*PROMPT, {"role": "assistant", "content": ANSWER}])
    prepared = prepare_rows(path, tokenizer, 256)
    text = str(tokenizer.decode(trained(prepared.rows[0])))
    assert text.endswith(f"{ANSWER}{shape.end}")
    assert (prepared.report.stop_token, prepared.report.stop_trained) == (shape.end, 1)


@pytest.mark.parametrize("shape", EVERY, ids=str)
def test_training_reads_the_prompt_that_generation_feeds(shape: Shape, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(saved(shape, tmp_path))
    turns = [{"role": "system", "content": "Be brief."}, *PROMPT]
    path = rows(tmp_path, [*turns, {"role": "assistant", "content": ANSWER}])
    row = prepare_rows(path, tokenizer, 256).rows[0]
    messages = tuple(Message(turn["role"], turn["content"]) for turn in turns)
    (fed,) = encode(tokenizer, [Prompt("a", messages)], Decoding())
    assert row.input_ids[: len(fed)] == fed
    assert set(row.labels[: len(fed)]) == {IGNORED}
    assert "Be brief." in tokenizer.decode(fed), "no template may swallow the system turn"


def test_a_template_that_refuses_system_turns_gets_their_text_in_the_users_turn(
    tmp_path: Path,
) -> None:
    tokenizer = load_tokenizer(saved(BY_NAME["gemma3"], tmp_path))
    assert takes_no_system(tokenizer)
    text = render(tokenizer, (Message("system", "Be brief."), Message("user", "Hi.")), "chat")
    assert text == "<bos><start_of_turn>user\nBe brief.\n\nHi.<end_of_turn>\n<start_of_turn>model\n"


def test_a_template_that_drops_system_turns_gets_their_text_too(tmp_path: Path) -> None:
    silent = BY_NAME["qwen2-base"].template or ""
    silent = silent.replace(
        "{%- for message in messages -%}", "{%- for message in messages if message.role != 'system' -%}"
    )  # fmt: skip
    tokenizer = load_tokenizer(saved(BY_NAME["qwen2-base"], tmp_path, template=silent))
    text = render(tokenizer, (Message("system", "Be brief."), Message("user", "Hi.")), "chat")
    assert "user\nBe brief.\n\nHi.<|im_end|>" in text


@pytest.mark.parametrize("shape", EVERY, ids=str)
def test_plain_prompts_begin_with_bos_where_the_tokenizer_begins_a_text_so(
    shape: Shape, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(saved(shape, tmp_path))
    prompt = Prompt("a", (Message("user", "def f(xs):"),))
    for form in ("raw", "cue"):
        (ids,) = encode(tokenizer, [prompt], Decoding(prompt_format=form))
        expected = [tokenizer.bos_token_id] if shape.begins else []
        assert [token for token in ids if token in special_tokens(tokenizer)] == expected
        assert ids[: len(expected)] == expected


def trl_mask(tokenizer: Any, prompt: list[Any], answer: list[Any]) -> tuple[list[int], list[int]]:
    """Token ids and labels as TRL's ``SFTTrainer`` makes them of a prompt and its completion."""
    opened = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)
    whole = tokenizer.apply_chat_template(prompt + answer, return_dict=True)["input_ids"]
    ids = opened["input_ids"]
    common = next(
        (at for at, (a, b) in enumerate(zip(ids, whole)) if a != b), min(len(ids), len(whole))
    )
    return whole, [IGNORED] * common + whole[common:]


@pytest.mark.parametrize("shape", EVERY, ids=str)
def test_the_mask_is_trls_up_to_what_the_template_writes_after_the_end_of_a_turn(
    shape: Shape, tmp_path: Path
) -> None:
    """ChatML, Qwen3 and Gemma write a line break after the end of a turn. TRL trains it; a model
    that stops at the end never writes it, so it is not trained here."""
    tokenizer = load_tokenizer(saved(shape, tmp_path))
    answer = [{"role": "assistant", "content": ANSWER}]
    row = prepare_rows(rows(tmp_path, [*PROMPT, *answer]), tokenizer, 256).rows[0]
    ids, labels = trl_mask(tokenizer, PROMPT, answer)
    assert ids[: len(row.input_ids)] == row.input_ids
    assert labels[: len(row.labels)] == row.labels
    rest = tokenizer.decode(ids[len(row.input_ids) :])
    assert rest == ("\n" if shape.end in ("<|im_end|>", "<end_of_turn>") else "")


def test_a_merge_across_the_border_is_the_other_difference_from_trl(tmp_path: Path) -> None:
    """TRL tokenizes prompt and answer as one text: where the prompt ends in a space, its last token
    is another one than at inference. Here the two are tokenized apart, as they are generated."""
    glued = "{%- for message in messages -%}{%- if message.role == 'assistant' -%}{{ message.content + '</s>' }}" \
        "{%- else -%}{{ 'Q:' + message.content + ' A: ' }}{%- endif -%}{%- endfor -%}"  # fmt: skip
    tokenizer = load_tokenizer(saved(BY_NAME["mixtral"], tmp_path, template=glued))
    answer = [{"role": "assistant", "content": "is amber."}]
    row = prepare_rows(rows(tmp_path, [*PROMPT, *answer]), tokenizer, 256).rows[0]
    (fed,) = encode(tokenizer, [Prompt("a", (Message("user", PROMPT[0]["content"]),))], Decoding())
    assert row.input_ids[: len(fed)] == fed
    assert trl_mask(tokenizer, PROMPT, answer)[0][: len(fed)] != fed


# -- templates by name, and what training would refuse ---------------------------------------------


def test_a_base_model_without_a_template_is_given_one_by_name(tmp_path: Path) -> None:
    bare = saved(BY_NAME["llama3"], tmp_path / "bare", template=None)
    assert [key for key, _ in problems(load_tokenizer(bare))] == ["model.template"]
    folder = converted(of_path(bare), ModelSpec(source=str(bare), template="llama3"), tmp_path)
    tokenizer = load_tokenizer(folder)
    assert list(problems(tokenizer)) == []
    assert tokenizer.eos_token == "<|eot_id|>"
    assert tokenizer.pad_token == "<|end_of_text|>"
    assert not make_tokenizer(BY_NAME["llama3"]._replace(template=None)).chat_template
    assert not (bare / "chat_template.jinja").exists(), "the user's folder stays as it was"


@pytest.mark.parametrize(
    ("template", "shape"),
    [("chatml", "qwen2-base"), ("gemma", "gemma3"), ("mistral", "mixtral"), ("llama3", "llama3")],
)
def test_every_named_template_trains_and_takes_a_system_turn(
    template: str, shape: str, tmp_path: Path
) -> None:
    bare = saved(BY_NAME[shape], tmp_path / "bare", template=None)
    folder = converted(of_path(bare), ModelSpec(source=str(bare), template=template), tmp_path)
    tokenizer = load_tokenizer(folder)
    assert list(problems(tokenizer)) == []
    assert not takes_no_system(tokenizer)
    assert tokenizer.eos_token == BY_NAME[shape].end


def test_a_template_whose_markers_the_vocabulary_lacks_is_refused(tmp_path: Path) -> None:
    bare = saved(BY_NAME["llama3"], tmp_path / "bare", template=None)
    with pytest.raises(BadInput, match=r"'<\|im_end\|>', which is not a token of this vocabulary"):
        converted(of_path(bare), ModelSpec(source=str(bare), template="chatml"), tmp_path)


def test_an_unknown_template_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    bare = saved(BY_NAME["llama3"], tmp_path / "bare")
    with pytest.raises(BadInput, match=r"no chat template 'lama3'.*chatml, llama3, gemma, mistral"):
        converted(of_path(bare), ModelSpec(source=str(bare), template="lama3"), tmp_path)


def test_a_stop_token_is_the_recipes_where_the_template_writes_several(tmp_path: Path) -> None:
    twice = (BY_NAME["qwen2-base"].template or "").replace(
        "<|im_end|>\\n", "<|im_end|><|endoftext|>\\n"
    )
    bare = saved(BY_NAME["qwen2-base"], tmp_path / "bare", template=twice)
    assert load_tokenizer(bare).eos_token == "<|endoftext|>"
    spec = ModelSpec(source=str(bare), stop_token="<|im_end|>")
    assert load_tokenizer(converted(of_path(bare), spec, tmp_path)).eos_token == "<|im_end|>"


def test_a_stop_token_outside_the_vocabulary_is_refused(tmp_path: Path) -> None:
    bare = saved(BY_NAME["smollm2"], tmp_path / "bare")
    with pytest.raises(BadInput, match=r"no token '<\|stop\|>'"):
        spec = ModelSpec(source=str(bare), stop_token="<|stop|>")
        converted(of_path(bare), spec, tmp_path)


def test_a_template_that_ends_an_answer_with_words_would_never_teach_to_stop(
    tmp_path: Path,
) -> None:
    words = "{%- for message in messages -%}{{ message.role + ': ' + message.content + '\\n' }}{%- endfor -%}" \
        "{%- if add_generation_prompt -%}{{ 'assistant: ' }}{%- endif -%}"  # fmt: skip
    tokenizer = load_tokenizer(saved(BY_NAME["smollm2"], tmp_path, template=words))
    ((key, reason),) = problems(tokenizer)
    assert key == "model.template" and "never learn to stop" in reason


def test_a_template_that_renders_a_prompt_in_two_ways_is_told(tmp_path: Path) -> None:
    other = (BY_NAME["smollm2"].template or "").replace(
        "{{ '<|im_start|>assistant\\n' }}", "{{ '<|im_start|>assistant:' }}"
    )
    tokenizer = load_tokenizer(saved(BY_NAME["smollm2"], tmp_path, template=other))
    ((_, reason),) = problems(tokenizer)
    assert "differently in training than at inference" in reason


# -- models that think -----------------------------------------------------------------------------

THOUGHT = [*PROMPT, {"role": "assistant", "content": ANSWER, "reasoning_content": "Amber, surely."}]


def completion_text(tokenizer: Any, path: Path, **options: Any) -> str:
    return str(tokenizer.decode(trained(prepare_rows(path, tokenizer, 256, **options).rows[0])))


@pytest.mark.parametrize("name", ["qwen3-base", "qwen3-moe"])
def test_a_thought_is_no_part_of_the_loss_unless_the_recipe_trains_it(
    name: str, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(saved(BY_NAME[name], tmp_path))
    path = rows(tmp_path, THOUGHT)
    assert "Amber, surely." not in completion_text(tokenizer, path)
    text = completion_text(tokenizer, path, train_on_thoughts=True)
    assert text == f"<think>\nAmber, surely.\n</think>\n\n{ANSWER}<|im_end|>"


def test_with_thinking_off_the_answer_alone_is_trained_and_the_prompt_closes_the_thought(
    tmp_path: Path,
) -> None:
    bare = saved(BY_NAME["qwen3-base"], tmp_path / "bare")
    spec = ModelSpec(source=str(bare), thinking=False)
    tokenizer = load_tokenizer(converted(of_path(bare), spec, tmp_path / "made"))
    assert completion_text(tokenizer, rows(tmp_path, THOUGHT)) == f"{ANSWER}<|im_end|>"
    prompt = render(tokenizer, (Message("user", "Hi."),), "chat")
    assert prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert list(problems(tokenizer)) == []


def test_thinking_is_refused_where_the_template_knows_nothing_of_it(tmp_path: Path) -> None:
    bare = saved(BY_NAME["smollm2"], tmp_path / "bare")
    with pytest.raises(BadInput, match=r"no enable_thinking"):
        converted(of_path(bare), ModelSpec(source=str(bare), thinking=False), tmp_path)
