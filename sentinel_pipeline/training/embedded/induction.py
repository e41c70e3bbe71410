"""First weights that copy: a small Llama whose first two layers begin with an induction circuit,
all of it trained on.

Copying from the prompt is what takes a small model longest to learn (a previous-token head and a
matching head must find each other: C. Olsson et al., 2022, "In-context Learning and Induction
Heads"). Here they begin found: head 0 of layer 0 attends to the token before, by rotary phases in
its query and key biases, and writes what it read; the first heads of layer 1 attend to where the
present token stood before, plus one, and write what stands there. It holds no knowledge of any
text; nothing is frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

PHASE_STRENGTH = 6.0
"""Bias amplitude of the previous-token head: its attention to that token begins near 0.9."""
MATCH_STRENGTH = 2.2
COPY_STRENGTH = 1.0
COPIERS = 2
"""Heads of layer 1 that begin as copiers."""
FAST = 0.1
SLOW = 0.05
"""Radians a position: pairs that turn faster than the first tell neighbours apart, slower than the
second hardly turn at all."""


def begin_as_copier(model: PreTrainedModel, seed: int) -> None:
    """Set the circuit in place; a model of one layer or without attention biases is left as it is.

    Residual writes of every other head and of all feed-forward layers begin at zero, so that the
    circuit reads clean tokens.
    """
    import torch

    config: Any = model.config
    layers: Any = model.get_decoder().layers
    if len(layers) < 2 or layers[0].self_attn.q_proj.bias is None:
        return
    size = config.hidden_size // config.num_attention_heads
    rate = float(config.rope_parameters["rope_theta"]) ** (-torch.arange(size // 2) / (size // 2))
    slow = (rate < SLOW).nonzero().flatten()
    matched = torch.cat([slow, slow + size // 2])
    generator = torch.Generator().manual_seed(seed)
    square = torch.empty(config.hidden_size, config.hidden_size)
    basis = torch.nn.init.orthogonal_(square, generator=generator)
    with torch.no_grad():
        for layer in layers:
            layer.self_attn.o_proj.weight.zero_()
            for name, weight in layer.mlp.named_parameters():
                # A dense layer's, every expert's (one tensor), the shared expert's.
                if name.endswith(("down_proj.weight", "down_proj")):
                    weight.zero_()
        embeddings: Any = model.get_input_embeddings()
        scale = float(embeddings.weight.std())
        _look_back(layers[0].self_attn, basis[: len(matched)], basis[-len(matched) :], rate, scale)
        for head in range(min(COPIERS, config.num_attention_heads)):
            _match_and_copy(layers[1].self_attn, head, basis, matched, size)


def _look_back(attention: Any, read: Tensor, write: Tensor, rate: Tensor, scale: float) -> None:
    """Head 0 attends one position back and writes what ``read`` sees there into the directions of
    ``write``."""
    import torch

    half = len(rate)
    strength = PHASE_STRENGTH * (rate > FAST)
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight[: 2 * half].zero_()
        projection.bias[: 2 * half].zero_()
    attention.k_proj.bias[:half] = strength
    attention.q_proj.bias[: 2 * half] = torch.cat([strength * rate.cos(), -strength * rate.sin()])
    attention.v_proj.weight[: 2 * half].zero_()
    attention.v_proj.weight[: len(read)] = read
    # What it reads has unit scale in each direction; what it writes should be as loud as the
    # embeddings it is added to.
    loudness = scale * (write.shape[1] / len(write)) ** 0.5
    attention.o_proj.weight[:, : len(write)] = loudness * write.T


def _match_and_copy(attention: Any, head: int, basis: Tensor, matched: Tensor, size: int) -> None:
    """The head's query sees the present token as layer 0 read it, its key the token before as layer
    0 wrote it."""
    first = head * size
    for projection, directions in (
        (attention.q_proj, basis[: len(matched)]),
        (attention.k_proj, basis[-len(matched) :]),
    ):
        projection.weight[first : first + size].zero_()
        projection.weight[first + matched] = MATCH_STRENGTH * directions
    copied = basis[head * size : head * size + size]
    attention.v_proj.weight[first : first + size] = copied
    attention.o_proj.weight[:, first : first + size] = COPY_STRENGTH * copied.T
