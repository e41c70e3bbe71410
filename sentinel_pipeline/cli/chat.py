"""``sentinel chat``: talk to checkpoints on a page, or by an OpenAI-compatible API."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ..errors import BadInput
from ..ports import names, proxies, require_free
from ..store import find_home
from ..store.address import STAGE_FORMS
from .console import say


def chat(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...", help=f"{STAGE_FORMS}; every tuned checkpoint when absent."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8081,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="NAME:PORT as clients send it; repeatable.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network of a proxy whose X-Forwarded-For is believed; repeatable."
        ),
    ] = None,
    experimental: Annotated[
        bool,
        typer.Option(
            "--experimental",
            help="Open named checkpoints without a passed format probe; every answer is labelled.",
        ),
    ] = False,
) -> None:
    """Serve the chat page and /v1/chat/completions.

    Chat is closed unless SENTINEL_WEB_CHAT_DISABLED is 0, nothing is training, memory suffices and
    the format probe passed; this is checked for every request. People and keys: sentinel review
    user add NAME.

    Example:

        SENTINEL_WEB_CHAT_DISABLED=0 sentinel chat tiny/sft tiny/dpo
    """
    from ..chat.models import full_name

    home = find_home()
    if experimental and not models:
        raise BadInput(
            "needs a named checkpoint.",
            field="--experimental",
            fix="Name it: sentinel chat RECIPE/STAGE.",
        )
    if host not in ("127.0.0.1", "localhost", "::1") and not name:
        raise BadInput(
            f"listening on {host} needs the names that clients use for this server.",
            field="--name",
            fix=f"--name chat.lan:{port}",
        )
    names(name or [], port)
    proxies(trusted_proxy or [])
    addresses = [full_name(home, address) for address in models or []]
    require_free(host, port)
    shown = (name or [f"{host}:{port}"])[0]
    say(f"Chat: http://{shown}   (Ctrl-C stops it)")
    options = [f"--port={port}", f"--host={host}", *(f"--name={each}" for each in name or [])]
    options += [f"--trusted-proxy={address}" for address in trusted_proxy or []]
    if experimental:
        options.append("--experimental")
    command = [sys.executable, "-m", "sentinel_pipeline.web.chat", *options, *addresses]
    os.execv(sys.executable, command)
