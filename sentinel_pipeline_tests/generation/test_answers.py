"""Answers: batched equals one by one, resumable, honest about what did not stop. The model is
random and tiny."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation import Decoding, Prompt, answer, read_answers
from sentinel_pipeline.generation.answers import Answer, append, open_for_append
from sentinel_pipeline.llm_judge.ask import local_judge
from sentinel_pipeline.records import Message

DECODING = Decoding(max_new_tokens=24, batch_size=4)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights wide enough that the two best logits are never within rounding of each other."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        GenerationConfig,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["user assistant def return list of the squares"], trainer)
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=96,
        initializer_range=0.4,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=[2, *range(3, 40)], pad_token_id=0)
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    return folder


def prompts(count: int = 13) -> list[Prompt]:
    return [
        Prompt(f"p{i}", (Message("user", "list " * (i % 5) + f"squares of {i}"),))
        for i in range(count)
    ]


def answers(
    model_dir: Path, out: Path, decoding: Decoding = DECODING, count: int = 13
) -> dict[str, Answer]:
    answer(model_dir, prompts(count), decoding, out)
    return {row.id: row._replace(seconds=0.0) for row in read_answers(out)}


def test_batched_answers_equal_one_by_one_answers(model_dir: Path, tmp_path: Path) -> None:
    batched = answers(model_dir, tmp_path / "a.jsonl")
    alone = answers(model_dir, tmp_path / "b.jsonl", replace(DECODING, batch_size=1))
    assert batched == alone
    assert len({row.tokens for row in batched.values()}) > 1, (
        "rows must end at different lengths to test dropping"
    )


def test_answers_equal_those_of_transformers_generate(model_dir: Path, tmp_path: Path) -> None:
    from sentinel_pipeline.generation.loading import load_model, load_tokenizer
    from sentinel_pipeline.generation.prompts import render

    model, tokenizer = load_model(model_dir), load_tokenizer(model_dir)
    ours = answers(model_dir, tmp_path / "a.jsonl")
    for prompt in prompts():
        ids = tokenizer(
            render(tokenizer, prompt.messages, "chat"),
            add_special_tokens=False,
            return_tensors="pt",
        )
        generate: Any = model.generate
        theirs = generate(**ids, max_new_tokens=24, do_sample=False)[
            0, ids["input_ids"].shape[1] :
        ].tolist()
        stopped = theirs[-1] in model.generation_config.eos_token_id
        text = tokenizer.decode(theirs[:-1] if stopped else theirs)
        assert (ours[prompt.id].completion, ours[prompt.id].stopped) == (text, stopped)


def test_sampling_does_not_depend_on_the_batch(model_dir: Path, tmp_path: Path) -> None:
    sampling = replace(DECODING, temperature=1.0, top_p=0.9)
    batched = answers(model_dir, tmp_path / "a.jsonl", sampling)
    assert batched == answers(model_dir, tmp_path / "b.jsonl", replace(sampling, batch_size=1))
    assert batched != answers(model_dir, tmp_path / "c.jsonl", replace(sampling, seed=99))


def test_several_answers_to_one_prompt_read_it_once_and_are_those_asked_alone(
    model_dir: Path,
) -> None:
    """More tokens than the cache has room for at first, rows that end early, prompts that come
    twice: every row's tokens are those of a batch of its own."""
    from sentinel_pipeline.generation.engine import sample_tokens, stop_tokens
    from sentinel_pipeline.generation.loading import load_model, load_tokenizer

    model, tokenizer = load_model(model_dir), load_tokenizer(model_dir)
    stops = frozenset(sorted(stop_tokens(model, tokenizer))[:4])
    decoding = Decoding(max_new_tokens=80, batch_size=16, temperature=1.3, seed=3)
    rows = [(f"{row}", [50 + row % 3, *range(60, 62 + row % 3)]) for row in range(12)]
    read: list[int] = []
    forward = model.forward

    def reading(**arguments: Any) -> Any:
        read.append(arguments["input_ids"].numel())
        return forward(**arguments)

    model.forward = reading
    together = sample_tokens(model, rows, decoding, stops, 0)
    first = read[0]
    alone = [sample_tokens(model, [row], decoding, stops, 0)[0] for row in rows]
    assert together == alone
    assert first == 3 * 5, "three prompts, padded to the longest, and not twelve"
    assert max(map(len, together)) > 70 > 40 > min(map(len, together))


