"""The device of a plan: its memory, arithmetic and bandwidth, and how long a model takes on it.

Times are of a roofline with the Python around it: arithmetic at a share of the peak, weights that
every pass reads, kernels that every layer starts. Numbers of GPUs are their makers', dense and in
16 bit; a machine without one is measured for a fraction of a second. What this module does not do:
know more than a recipe's earlier runs, where there are any.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ...records.engine_spec import VllmSpec
from ...records.training_spec import Budget, StageSpec
from .plan_model import FOUR_BIT, PlannedModel

READ_SHARE = 0.8
"""Of a device's bandwidth that long reads reach."""
LAYER_S = 0.6e-3
"""Seconds that Python and the driver take to start one layer's kernels, forward."""
ANSWER_SHARE = 0.5
"""Of the peak that a large batch of one token each reaches in vLLM."""
MEASURED_SHARE = 0.4
"""Of a measured peak that training and answering reach; a maker's is farther away."""
VLLM_ROWS = 256
"""Answers that vLLM has open at a time (its default)."""
LOAD_BYTES_S = 3e8
"""Bytes of weights that a rented machine's network disk gives in a second."""
START_S = {"transformers": 30.0, "vllm": 120.0, "server": 5.0}
"""Seconds until an engine's libraries, and of vLLM its graphs, are ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One device of the machine that a plan is for."""

    name: str
    memory_gib: float | None
    tflops: float | None
    """Dense peak in 16 bit."""
    bandwidth_gb_s: float | None
    """Of its memory; None where only a peak is known: then reading weights is not counted."""
    sixteen_bit: bool = True
    """Whether training computes in bfloat16 there."""
    measured: bool = False
    """Whether arithmetic and bandwidth were measured here, in float32, with all cores."""

    @property
    def weight_bytes(self) -> float:
        """Of a parameter that an answer reads."""
        return 2.0 if self.sixteen_bit else 4.0

    def reached(self, share: float) -> float:
        """Of the peak that work reaches here, where it is ``share`` of a maker's."""
        return MEASURED_SHARE if self.measured else share


def _gpu(name: str, memory: float, tflops: float, bandwidth: float) -> Hardware:
    return Hardware(name=name, memory_gib=memory, tflops=tflops, bandwidth_gb_s=bandwidth)


HARDWARE = {
    device.name: device
    for device in (
        _gpu("T4", 15, 65, 320),
        _gpu("V100-32GB", 32, 125, 900),
        _gpu("L4", 22.5, 121, 300),
        _gpu("A10G", 22.5, 70, 600),
        _gpu("RTX-3090", 24, 71, 936),
        _gpu("RTX-4090", 24, 165, 1008),
        _gpu("RTX-5090", 32, 210, 1792),
        _gpu("RTX-A6000", 48, 155, 768),
        _gpu("L40S", 45, 362, 864),
        _gpu("A100-40GB", 40, 312, 1555),
        _gpu("A100-80GB", 80, 312, 2039),
        _gpu("H100-80GB", 80, 989, 3350),
        _gpu("H200", 141, 989, 4800),
        _gpu("B200", 180, 2250, 8000),
        _gpu("MI250X", 64, 191, 1600),
        _gpu("MI300X", 192, 1307, 5300),
    )
}
"""Devices by the name that ``budget.device`` gives them."""


def hardware_of(budget: Budget) -> Hardware | None:
    """The device that a recipe plans for: what it names, else the GPU that is here; None where
    neither is known."""
    named = HARDWARE.get(budget.device) if budget.device else None
    if named is not None or budget.device_tflops or budget.device_memory_gib:
        return Hardware(
            name=named.name if named else "the device of the budget",
            memory_gib=budget.device_memory_gib or (named.memory_gib if named else None),
            tflops=budget.device_tflops or (named.tflops if named else None),
            bandwidth_gb_s=named.bandwidth_gb_s if named else None,
        )
    from ...worker.device import devices

    here = devices()[0]
    if here.kind == "cpu":
        return None
    # A name such as "NVIDIA A100-SXM4-80GB" holds that of the table, in another order.
    words = here.name.upper().replace("-", " ").split()
    near = [
        device
        for device in HARDWARE.values()
        if set(device.name.upper().replace("GB", "").split("-"))
        <= {word.replace("GB", "") for word in words}
    ]
    known = near[0] if near else None
    return Hardware(
        name=here.name,
        memory_gib=here.memory_bytes / 2**30,
        tflops=known.tflops if known else None,
        bandwidth_gb_s=known.bandwidth_gb_s if known else None,
        sixteen_bit=here.kind != "mps",
    )


