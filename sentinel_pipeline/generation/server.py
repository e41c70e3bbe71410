"""An OpenAI-compatible server as an engine: requests in parallel, retries, a rate limit, and every
token counted.

``chat`` goes to ``/chat/completions`` as messages, and the server renders them; ``cue`` and ``raw``
go to ``/completions`` as text. Reasoning that the server tells apart stands before the answer as a
thought; reasoning without an answer is a thought that never ended. An item whose request fails for
good is left out: trouble of a server is infrastructure, never an answer. What this module does not
do: trust a byte of a reply, follow redirects, or keep a key anywhere but in the request's header.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..candidates.turns import plain_turn
from ..critic.thoughts import with_thought
from ..errors import BadInput, Infrastructure
from ..records import Message
from ..records.decoding import Decoding
from ..records.engine_spec import ServerModel
from ..sandbox.outcomes import one_line
from .answer import Answer
from .prompts import Prompt, plain

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT_S = 60.0
_TOO_LONG = (
    "context length",
    "context_length",
    "maximum context",
    "too many tokens",
    "max_model_len",
    "too long",
)
_FILTERED = ("content_filter", "content filter", "content management policy", "content_policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """Where a model is served, and how hard it may be asked."""

    base_url: str
    """With its version path: ``http://127.0.0.1:8000/v1``."""
    more_urls: tuple[str, ...] = ()
    """Further servers of the same model: requests go to all in turn."""
    model: str
    key: str | None = field(default=None, repr=False)
    concurrency: int = 8
    requests_per_minute: float | None = None
    timeout_s: float = 120.0
    tries: int = 6
    """Requests for one item before it is given up."""
    wait_s: float = 1.0
    """First pause before a retry; it doubles, up to a minute. A server's own ``Retry-After`` is
    kept."""
    token_limit: str = "max_tokens"
    """The field that bounds an answer: OpenAI's reasoning models know ``max_completion_tokens``
    alone."""
    reasoning_effort: str | None = None
    """Sent where it is given."""
    sampling: bool = True
    """Whether temperature, top_p and seed are sent: some reasoning models refuse them."""

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.base_url, *self.more_urls)


@dataclass(slots=True)
class Usage:
    """What was asked and what it took."""

    requests: int = 0
    retries: int = 0
    failed: int = 0
    """Items that were given up."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def cost(self, price_in: float, price_out: float) -> float:
        """In the prices' currency; prices are for a million tokens."""
        return (self.prompt_tokens * price_in + self.completion_tokens * price_out) / 1e6


class Reply(NamedTuple):
    """The first choice of a reply."""

    text: str
    """The answer; empty where the model ended within its thought."""
    finish_reason: str
    tokens: int
    thought: str = ""
    """What the server tells apart as reasoning."""


class _GivenUp(Exception):
    """One item's request failed for good."""


