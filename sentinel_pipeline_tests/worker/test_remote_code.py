"""No call that could run a checkpoint's or a data set's own code goes without saying that it may
not; what lies in a folder and cannot be used is bad input, by its name."""

from __future__ import annotations

import ast
import builtins
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.training.planning.plan_model import _config
from sentinel_pipeline.training.trainers.trainable import load_trainable
from sentinel_pipeline_tests.conftest import ROOT

SOURCES = sorted([*(ROOT / "sentinel_pipeline").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
METHODS = {"from_pretrained", "from_config"}
FUNCTIONS = {"load_dataset", "load_dataset_builder", "LLM", "SentenceTransformer"}
LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 16,
}


def silent_calls(text: str) -> list[str]:
    """Calls in a source that could run foreign code and do not say by ``trust_remote_code`` of this
    package whether they may."""
    tree = ast.parse(text)
    guarded = set(FUNCTIONS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "transformers":
            guarded |= {
                alias.asname or alias.name for alias in node.names if alias.name == "pipeline"
            }
    answers = {"trust_remote_code"} | {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "trust_remote_code"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    silent = []
    for node in ast.walk(tree):
        names = isinstance(node, ast.Attribute) and node.attr in METHODS
        names = names or (isinstance(node, ast.Name) and node.id in guarded)
        if not names or not isinstance(node, (ast.Attribute, ast.Name)):
            continue
        call = calls.get(id(node))
        words = [k.value for k in call.keywords if k.arg == "trust_remote_code"] if call else []
        value = words[0] if words else None
        if isinstance(value, ast.Call):
            value = value.func
        if not (isinstance(value, ast.Name) and value.id in answers):
            silent.append(f"line {node.lineno}: {ast.unparse(node)}")
    return silent


def test_every_call_that_could_run_foreign_code_says_that_it_may_not() -> None:
    silent = {str(path): silent_calls(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: calls for path, calls in silent.items() if calls} == {}


@pytest.mark.parametrize(
    "text",
    [
        "AutoConfig.from_pretrained(folder)",
        "AutoModel.from_config(config, trust_remote_code=True)",
        "load = load_dataset",
        "load_dataset(name, **options)",
        "from transformers import pipeline as p\np('text-generation')",
        "yes = True\nLLM(model=folder, trust_remote_code=yes)",
    ],
)
def test_a_call_that_leaves_it_open_is_found(text: str) -> None:
    assert silent_calls(text)


def test_nothing_reads_standard_input() -> None:
    for path in SOURCES:
        rooms = path.relative_to(ROOT).parts
        if rooms[:2] == ("sentinel_pipeline", "sandbox"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "input", f"{path}:{node.lineno}"


@pytest.fixture
def with_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint whose configuration, model and tokenizer are code of its own, and a person who
    would say yes to everything."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    config = {
        "model_type": "foreign",
        "auto_map": {
            "AutoConfig": "code.Foreign",
            "AutoModelForCausalLM": "code.ForeignModel",
            "AutoTokenizer": ["code.ForeignTokenizer", None],
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "ForeignTokenizer", "auto_map": config["auto_map"]})
    )
    ran = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(ran)!r}, 'w').close()\nraise SystemExit(0)\n")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))

    def agreeing(_: object = "") -> str:
        pytest.fail("somebody was asked")

    monkeypatch.setattr(builtins, "input", agreeing)
    return folder


def planned(folder: Path) -> object:
    from sentinel_pipeline.records.recipe import load_recipe

    text = (ROOT / "data/recipes/tiny.toml").read_text()
    place = folder.parent / "tiny.toml"
    start = text.index("[model]")
    end = text.index("\n[", start + 1)
    place.write_text(f'{text[:start]}[model]\nsource = "{folder}"\n{text[end:]}')
    return _config(load_recipe(place), None)


READERS: list[Callable[[Path], object]] = [
    load_tokenizer,
    load_model,
    lambda folder: load_trainable(folder, "full"),
    planned,
]
NAMES = ["tokenizer", "model", "trainable", "plan"]


@pytest.mark.parametrize("read", READERS, ids=NAMES)
def test_a_checkpoints_own_code_is_neither_run_nor_asked_about(
    read: Callable[[Path], object], with_code: Path
) -> None:
    with pytest.raises(BadInput, match="checkpoint") as caught:
        read(with_code)
    assert "trust_remote_code=True" not in str(caught.value)
    assert not (with_code.parent / "ran").exists()


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt"]
)
@pytest.mark.parametrize("read", READERS[1:3], ids=NAMES[1:3])
def test_a_pickle_is_bad_input_by_its_name_and_not_read(
    read: Callable[[Path], object], name: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / name).write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(BadInput, match=f"{name}.*is a pickle.*safetensors"):
        read(tmp_path)


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"\x00",
        b"\xff" * 64,
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (7).to_bytes(8, "little") + b"nothing",
        b"PK\x03\x04 a pickle under another name",
    ],
    ids=range(7),
)
@pytest.mark.parametrize("read", READERS[1:3], ids=NAMES[1:3])
def test_unusable_weights_are_bad_input(
    read: Callable[[Path], object], weights: bytes, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(BadInput, match=str(tmp_path)):
        read(tmp_path)


@pytest.mark.parametrize(
    "config",
    ["", "[]", "null", "3", '{"model_type": 5}', '{"model_type": "llama", "hidden_size": "wide"}',
     '{"model_type": "llama", "num_attention_heads": 0}', '{"model_type": "llama", "vocab_size": -1}',
     '{"model_type": "nothing"}', "{" * 5000],
    ids=range(10),
)  # fmt: skip
@pytest.mark.parametrize("read", READERS[1:3], ids=NAMES[1:3])
def test_an_unusable_configuration_is_bad_input(
    read: Callable[[Path], object], config: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BadInput, match=str(tmp_path)):
        read(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": {"type": "BPE", "vocab": 3}}', "\x00\x01"], ids=range(5)
)
def test_an_unusable_tokenizer_is_bad_input(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(BadInput, match="has no usable tokenizer"):
        load_tokenizer(tmp_path)


def test_what_is_whole_is_read_all_the_same(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

    values: dict[str, Any] = {key: value for key, value in LLAMA.items() if type(value) is int}
    config = LlamaConfig(**values)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer = Tokenizer(models.WordLevel({"<eos>": 0, "a": 1}, unk_token="<eos>"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>").save_pretrained(tmp_path)
    (tmp_path / "training_args.bin").write_bytes(pickle.dumps({}))
    assert load_model(tmp_path).config.hidden_size == 8
    assert load_trainable(tmp_path, "full").config.hidden_size == 8
    assert load_tokenizer(tmp_path).pad_token == "<eos>"
