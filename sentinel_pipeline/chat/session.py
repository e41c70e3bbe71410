"""One checkpoint, loaded once, that streams answers to conversations one after the other.

Decoding is Transformers' own ``generate`` with a streamer: a person reads as it is written, and
stops it when enough is read. What this module does not do: decide who may talk (``guard``), keep
conversations, or batch; benchmarks answer in batches.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from ..generation.loading import load_model, load_tokenizer
from ..generation.prompts import render_chat
from .turn import Reply, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


LONGEST_TOKEN = 128
"""Characters; a conversation of more than this times the context fits no model, and is refused
before a template or a tokenizer reads it."""
COLDEST = 0.01
"""A lower temperature is greedy: dividing by it leaves the range of numbers."""


class Session:
    """A loaded model; answers wait for each other, since one device decodes one stream at a
    time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(folder)
        self.model: PreTrainedModel = load_model(folder)
        self.context = int(getattr(self.model.config, "max_position_embeddings", 0) or 1 << 30)
        ends = self.model.generation_config.eos_token_id if self.model.generation_config else None
        self._ends = {*(ends if isinstance(ends, list) else [ends]), self.tokenizer.eos_token_id}
        self.turn = threading.Lock()

    def stream(
        self, turn: Turn, cancelled: threading.Event, reply: Reply
    ) -> Generator[str, None, None]:
        """Pieces of the answer as they are decoded; set ``cancelled`` to end it. ``reply`` is
        filled on the way.

        Raises:
            BadInput: the tokenizer has no chat template, or the conversation leaves no room in the
                model's context.
        """
        from transformers import TextIteratorStreamer

        characters = sum(len(message.content) for message in turn.messages)
        if characters > self.context * LONGEST_TOKEN or len(turn.messages) > self.context:
            raise BadInput(
                f"the conversation has {len(turn.messages)} messages with {characters} characters, "
                f"and the model's context {self.context} tokens.",
                field="messages",
                fix="Start a new conversation or shorten it.",
            )
        text = render_chat(self.tokenizer, [message.to_dict() for message in turn.messages])
        inputs = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        reply.prompt_tokens = int(inputs["input_ids"].shape[1])
        room = min(turn.max_tokens, self.context - reply.prompt_tokens)
        if room <= 0:
            raise BadInput(
                f"the conversation has {reply.prompt_tokens} tokens and the model's context {self.context}.",
                field="messages",
                fix="Start a new conversation or shorten it.",
            )
        # Wait for the answers before this one, as long as somebody waits for this one.
        while not self.turn.acquire(timeout=0.1):
            if cancelled.is_set():
                reply.finish = "cancelled"
                return
        try:
            streamer = TextIteratorStreamer(
                self.tokenizer, skip_prompt=True, skip_special_tokens=True
            )
            worker = _Worker(self, inputs, turn, room, streamer, cancelled)
            worker.start()
            try:
                yield from streamer
            finally:
                if worker.is_alive():
                    cancelled.set()
                worker.join()
            if worker.error is not None:
                raise worker.error
            reply.completion_tokens = len(worker.tokens)
            if worker.stopped_early:
                reply.finish = "cancelled"
            elif len(worker.tokens) >= room and worker.tokens[-1] not in self._ends:
                reply.finish = "length"
        finally:
            self.turn.release()


class _Worker(threading.Thread):
    """``generate`` in a thread of its own; its error, where there is one, is the session's to
    raise."""

    def __init__(
        self,
        session: Session,
        inputs: Any,
        turn: Turn,
        room: int,
        streamer: Any,
        cancelled: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._inputs = inputs
        self._turn = turn
        self._room = room
        self._streamer = streamer
        self._cancelled = cancelled
        self.tokens: list[int] = []
        self.error: Exception | None = None
        self.stopped_early = False

    def run(self) -> None:
        try:
            self._generate()
        except Exception as error:
            self.error = error
            self._streamer.end()

    def _generate(self) -> None:
        import torch
        from transformers import StoppingCriteriaList

        model = self._session.model
        turn = self._turn
        if turn.seed is not None:
            torch.manual_seed(turn.seed)
        drawn = {
            "do_sample": True,
            "temperature": turn.temperature,
            "top_p": turn.top_p,
            "top_k": 0,
        }
        how = drawn if turn.temperature >= COLDEST else {"do_sample": False}
        with torch.inference_mode():
            out = model.generate(  # type: ignore[operator]  # nn.Module types it as a tensor
                **self._inputs.to(model.device),
                max_new_tokens=self._room,
                streamer=self._streamer,
                stopping_criteria=StoppingCriteriaList([self._enough]),
                pad_token_id=self._session.tokenizer.pad_token_id,
                **how,
            )
        self.tokens = out[0, self._inputs["input_ids"].shape[1] :].tolist()

    def _enough(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        if self._cancelled.is_set():
            self.stopped_early = True
        return torch.full((input_ids.shape[0],), self._cancelled.is_set(), device=input_ids.device)
