"""vLLM without vLLM: a stand-in with its interface says how it was started and asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel_pipeline.errors import Infrastructure
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.generation.prompts import Prompt
from sentinel_pipeline.generation.vllm_engine import VllmEngine, vllm_engine
from sentinel_pipeline.records import Message
from sentinel_pipeline.records.engine_spec import VllmSpec
from sentinel_pipeline_tests.training.material import pretrain_small

FAKE = """
import json, os, pathlib
STARTED = pathlib.Path(__file__).with_name("started.jsonl")

class SamplingParams:
    def __init__(self, **settings):
        self.__dict__.update(settings)

class Out:
    def __init__(self, text, ids, reason):
        self.text, self.token_ids, self.finish_reason = text, ids, reason

class Request:
    def __init__(self, out):
        self.outputs = [out]

class LLM:
    def __init__(self, **options):
        if options["max_model_len"] > 10_000:
            raise ValueError("not enough KV cache for max_model_len")
        row = {"options": options, "devices": os.environ.get("CUDA_VISIBLE_DEVICES"), "pid": os.getpid()}
        with STARTED.open("a") as stream:
            stream.write(json.dumps(row) + chr(10))

    def generate(self, prompts, settings, use_tqdm):
        return [Request(Out(f"{len(p['prompt_token_ids'])} {s.seed}", [1, 2, 3], "stop")) for p, s in zip(prompts, settings)]
"""
PROMPTS = [Prompt(f"p{index}", (Message("user", "word " * (index + 1)),)) for index in range(9)]
GREEDY = Decoding(max_new_tokens=16, batch_size=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentinel_pipeline.training.embedded.embedded_model.TOKENIZER_DOCUMENTS", 300)
        patch.setattr("sentinel_pipeline.training.embedded.embedded_model.TOKENIZER_SOURCES", 5)
        return pretrain_small(tmp_path_factory.mktemp("base"))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that is imported as vllm, in child processes too; returns where starts are told."""
    (tmp_path / "vllm.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    sys.modules.pop("vllm", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield tmp_path / "started.jsonl"
    sys.modules.pop("vllm", None)


def started(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_is_started_when_asked_with_room_for_the_prompts_at_hand(
    fake: Path, small: Path
) -> None:
    engine = VllmEngine(small)
    assert not fake.exists(), "nothing is loaded before there is something to answer"
    answers = [answer for batch in engine(PROMPTS, GREEDY) for answer in batch]
    assert {answer.id for answer in answers} == {prompt.id for prompt in PROMPTS}
    assert all(answer.stopped and answer.tokens == 2 for answer in answers)
    (start,) = started(fake)
    assert start["options"] == {
        "model": str(small), "max_model_len": 256, "tensor_parallel_size": 1, "gpu_memory_utilization": 0.9,
        "enable_prefix_caching": True, "trust_remote_code": False,
    }  # fmt: skip
    list(engine(PROMPTS[:2], GREEDY))
    assert len(started(fake)) == 1, "what fits is answered by the same copy"


def test_the_recipe_says_how(fake: Path, small: Path) -> None:
    spec = VllmSpec(
        max_model_len=96, tensor_parallel_size=2, quantization="bitsandbytes", gpu_memory_utilization=0.5
    )  # fmt: skip
    with vllm_engine(small, spec) as engine:
        answers = {a.id: a for batch in engine(PROMPTS, GREEDY) for a in batch}
    options = started(fake)[0]["options"]
    assert isinstance(options, dict)
    assert (options["max_model_len"], options["tensor_parallel_size"]) == (96, 2)
    assert (options["quantization"], options["gpu_memory_utilization"]) == ("bitsandbytes", 0.5)
    assert len(answers) == len(PROMPTS)


def test_a_prompt_beyond_the_bound_is_an_empty_answer(fake: Path, small: Path) -> None:
    with vllm_engine(small, VllmSpec(max_model_len=12)) as engine:
        answers = {a.id: a for batch in engine(PROMPTS, GREEDY) for a in batch}
    assert answers["p8"].completion == "" and not answers["p8"].stopped
    assert len(answers) == len(PROMPTS)


def test_what_does_not_start_says_which_keys_to_change(
    fake: Path, small: Path, tmp_path: Path
) -> None:
    import shutil

    large = Path(shutil.copytree(small, tmp_path / "large"))
    config = json.loads((large / "config.json").read_text())
    config["max_position_embeddings"] = 131_072
    (large / "config.json").write_text(json.dumps(config))
    engine = VllmEngine(large, VllmSpec(max_model_len=50_000))
    with pytest.raises(Infrastructure, match=r"vLLM did not start.*KV cache.*vllm\.max_model_len"):
        list(engine(PROMPTS, GREEDY))
    assert not fake.exists()


def test_copies_are_processes_on_devices_of_their_own(
    fake: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    sampled = replace(GREEDY, temperature=1.0)
    with vllm_engine(small, VllmSpec()) as engine:
        alone = {a.id: a.completion for batch in engine(PROMPTS, sampled) for a in batch}
    spec = VllmSpec(data_parallel_size=2, tensor_parallel_size=2)
    with vllm_engine(small, spec) as engine:
        answers = {a.id: a.completion for batch in engine(PROMPTS, sampled) for a in batch}
    assert answers == alone, "an item's draw does not depend on who answers it"
    copies = started(fake)[1:]
    assert sorted(str(row["devices"]) for row in copies) == ["4,5", "6,7"]
    assert len({row["pid"] for row in copies}) == 2


def test_a_copy_that_dies_is_infrastructure(
    fake: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel_pipeline.generation.vllm_engine._serve", _dies)
    with (
        pytest.raises(Infrastructure, match="a copy of vLLM ended without an error message"),
        vllm_engine(small, VllmSpec(data_parallel_size=2)) as engine,
    ):
        list(engine(PROMPTS, GREEDY))
    assert not fake.exists()


def _dies(*_: object) -> None:
    import os

    os._exit(9)


def test_without_vllm_it_says_what_to_install(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(Infrastructure, match=r"pip install 'sentinel-pipeline\[gpu\]'"):
        VllmEngine(small)


@pytest.mark.gpu
def test_vllm_itself_answers(small: Path) -> None:
    import torch

    pytest.importorskip("vllm", reason="vLLM is missing")
    if not torch.cuda.is_available():
        pytest.skip("a CUDA or ROCm device is missing")
    with vllm_engine(small, VllmSpec(gpu_memory_utilization=0.3)) as engine:
        answers = [a for batch in engine(PROMPTS, GREEDY) for a in batch]
    assert len(answers) == len(PROMPTS)
