"""A bundle to the hub, because somebody asked: one private repository, one commit, by the hub's own
library.

What this module does not do: keep a token (the library reads ``HF_TOKEN`` or its own login), or
make a repository public.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput, Infrastructure


def check_name(name: str) -> None:
    """
    Raises:
        BadInput: ``name`` is no ``OWNER/NAME`` of the hub.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise BadInput(
            f"not a repository's name: {name[:120]!r}.", field="--push", fix="OWNER/NAME."
        ) from error
    if name.count("/") != 1:
        raise BadInput(
            f"{name[:120]!r} names no owner.", field="--push", fix="Write it as OWNER/NAME."
        )


def push(folder: Path, name: str, *, message: str) -> str:
    """Upload a bundle's folder; returns the commit's address. A repository that does not exist is
    made private.

    Raises:
        BadInput: the name is malformed, or the hub refuses the token.
        Infrastructure: the hub does not answer, or fails; nothing is committed in part.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    check_name(name)
    api = HfApi()
    try:
        api.create_repo(name, private=True, exist_ok=True)
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            commit_message=message,
            ignore_patterns=["logs/*", ".*"],
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            fix = "Log in with a token that may write: hf auth login, or HF_TOKEN."
            raise BadInput(f"the hub refuses ({status}).", field="--push", fix=fix) from error
        raise Infrastructure(
            f"the hub failed ({status}): {str(error).splitlines()[0]} Push again."
        ) from error
    except _unreachable() as error:
        raise Infrastructure(
            f"the hub does not answer: {error}. The bundle is kept: push again."
        ) from error
    return str(done.commit_url)


def _unreachable() -> tuple[type[Exception], ...]:
    """The hub's library lets its HTTP client's errors through, and which client that is depends on
    its version."""
    import importlib
    from importlib.util import find_spec

    clients = [importlib.import_module(name) for name in ("httpx", "httpx2") if find_spec(name)]
    return (OSError, *(client.HTTPError for client in clients))