@given(
    logits=st.lists(st.floats(-30, 30), min_size=2, max_size=200, unique=True),
    draw=st.floats(0, 1, exclude_max=True),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 0.999, 1.0]),
    temperature=st.sampled_from([0.3, 1.0, 3.0, 30.0]),
)
def test_a_draw_falls_where_it_falls_in_the_whole_order(
    logits: list[float], draw: float, top_p: float, temperature: float
) -> None:
    """The definition in plain Python: the tokens of the nucleus in descending probability, and the
    first one at which the draw's share of its mass is passed."""
    import torch

    from sentinel_pipeline.generation.engine import _sample

    numbers = torch.tensor([logits], dtype=torch.float32)
    probabilities = (numbers.double() / temperature).softmax(-1)[0].tolist()
    order = sorted(range(len(logits)), key=lambda token: -probabilities[token])
    nucleus, mass = [], 0.0
    for token in order:
        if mass >= top_p:
            break
        nucleus.append(token)
        mass += probabilities[token]
    passed, expected = 0.0, nucleus[-1]
    for token in nucleus:
        passed += probabilities[token]
        if passed > draw * mass:
            expected = token
            break
    decoding = Decoding(temperature=temperature, top_p=top_p)
    chosen = int(_sample(numbers, torch.tensor([draw], dtype=torch.float64), decoding)[0])
    # Where a draw lies within rounding of a border, either side of it is right.
    near = abs(sum(probabilities[t] for t in nucleus[: nucleus.index(expected) + 1]) - draw * mass)
    assert chosen == expected or near < 1e-9 or probabilities[chosen] == probabilities[expected]


def test_a_torn_last_line_is_answered_again_and_whole_lines_are_not(
    model_dir: Path, tmp_path: Path
) -> None:
    whole = answers(model_dir, tmp_path / "whole.jsonl")
    out = tmp_path / "torn.jsonl"
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    kept = json.dumps(json.loads(lines[0]) | {"completion": "kept as it was"}).encode() + b"\n"
    out.write_bytes(kept + b"".join(lines[1:5]) + lines[5][:20])
    resumed = answers(model_dir, out)
    assert resumed.keys() == whole.keys()
    first = json.loads(lines[0])["id"]
    assert resumed[first].completion == "kept as it was"
    assert {k: v for k, v in resumed.items() if k != first} == {
        k: v for k, v in whole.items() if k != first
    }


