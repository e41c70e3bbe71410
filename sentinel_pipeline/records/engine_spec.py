"""Recipe sections about who generates: how vLLM is started, and which OpenAI-compatible servers are
asked. What this module does not do: start or ask one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import Count, Positive, PositiveShare
from .decode import Fault

EngineName = Literal["transformers", "vllm", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmSpec:
    """How vLLM is started wherever a recipe says ``engine = "vllm"``."""

    max_model_len: Count | None = None
    """Tokens of the longest prompt and its answer together; absent: what the prompts at hand need.
    A model's whole context may take more memory for its cache than the device has."""
    tensor_parallel_size: Count = 1
    """Devices that one copy of the model is divided over."""
    data_parallel_size: Count = 1
    """Copies of the model, each on devices of its own; the prompts are divided among them."""
    quantization: Literal["none", "bitsandbytes", "fp8"] = "none"
    """Weights while answering; ``bitsandbytes`` is 4 bit."""
    gpu_memory_utilization: PositiveShare = 0.9
    """Share of each device's memory that it takes."""

    @property
    def devices(self) -> int:
        return self.tensor_parallel_size * self.data_parallel_size


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel:
    """A model behind OpenAI-compatible servers, wherever a recipe says ``engine = "server"``."""

    model: str = ""
    """Its name there."""
    base_urls: tuple[str, ...] = ()
    """Servers of that same model, each with its version path; requests go to them in turn, and one
    that is out is passed over."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the servers' key."""
    concurrency: Count = 8
    """Requests at a time, to all servers together."""
    requests_per_minute: Positive | None = None
    timeout_s: Positive = 120.0
    max_retries: Count = 5
    """Requests for one item after its first, before it is given up."""
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The field that bounds an answer; OpenAI's reasoning models know the second alone."""
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None
    """Sent where it is given."""
    send_sampling: bool = True
    """Whether temperature, top_p and seed are sent: some reasoning models refuse them."""

    def require(self) -> None:
        """Raises Fault where it does not say whom to ask."""
        if not self.model:
            raise Fault("is missing", "model", "Name the served model.")
        if not self.base_urls:
            raise Fault("names no server", "base_urls", 'For example ["http://127.0.0.1:8000/v1"].')
        for index, url in enumerate(self.base_urls):
            if not url.startswith(("http://", "https://")):
                raise Fault(f"is {url!r}, expected http(s)://…", f"base_urls[{index}]")