@cache
def this_processor() -> Hardware:
    """The processor of a machine that has no GPU, measured: a product of two matrices and a copy,
    in float32, each the best of some.

    Its memory is not given: what does not fit is warned of, never refused, for the system can page.
    """
    import torch

    from ...worker.device import cores

    side = 1024
    matrix = torch.ones(side, side)
    block = torch.zeros(32 * 2**20 // 4)
    target = torch.empty_like(block)

    def best(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    multiplying = best(lambda: matrix @ matrix)
    copying = best(lambda: target.copy_(block))
    return Hardware(
        name=f"this machine's processor ({cores()} cores)",
        memory_gib=None,
        tflops=2.0 * side**3 / multiplying / 1e12,
        # A copy reads and writes.
        bandwidth_gb_s=2.0 * block.nbytes / copying / 1e9,
        sixteen_bit=False,
        measured=True,
    )


def train_seconds(
    model: PlannedModel,
    spec: StageSpec,
    hardware: Hardware,
    utilisation: float,
    tokens: float,
    passes: float,
    *,
    reference: bool = False,
    processes: int = 1,
) -> float:
    """Seconds of training on ``tokens`` tokens in ``passes`` forward and backward passes.

    Forward takes 2 operations a parameter and token, backward 4, of which an adapter needs half:
    its base gets no gradients (Kaplan et al., 2020, arXiv:2001.08361, section 2.1). Checkpointing
    computes forward once more, and ``reference`` is one forward pass of another model or none of
    the adapter.
    """
    forwards = 1.0 + spec.gradient_checkpointing + reference
    backward = 2.0 if spec.method == "lora" else 4.0
    assert hardware.tflops is not None
    peak = hardware.tflops * 1e12 * utilisation
    if hardware.bandwidth_gb_s is None:
        return (2.0 * forwards + backward) * model.parameters * tokens / peak / processes
    seconds = (2.0 * forwards + backward) * model.active_parameters * tokens / peak
    rate = hardware.bandwidth_gb_s * 1e9 * READ_SHARE
    weight_bytes = hardware.weight_bytes * model.parameters
    if spec.load_in_4bit:
        # Each layer is unpacked to 16 bit before it is used: read packed, written, read again.
        weight_bytes = (FOUR_BIT + 4.0) * model.parameters
    reading = weight_bytes * (forwards + 1.0) / rate
    starting = LAYER_S * model.layers * (forwards + 2.0)
    # Moments, masters and gradients are read and written once a step; a pass is nearly one.
    updating = 24.0 * model.trained(spec) / rate / max(spec.gradient_accumulation_steps, 1)
    # Processes divide the arithmetic; each reads its own weights at every pass.
    return max(seconds / processes + passes * (reading + updating), passes * starting)


def answer_seconds(
    model: PlannedModel,
    hardware: Hardware,
    engine: str,
    vllm: VllmSpec,
    *,
    items: float,
    batch: int,
    prompt_tokens: float,
    answer_tokens: float,
    longest: float,
    four_bit: bool = False,
) -> float:
    """Seconds of answering ``items`` prompts, the engine's start included.

    Args:
        answer_tokens: of a mean answer.
        longest: of the longest answer of a batch, which a loop over batches waits for.
    """
    assert hardware.tflops is not None and hardware.bandwidth_gb_s is not None
    peak = hardware.tflops * 1e12
    rate = hardware.bandwidth_gb_s * 1e9 * READ_SHARE
    weight_bytes = (FOUR_BIT + 4.0 if four_bit else hardware.weight_bytes) * model.parameters
    share = hardware.reached(ANSWER_SHARE)
    loading = 2.0 * model.parameters / LOAD_BYTES_S + START_S[engine]
    prefill = 2.0 * model.active_parameters * items * prompt_tokens / (peak * share)
    if engine != "transformers":
        copies = vllm.data_parallel_size
        rows = min(VLLM_ROWS, max(items / copies, 1.0))
        step = weight_bytes / vllm.tensor_parallel_size / rate
        step += (
            2.0 * model.active_parameters * rows / (peak * ANSWER_SHARE * vllm.tensor_parallel_size)
        )
        return loading + (prefill + step * items * answer_tokens / rows) / copies
    batches = -(-items // batch)
    cache = model.cache_bytes * batch * (prompt_tokens + longest / 2)
    # A processor multiplies hardly faster than it reads.
    multiplying = 2.0 * model.active_parameters * min(batch, items) / (peak * share)
    step = max((weight_bytes + cache) / rate, multiplying) + LAYER_S * model.layers
    return loading + prefill + batches * longest * step