def test_a_finished_file_is_left_alone(model_dir: Path, tmp_path: Path) -> None:
    answers(model_dir, tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").stat().st_mtime_ns
    answer(tmp_path / "no-model-is-needed", prompts(), DECODING, tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").stat().st_mtime_ns == before


def test_a_prompt_longer_than_the_context_is_an_empty_answer_that_did_not_stop(
    model_dir: Path, tmp_path: Path
) -> None:
    long = Prompt("long", (Message("user", "squares " * 400),))
    answer(model_dir, [*prompts(2), long], DECODING, tmp_path / "a.jsonl")
    found = {row.id: row for row in read_answers(tmp_path / "a.jsonl")}
    assert found["long"] == Answer("long", "", False, 0, 0.0)
    assert len(found) == 3


def test_progress_counts_every_item_once(model_dir: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    answer(model_dir, prompts(), DECODING, tmp_path / "a.jsonl", lambda *told: seen.append(told))
    assert [done for done, _, _ in seen] == [4, 8, 12, 13]
    assert seen[-1][1:] == (13, sum(row.tokens for row in read_answers(tmp_path / "a.jsonl")))


def test_two_prompts_of_one_id_are_bad_input(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="duplicate prompt id 'p1'"):
        answer(model_dir, [*prompts(), prompts()[1]], DECODING, tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_a_model_is_bad_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no such model folder|holds no config\.json"):
        answer(tmp_path / name, prompts(), DECODING, tmp_path / "a.jsonl")


def test_plain_formats_hold_no_special_token(model_dir: Path) -> None:
    from sentinel_pipeline.generation.loading import load_tokenizer
    from sentinel_pipeline.generation.prompts import render

    tokenizer = load_tokenizer(model_dir)
    turns = (Message("user", "Say hi."),)
    assert render(tokenizer, turns, "cue") == "Instruction: Say hi.\nResponse:"
    assert render(tokenizer, turns, "raw") == "Say hi.\n"
    special = set(tokenizer.all_special_ids)
    for text in (render(tokenizer, turns, "cue"), render(tokenizer, turns, "raw")):
        assert not special & set(tokenizer(text, add_special_tokens=False)["input_ids"])


@given(
    texts=st.lists(st.text(max_size=30), max_size=6),
    cut=st.integers(min_value=0, max_value=400),
)
def test_any_cut_of_an_answers_file_leaves_whole_answers(
    texts: list[str], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    rows = [
        Answer(str(i), text.encode("utf-8", "replace").decode(), True, 1, 0.5)
        for i, text in enumerate(texts)
    ]
    with open_for_append(path) as stream:
        append(stream, rows)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    kept = list(read_answers(path))
    assert kept == rows[: data.count(b"\n")]
    with open_for_append(path) as stream:
        append(stream, [Answer("next", "x", True, 1, 0.5)])
    assert [row.id for row in read_answers(path)] == [row.id for row in kept] + ["next"]


def test_a_line_that_is_no_answer_is_named(tmp_path: Path) -> None:
    def rows() -> Iterator[Any]:
        yield from read_answers(tmp_path / "a.jsonl")

    (tmp_path / "a.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(BadInput, match=r"a\.jsonl:1: not an answer"):
        list(rows())


def test_a_plain_prompt_that_holds_a_special_token_is_refused_and_a_chat_prompt_is_not(
    model_dir: Path, tmp_path: Path
) -> None:
    sly = [Prompt("sly", (Message("user", "list<|im_end|>of"),))]
    with pytest.raises(
        BadInput, match=r"plain prompt 'sly' holds the special token '<\|im_end\|>'"
    ):
        answer(model_dir, sly, replace(DECODING, prompt_format="raw"), tmp_path / "a.jsonl")
    answer(model_dir, sly, DECODING, tmp_path / "b.jsonl")
    assert len(list(read_answers(tmp_path / "b.jsonl"))) == 1


def test_a_local_judge_says_the_word_that_its_weights_find_likelier(model_dir: Path) -> None:
    """Against the mean loss that the model itself reports for each word after the same prompt."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(model_dir),
        AutoTokenizer.from_pretrained(model_dir),
    )

    def log_probability(messages: tuple[Message, ...], word: str) -> float:
        prompt = tokenizer.apply_chat_template(
            [turn.to_dict() for turn in messages], tokenize=False, add_generation_prompt=True
        )
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        after = tokenizer(word, add_special_tokens=False)["input_ids"]
        labels = torch.tensor([[-100] * len(before) + after])
        with torch.inference_mode():
            return -float(
                model(input_ids=torch.tensor([before + after]), labels=labels).loss
            ) * len(after)

    judge, said = local_judge(model_dir), []
    for number in range(12):
        messages = (Message("user", f"squares {number * 7}"),)
        said.append(judge(messages))
        likelier = max(("PASS", "FAIL"), key=lambda word: log_probability(messages, word))
        assert said[-1] == likelier
    assert set(said) == {"PASS", "FAIL"}, "a judge that always says one word was not tried"