class Server:
    """The engine, and ``ask`` for whoever needs one reply (judges). Use as a context manager."""

    def __init__(self, spec: ServerSpec) -> None:
        import httpx

        for url in spec.urls:
            if not url.startswith(("http://", "https://")):
                raise BadInput(f"not an http or https address: {url!r}.", field="--base-url")
        self.spec, self.usage = spec, Usage()
        self._turn = 0
        self._rests: dict[str, float] = {}
        """Server -> when it may be asked again, of those that failed."""
        headers = {"Authorization": f"Bearer {spec.key}"} if spec.key else {}
        limits = httpx.Limits(max_connections=spec.concurrency)
        self._client = httpx.Client(
            headers=headers, timeout=spec.timeout_s, limits=limits, follow_redirects=False
        )
        self._lock = threading.Lock()
        self._next_start = 0.0
        self._failures_in_a_row = 0
        self._last_problem = ""

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def __call__(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
        """Answers as they come, one a list. In an outage nothing more is asked, and what is under
        way is waited for.

        Raises:
            BadInput: the server refuses the key, the model or the request.
            Infrastructure: item after item fails; what was answered is kept.
        """
        todo = iter(prompts)
        pool = ThreadPoolExecutor(self.spec.concurrency)
        running: dict[Future[Answer], str] = {}
        try:
            while True:
                while (
                    not self._is_out()
                    and len(running) < self.spec.concurrency
                    and (prompt := next(todo, None))
                ):
                    running[pool.submit(self._answer, prompt, decoding)] = prompt.id
                if not running and self._is_out():
                    raise Infrastructure(
                        f"{self.spec.base_url} is out: {self._failures_in_a_row} items in a row "
                        f"failed, the last by {self._last_problem}. What was answered is kept: "
                        "run the same command again."
                    )
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[done]
                    with suppress(_GivenUp):
                        yield [done.result()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def ask(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Reply:
        """One chat reply.

        Raises:
            BadInput: the server refuses the key, the model or the request.
            Infrastructure: no reply after every retry.
        """
        body = {"messages": [turn.to_dict() for turn in messages], "seed": seed}
        try:
            return self._post(
                "chat/completions", body | {"max_tokens": max_tokens, "temperature": temperature}
            )
        except _GivenUp as error:
            raise Infrastructure(
                f"{self.spec.base_url}: {error}. Nothing was decided; run again."
            ) from error

    def _answer(self, prompt: Prompt, decoding: Decoding) -> Answer:
        started = time.perf_counter()
        body: dict[str, Any] = {
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
        }
        if decoding.temperature > 0:
            digest = hashlib.sha256(f"{decoding.seed}|{prompt.id}".encode()).digest()
            body |= {"top_p": decoding.top_p, "seed": int.from_bytes(digest[:4], "big") >> 1}
        if decoding.prompt_format == "chat":
            body["messages"] = [turn.to_dict() for turn in prompt.messages]
            reply = self._post("chat/completions", body)
        else:
            body["prompt"] = plain(prompt.messages, decoding.prompt_format)
            reply = self._post("completions", body)
        seconds = round(time.perf_counter() - started, 6)
        completion = with_thought(reply.thought, reply.text)
        stopped = reply.finish_reason in ("stop", "tool_calls", "function_call")
        return Answer(prompt.id, completion, stopped, reply.tokens, seconds)

    def _post(self, path: str, body: dict[str, Any]) -> Reply:
        problem = ""
        for attempt in range(self.spec.tries):
            self._keep_rate()
            url = self._next_url()
            reply, problem, pause = self._try(url, path, body)
            if reply is not None:
                self._failures_in_a_row = 0
                return reply
            if self._is_out():
                break
            if attempt + 1 < self.spec.tries:
                self.usage.retries += 1
                wait_s = self.spec.wait_s * 2**attempt if pause is None else pause
                # Another server may take the item at once.
                if not self._another_than(url, min(_LONGEST_WAIT_S, wait_s)):
                    time.sleep(min(_LONGEST_WAIT_S, wait_s))
        with self._lock:
            self.usage.failed += 1
            self._failures_in_a_row += 1
            self._last_problem = problem
        raise _GivenUp(f"{problem} after {attempt + 1} {'tries' if attempt else 'try'}")

    def _next_url(self) -> str:
        """The next server in turn that is not resting; the first to be ready where all are."""
        urls = self.spec.urls
        with self._lock:
            self._turn += 1
            in_turn = [urls[(self._turn + index) % len(urls)] for index in range(len(urls))]
            now = time.monotonic()
            ready = [url for url in in_turn if self._rests.get(url, 0.0) <= now]
            return ready[0] if ready else min(urls, key=lambda url: self._rests[url])

    def _another_than(self, failed: str, rest_s: float) -> bool:
        """Whether another server can be asked while the one that failed rests."""
        now = time.monotonic()
        with self._lock:
            self._rests[failed] = now + rest_s
            return any(self._rests.get(url, 0.0) <= now for url in self.spec.urls)

    def require_serves(self, folder: Path) -> None:
        """Hold what each server says of its model against the weights that are to answer.

        Raises:
            Infrastructure: a server cannot be reached, or serves other weights or none that it
                names: its answers would not be evidence about these.
        """
        import httpx

        for url in self.spec.urls:
            try:
                response = self._client.get(f"{url.rstrip('/')}/models")
                models = response.json()["data"]
                served = next(row for row in models if row["id"] == self.spec.model)
                root = served.get("root")
            except (httpx.TransportError, ValueError, KeyError, TypeError, StopIteration) as error:
                raise Infrastructure(
                    f"{url} does not tell of a model {self.spec.model!r} ({type(error).__name__}). "
                    f"{_how_to_serve(folder, self.spec.model)}"
                ) from error
            if not isinstance(root, str) or Path(root).resolve() != folder.resolve():
                raise Infrastructure(
                    f"{url} serves {one_line(str(root))} as {self.spec.model!r}, not the weights to be asked. "
                    f"{_how_to_serve(folder, self.spec.model)}"
                )

    def _try(
        self, url: str, path: str, body: dict[str, Any]
    ) -> tuple[Reply | None, str, float | None]:
        """A reply, or what was wrong and how long the server wants us to wait."""
        import httpx

        try:
            response = self._client.post(f"{url.rstrip('/')}/{path}", json=self._body(body))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return None, f"{type(error).__name__}: {one_line(str(error))}", None
        finally:
            with self._lock:
                self.usage.requests += 1
        if response.status_code in RETRIED:
            pause = _retry_after(response.headers.get("retry-after"))
            return None, f"HTTP {response.status_code}", pause
        if response.status_code != 200:
            return self._refused(response.status_code, response.text), "", None
        try:
            return self._read(response.json()), "", None
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            return None, f"not a reply in OpenAI's shape ({type(error).__name__})", None

    def _body(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request in the words that this model knows."""
        sent = {"model": self.spec.model, **body}
        sent[self.spec.token_limit] = sent.pop("max_tokens")
        if not self.spec.sampling:
            for name in ("temperature", "top_p", "seed"):
                sent.pop(name, None)
        if self.spec.reasoning_effort is not None:
            sent["reasoning_effort"] = self.spec.reasoning_effort
        return sent

    def _refused(self, status: int, text: str) -> Reply:
        """What a 4xx says: too long a prompt and a filter are the answer's fate; anything else is
        ours to fix."""
        folded = text[:10_000].casefold()
        if status in (400, 413, 422) and any(sign in folded for sign in _TOO_LONG):
            return Reply("", "length", 0)
        if status in (400, 403) and any(sign in folded for sign in _FILTERED):
            return Reply("", "content_filter", 0)
        fixes = {
            401: "Check the key's environment variable.",
            403: "Check the key.",
            404: "Check --base-url and the model's name.",
        }
        if status == 400 and "max_completion_tokens" in folded:
            fixes[400] = (
                "Bound its answers by that field: --token-limit max_completion_tokens, or token_limit "
                "in the recipe."
            )
        elif status == 400 and any(name in folded for name in ("temperature", "top_p", "'seed'")):
            fixes[400] = (
                "Leave them out: --no-send-sampling, or send_sampling = false in the recipe."
            )
        raise BadInput(
            f"{self.spec.base_url} refused the request for model {self.spec.model!r}: HTTP {status}: {one_line(text, 300)}",
            fix=fixes.get(status, "Change what the server complains about."),
        )

    def _read(self, data: dict[str, Any]) -> Reply:
        choice = data["choices"][0]
        message = choice.get("message")
        text = choice["text"] if message is None else message.get("content")
        if not isinstance(text, str) and text is not None:
            raise TypeError("content is not text")
        # vLLM and DeepSeek, OpenRouter, Ollama: three names for the same thing.
        names = ("reasoning_content", "reasoning", "thinking")
        fields = (message.get(name) for name in names) if isinstance(message, dict) else ()
        thought = next((value for value in fields if isinstance(value, str) and value), "")
        usage = data.get("usage") or {}
        tokens = int(usage.get("completion_tokens") or 0)
        with self._lock:
            self.usage.prompt_tokens += int(usage.get("prompt_tokens") or 0)
            self.usage.completion_tokens += tokens
        if message is not None:
            text = _with_calls(message, text or "")
        return Reply(text or "", str(choice.get("finish_reason")), tokens, thought)

    def _keep_rate(self) -> None:
        if not self.spec.requests_per_minute:
            return
        with self._lock:
            start = max(time.monotonic(), self._next_start)
            self._next_start = start + 60 / self.spec.requests_per_minute
        time.sleep(max(0.0, start - time.monotonic()))

    def _is_out(self) -> bool:
        return self._failures_in_a_row >= max(4, self.spec.concurrency)


def spec_of(served: ServerModel) -> ServerSpec:
    """How a recipe's ``[server]`` is asked; the key is read from the environment now."""
    return ServerSpec(
        base_url=served.base_urls[0],
        more_urls=served.base_urls[1:],
        model=served.model,
        key=os.environ.get(served.key_env),
        concurrency=served.concurrency,
        requests_per_minute=served.requests_per_minute,
        timeout_s=served.timeout_s,
        tries=served.max_retries + 1,
        token_limit=served.token_limit,
        reasoning_effort=served.reasoning_effort,
        sampling=served.send_sampling,
    )


def _how_to_serve(folder: Path, model: str) -> str:
    return f"Serve them: vllm serve {folder} --served-model-name {model}"


def _with_calls(message: dict[str, Any], text: str) -> str:
    """The words of a reply with the tools that it calls, as rows are written; a refusal where it
    says nothing else."""
    calls = message.get("tool_calls")
    called = message.get("function_call")
    if not calls and not called:
        refusal = message.get("refusal")
        return refusal if not text and isinstance(refusal, str) else text
    names = ("tool_calls", "function_call")
    turn = {"role": "assistant", "content": text} | {name: message.get(name) for name in names}
    try:
        return str(plain_turn(turn, 0)["content"])
    except (ValueError, TypeError, AttributeError):
        # A broken call is the model's: it is judged as it stands.
        return f"{text}\n{json.dumps(calls or called, ensure_ascii=False)}".strip()


def _retry_after(value: str | None) -> float | None:
    """Seconds, or a date of HTTP; None where neither can be read."""
    if value is None:
        return None
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None
