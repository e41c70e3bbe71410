"""What a model said in chat, and its way into the review queue as one record.

Only what this program itself heard is sent: a client names an answer, it does not write one. What
this module does not do: score.
"""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Infrastructure
from ..records import Message
from ..records.sft_candidate import SftCandidate
from ..review.importing import NAME, Imported, import_file
from ..review.review_queue import ReviewQueue
from ..store import write_jsonl

SOURCE = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """One answer."""

    id: str
    model: str
    """``RECIPE:STAGE``."""
    model_hash: str
    messages: tuple[Message, ...]
    text: str = ""
    tokens_per_second: float | None = None

    @classmethod
    def new(cls, model: str, model_hash: str, messages: tuple[Message, ...]) -> ChatAnswer:
        """An answer that is about to be written."""
        return cls(id=str(uuid.uuid4()), model=model, model_hash=model_hash, messages=messages)

    def ended(self, text: str, tokens_per_second: float) -> ChatAnswer:
        return replace(self, text=text, tokens_per_second=round(tokens_per_second, 2))

    def record(self, *, by: str, note: str, at: str) -> SftCandidate:
        """The answer as the queue reads it; ``by`` and ``note`` are its reason."""
        last = next(
            turn.content for turn in reversed(self.messages) if turn.role in ("user", "tool")
        )
        return SftCandidate(
            id=self.id,
            source=SOURCE,
            benchmark_run_id=f"chat-{at[:10]}",
            timestamp=at,
            status="needs_review",
            prompt_messages=self.messages,
            model_response=self.text,
            corrected_response=None,
            quality_score=None,
            failure_reason=f"chat: {note.strip() or 'no reason given'} (sent by {by})",
            task_id=f"chat/{self.id}",
            task_type=SOURCE,
            task_name=" ".join(last.split())[:80],
            model_id=self.model,
            model_name=f"{self.model} ({self.model_hash[:12]})",
            node_id=None,
            gpu_id=None,
            tokens_per_sec=self.tokens_per_second,
        )


def send_to_review(
    desk: ReviewQueue, answer: ChatAnswer, *, by: str, note: str, at: str
) -> Imported:
    """Import one answer; sending it again changes nothing.

    Raises:
        Infrastructure: the queue refused its own record; the answer stays where it is.
    """
    with tempfile.TemporaryDirectory(prefix="sentinel-chat-") as folder:
        path = Path(folder) / NAME
        write_jsonl(path, [answer.record(by=by, note=note, at=at).to_json()])
        came = import_file(desk, path, actor=by)
    if came.quarantined:
        raise Infrastructure(
            "the queue could not read the answer: see its quarantine on the summary page."
        )
    return came
