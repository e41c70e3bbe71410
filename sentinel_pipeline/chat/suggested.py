"""Held-out tasks of a recipe as prompts to try in chat, and the check of an answer to one by the
task's own tests.

Tasks come from the newest task bank. The server asks for both in processes that end (``apart``).
What this module does not do: talk to a model, or keep a score; what is checked here counts nowhere.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInput
from ..records import Message, Task
from ..store import Home, Store, find_home, read_parquet
from .apart import answer_once, ask

EACH = 2
"""Prompts of each family."""
MOST = 12
LONGEST = 1500
"""Characters; a longer prompt is none to try."""
MOST_SUITES = 8
"""Suites whose suggestions are remembered."""
_ONE = threading.Lock()
"""Held while an answer is checked."""


class Suggestion(NamedTuple):
    id: str
    """``SUITE/ITEM``."""
    family: str
    text: str


class Suggested:
    """Both as the server asks for them; safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._read: dict[Path, list[Suggestion]] = {}
        """By the suite's file, which never changes."""

    def of(self, model: str) -> list[Suggestion]:
        """As ``suggestions``."""
        path = _suite_file(self._home, model)
        if path is None:
            return []
        with self._lock:
            if path not in self._read:
                rows = ask(self._home, __name__, {"model": model})
                while len(self._read) >= MOST_SUITES:
                    del self._read[next(iter(self._read))]
                self._read[path] = [Suggestion(*row) for row in rows]
            return self._read[path]

    def check(
        self, model: str, task_id: str, messages: tuple[Message, ...], text: str
    ) -> dict[str, Any]:
        """As ``check_answer``, one at a time: each starts a sandbox."""
        turns = [message.to_dict() for message in messages]
        question = {"model": model, "task": task_id, "messages": turns, "text": text}
        with _ONE:
            result: dict[str, Any] = ask(self._home, __name__, question)
        return result


def suggestions(home: Home, model: str) -> list[Suggestion]:
    """Prompts of the recipe that trained ``model`` (``RECIPE/STAGE``): some of each family of the
    suite that judges it, of one user turn each; none where its task bank is gone."""
    tasks = _tasks(home, model)
    chosen: list[Suggestion] = []
    seen: dict[str, int] = {}
    for suite, by_id in tasks.items():
        for task in by_id.values():
            alone = len(task.messages) == 1 and task.messages[0].role == "user"
            short = alone and len(task.messages[0].content) <= LONGEST
            if short and seen.get(task.family, 0) < EACH and len(chosen) < MOST:
                seen[task.family] = seen.get(task.family, 0) + 1
                chosen.append(
                    Suggestion(f"{suite}/{task.id}", task.family, task.messages[0].content)
                )
    return chosen


def check_answer(
    home: Home, model: str, task_id: str, messages: tuple[Message, ...], text: str
) -> dict[str, Any]:
    """Judge ``text`` as the benchmark would: outcome, reason, and the right answer beside it.

    Raises:
        BadInput: there is no such task, or ``messages`` are not its prompt.
        GateRefused: this machine cannot isolate the task's tests.
    """
    from ..critic.score import Scorable, score

    suite, _, name = task_id.partition("/")
    task = _tasks(home, model).get(suite, {}).get(name)
    if task is None:
        raise BadInput(f"there is no task {task_id[:80]!r}.", field="task")
    if messages != task.messages:
        raise BadInput(
            "this answer is not to that task's prompt alone.",
            field="task",
            fix="Begin a new conversation with the suggested prompt.",
        )
    (result,) = score([Scorable(task.id, task.messages, text, task.verifier)], workers=1)
    return {"outcome": result.outcome, "reason": result.reason, "reference": task.reference}


def _tasks(home: Home, model: str) -> dict[str, dict[str, Task]]:
    """Suite -> its tasks by id, of the suites that judge the model's recipe."""
    path = _suite_file(home, model)
    if path is None:
        return {}
    tasks = map(Task.from_row, read_parquet(path))
    return {path.stem: {task.id: task for task in tasks}}


def _suite_file(home: Home, model: str) -> Path | None:
    """The tasks of the suite that judges the model's recipe; None where its task bank is gone."""
    recipe = model.partition("/")[0]
    bank = Store.reading(home, recipe).find("task_bank")
    if bank is None:
        return None
    path = bank.folder / "suites" / f"{home.recipe(recipe).bench.judging}.parquet"
    return path if path.is_file() else None


def main(question: dict[str, Any]) -> Any:
    """The suggestions for a model, or what becomes of an answer to one of them."""
    home = find_home()
    if "task" not in question:
        return suggestions(home, question["model"])
    messages = tuple(Message(**each) for each in question["messages"])
    return check_answer(home, question["model"], question["task"], messages, question["text"])


if __name__ == "__main__":
    raise SystemExit(answer_once(main))
