"""A base model writes instructions, then responses to them (after Wang et al., 2022,
arXiv:2212.10560), as the stage 1 plan asks; or whole conversations, as the stage 1 findings do.

It reads plain text: no chat template, no special token but a text's own opening, and both are
verified (``guards``, ``prompts.encode``), never assumed. Rounds of attempts ask for the categories
that lack most and for their least used topics; an instruction that is near one that is there is
refused, and so is a row that the critic does not accept. Each round is appended as one piece, and
all that it draws comes from the seed and its number: a killed run goes on and ends with the same
rows. What this module does not do: load a model, or let a row past the critic.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from ..critic.labels import label
from ..critic.repetition import invalid_text
from ..mix.normal import words
from ..records import Candidate, Message
from ..records.candidate import content_id
from ..records.data_spec import CriticSpec, SelfGenerated
from ..records.decoding import Decoding
from ..secrets import mask
from ..store.files import whole_lines
from . import conversations
from .answers import Answer, Engine, open_for_append
from .guards import Known
from .prompts import Prompt, plain
from .topics import SHOWN, TOPICS, Shown

ROUND = 32
"""Attempts between two appends: what a kill costs at most."""
SOURCE = "model:base"
_UNANSWERED = ("length", "form", "near_duplicate", "repetition")
"""Why an instruction is not answered, or a conversation read no further; one that was answered is
not written again, whatever became of it."""
WORDS = (3, 80)
"""Fewest and most words of an instruction."""
_CUES = re.compile(r"\n\s*(?:Topic|Instruction):")
_LEAD = re.compile(r"\s*(?:Instruction:)?[ \t]*")
Judge = Callable[[Iterable[Candidate]], Iterator[Any]]
Told = Callable[[int, int, int], None]
"""Called after a round with (rows accepted, attempts made, tokens generated since the start)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One instruction that was asked for, and what became of it."""

    round: int
    number: int
    category: str
    topic: str
    instruction: str
    response: str
    reason: str
    """``accepted``, or why not."""
    turns: list[dict[str, str]] = field(default_factory=list)
    """Of a conversation the turns before ``response``, the user's last; ``instruction`` is then
    what the user says in all of them, and ``category`` its kind."""

    @property
    def messages(self) -> tuple[Message, ...]:
        if self.turns:
            return tuple(Message(turn["role"], turn["content"]) for turn in self.turns)
        return (Message("user", self.instruction),)

    def to_row(self) -> dict[str, str]:
        """The stage 1 plan's row: ``formatted_text`` is what the base model would read,
        ``completion`` its end, which is learnt."""
        prompt = plain(self.messages, "cue")
        answer = f" {self.response}"
        return {
            "instruction": self.instruction,
            "response": self.response,
            "formatted_text": prompt + answer,
            "completion": answer,
        }

    def to_candidate(self) -> Candidate:
        return Candidate(
            id=content_id(self.messages, f"{SOURCE}|{self.response}"),
            source=SOURCE,
            messages=self.messages,
            completion=self.response,
            category=conversations.CATEGORY if self.turns else self.category,
        )


def _without_secrets(attempt: Attempt) -> Attempt:
    """What was refused is kept to be looked at, and nothing is made from it."""
    return attempt if attempt.reason == "accepted" else Attempt(**mask(asdict(attempt)))


@dataclass(slots=True)
class Writer:
    """Rounds of attempts over one engine."""

    engine: Engine
    spec: SelfGenerated
    shares: Mapping[str, float]
    """Category -> its share; those without topics are left out."""
    seed: int
    batch_size: int
    ends: Sequence[str]
    """Texts of special tokens: the model's own end of a document."""
    judge: Judge
    attempts: list[Attempt] = field(default_factory=list)
    tokens: int = 0

    @property
    def accepted(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.reason == "accepted"][
            : self.spec.rows
        ]

    @property
    def done(self) -> bool:
        return (
            len(self.accepted) >= self.spec.rows
            or len(self.attempts) >= self.spec.attempts * self.spec.rows
        )

    def write(self, path: Path, report: Told = lambda accepted, tried, tokens: None) -> None:
        """Go on from the whole rounds of ``path`` until enough is accepted or the attempts are used
        up."""
        self.attempts = read_attempts(path)
        guards = Known(
            self.spec.near_duplicates,
            self._demonstrated(),
        )
        for attempt in self.attempts:
            if attempt.reason.partition(":")[0] not in _UNANSWERED:
                guards.add(attempt.instruction)
        with open_for_append(path) as stream:
            while not self.done:
                attempts = [
                    _without_secrets(attempt)
                    for attempt in self._round(len(self.attempts) // ROUND, guards)
                ]
                self.attempts += attempts
                stream.write(
                    json.dumps([asdict(attempt) for attempt in attempts], ensure_ascii=False) + "\n"
                )
                stream.flush()
                os.fsync(stream.fileno())
                report(len(self.accepted), len(self.attempts), self.tokens)

    def _demonstrated(self) -> list[str]:
        """What is shown to the model counts as written."""
        if self.spec.kind == "conversations":
            shown = conversations.SHOWN_CONVERSATIONS
            return ["\n".join(each.turns[::2]) for each in shown]
        return [shown.instruction for group in SHOWN.values() for shown in group]

    @property
    def topics(self) -> Mapping[str, Sequence[str]]:
        """Category, or kind of conversation -> its topics."""
        if self.spec.kind == "conversations":
            return conversations.CONVERSATION_TOPICS
        return TOPICS

    def _round(self, number: int, guards: Known) -> list[Attempt]:
        if self.spec.kind == "conversations":
            return list(self._judged(self._conversations(number, guards)))
        accepted = self.accepted
        slots = self._slots(number, accepted)
        requests = [
            self._instruction_prompt(number, at, *slot, accepted) for at, slot in enumerate(slots)
        ]
        texts = [
            self._first_line(answer.completion)
            for answer in self._ask(requests, self.spec.instruction_tokens)
        ]
        attempts = [
            Attempt(round=number, number=at, category=category, topic=topic, instruction=text, response="", reason=reason)
            for at, ((category, topic), (text, reason)) in enumerate(
                zip(slots, ((text, self._refused(text, guards)) for text in texts), strict=True)
            )
        ]  # fmt: skip
        # Only instructions that were not refused are answered; the judge sees them in their order.
        open_ones = [attempt for attempt in attempts if not attempt.reason]
        prompts = [self._response_prompt(attempt) for attempt in open_ones]
        answers = self._ask(prompts, self.spec.response_tokens)
        answered = {
            attempt.number: self._answered(attempt, answer)
            for attempt, answer in zip(open_ones, answers, strict=True)
        }
        return list(self._judged([answered.get(attempt.number, attempt) for attempt in attempts]))

    def _conversations(self, number: int, guards: Known) -> list[Attempt]:
        """A whole conversation an attempt, with why it goes no further."""
        slots = self._slots(number, self.accepted)
        chances = [Random(f"shown|{self.seed}|{number}|{at}") for at in range(len(slots))]
        prompts = [
            Prompt(
                f"{self.seed}|{number}|{at}|conversation",
                (Message("user", conversations.request(kind, topic, chance)),),
            )
            for at, ((kind, topic), chance) in enumerate(zip(slots, chances, strict=True))
        ]
        attempts = []
        answers = self._ask(prompts, self.spec.conversation_tokens)
        for at, ((kind, topic), answer) in enumerate(zip(slots, answers, strict=True)):
            text, ended = self._until_end(answer.completion)
            turns, reason = conversations.read_turns(text, *self.spec.turns)
            asked = conversations.asked_text(turns)
            if not reason and (broken := invalid_text(text)):
                reason = f"form: {broken}"
            if not reason:
                near = guards.nearest(asked)
                if near >= self.spec.near_duplicates:
                    reason = f"near_duplicate: {near:.2f} like one that is there"
                else:
                    guards.add(asked)
            whole = len(turns) == 2 * self.spec.turns[1]
            if not (reason or ended or answer.stopped or whole):
                # Its last answer is cut off where the tokens ran out.
                reason = f"unfinished: no end within {self.spec.conversation_tokens} tokens"
            response = turns[-1].content if turns and turns[-1].role == "assistant" else ""
            earlier = turns[:-1] if response else turns
            attempts.append(
                Attempt(
                    round=number,
                    number=at,
                    category=kind,
                    topic=topic,
                    instruction=asked,
                    response=response,
                    reason=reason,
                    turns=[turn.to_dict() for turn in earlier],
                )
            )
        return attempts

    def _slots(self, number: int, accepted: Sequence[Attempt]) -> list[tuple[str, str]]:
        """Category and topic of each attempt: the category that lacks most by its share, then its
        least used topic."""
        names = [name for name in self.shares if name in self.topics] or list(self.topics)
        weights = {name: max(self.shares.get(name, 1.0), 1e-9) for name in names}
        taken = Counter(attempt.category for attempt in accepted)
        tried = Counter(attempt.category for attempt in self.attempts)
        used = Counter((attempt.category, attempt.topic) for attempt in self.attempts)
        chance = Random(f"slots|{self.seed}|{number}")
        slots = []
        for _ in range(ROUND):
            # An attempt counts a tenth of a row, so that a category which never succeeds does not
            # take every attempt.
            name = min(
                names,
                key=lambda category: (
                    (taken[category] + 0.1 * tried[category]) / weights[category],
                    category,
                ),
            )
            topics = self.topics[name]
            least = min(used[name, topic] for topic in topics)
            topic = chance.choice([topic for topic in topics if used[name, topic] == least])
            used[name, topic] += 1
            tried[name] += 1
            slots.append((name, topic))
        return slots

    def _instruction_prompt(
        self, number: int, at: int, category: str, topic: str, accepted: Sequence[Attempt]
    ) -> Prompt:
        chance = Random(f"shown|{self.seed}|{number}|{at}")
        shown = [
            f"Topic: {example.topic}\nInstruction: {example.instruction}"
            for example in _some(SHOWN[category], chance)
        ]
        examples = [attempt for attempt in accepted if attempt.category == category]
        if examples:
            example = chance.choice(examples)
            shown.insert(0, f"Topic: {example.topic}\nInstruction: {example.instruction}")
        text = "\n\n".join([*shown, f"Topic: {topic}"])
        return Prompt(f"{self.seed}|{number}|{at}|instruction", (Message("user", text),))

    def _response_prompt(self, attempt: Attempt) -> Prompt:
        chance = Random(f"answered|{self.seed}|{attempt.round}|{attempt.number}")
        examples = _some(SHOWN[attempt.category], chance)
        shown = [
            f"Instruction: {each.instruction}\nResponse:\n{each.response}" for each in examples
        ]
        text = "\n\n".join([*shown, f"Instruction: {attempt.instruction}\nResponse:"])
        return Prompt(
            f"{self.seed}|{attempt.round}|{attempt.number}|response", (Message("user", text),)
        )

    def _ask(self, prompts: Sequence[Prompt], tokens: int) -> list[Answer]:
        decoding = Decoding(
            max_new_tokens=tokens,
            batch_size=self.batch_size,
            temperature=self.spec.temperature,
            top_p=self.spec.top_p,
            seed=self.seed,
            prompt_format="raw",
        )
        batches = self.engine(prompts, decoding) if prompts else iter(())
        answers = {answer.id: answer for batch in batches for answer in batch}
        self.tokens += sum(answer.tokens for answer in answers.values())
        return [answers[prompt.id] for prompt in prompts]

    def _first_line(self, completion: str) -> str:
        lines = _LEAD.sub("", self._until_end(completion)[0], count=1).splitlines()
        return lines[0].strip() if lines else ""

    def _until_end(self, text: str) -> tuple[str, bool]:
        """The text before the model's own end of a document or the next example, and whether there
        was such an end."""
        cuts = [at for end in self.ends if (at := text.find(end)) >= 0]
        following = conversations.NEXT if self.spec.kind == "conversations" else _CUES
        if cue := following.search(text):
            cuts.append(cue.start())
        return (text[: min(cuts)], True) if cuts else (text, False)

    def _refused(self, text: str, guards: Known) -> str:
        """Why an instruction is not answered; empty where it is, and then it is known from here
        on."""
        count = len(words(text))
        if not WORDS[0] <= count <= WORDS[1]:
            return f"length: {count} words, expected {WORDS[0]} to {WORDS[1]}"
        if re.search(r"\b(?:Instruction|Response|Topic):", text):
            return "form: holds the cues of the examples"
        if broken := invalid_text(text):
            return f"form: {broken}"
        near = guards.nearest(text)
        if near >= self.spec.near_duplicates:
            return f"near_duplicate: {near:.2f} like one that is there"
        guards.add(text)
        return ""

    def _answered(self, attempt: Attempt, answer: Answer) -> Attempt:
        text, ended = self._until_end(answer.completion)
        reason = "" if text.strip() else "empty: no response"
        if not (ended or answer.stopped):
            reason = f"unfinished: no end within {self.spec.response_tokens} tokens"
        return replace(attempt, response=text.strip(), reason=reason)

    def _judged(self, attempts: Sequence[Attempt]) -> Iterator[Attempt]:
        verdicts = iter(
            self.judge(attempt.to_candidate() for attempt in attempts if not attempt.reason)
        )
        for attempt in attempts:
            if attempt.reason:
                yield attempt
                continue
            verdict = next(verdicts).accepted
            yield replace(attempt, reason="accepted" if verdict.value else verdict.reason)


def read_attempts(path: Path) -> list[Attempt]:
    """The attempts of every round that was written to its end."""
    if not path.is_file():
        return []
    with path.open("rb") as stream:
        return [Attempt(**row) for line in whole_lines(stream) for row in json.loads(line)]


def _some(shown: Sequence[Shown], chance: Random) -> list[Shown]:
    return chance.sample(list(shown), min(3, len(shown)))


def critic_judge(critic: CriticSpec) -> Judge:
    """The critic's labels, as for any candidate."""
    return lambda candidates: label(candidates, spec=critic)


def summary(attempts: Sequence[Attempt], spec: SelfGenerated) -> dict[str, Any]:
    """Counts: what was kept and why the rest was not, by the first word of the reason; categories
    and topics of what was kept."""
    accepted = [attempt for attempt in attempts if attempt.reason == "accepted"][: spec.rows]
    refused = Counter(
        attempt.reason.partition(":")[0] for attempt in attempts if attempt.reason != "accepted"
    )
    return {
        "wanted": spec.rows,
        "rows": len(accepted),
        "attempts": len(attempts),
        "shortfall": spec.rows - len(accepted),
        "refused": dict(sorted(refused.items())),
        "categories": dict(sorted(Counter(attempt.category for attempt in accepted).items())),
        "topics": len({(attempt.category, attempt.topic) for attempt in accepted}),
    }
