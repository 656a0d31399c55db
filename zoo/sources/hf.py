"""A repository on the Hugging Face Hub as a place: index.json and the files of one weight at its root.

Files are read over plain https like any other, because the Hub's client has no limit of time or length and does not
check its cached files; the client is used only for tokens and commits. HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and a
saved login mean what they always mean.
"""

from __future__ import annotations

import errno
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bundles.index import FileRecord
from zoo.errors import ZooError
from zoo.home import offline
from zoo.sources import net
from zoo.sources.place import INDEX, Content, Stamp, Tell, Unavailable, shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi

URL = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_INDEX_LIMIT = 16 << 20
_SAID = {
    "GatedRepo": "the repository is gated; ask for access on its page and set HF_TOKEN",
    "RepoNotFound": "there is no such repository, or it is private; check the name or set HF_TOKEN",
    "RevisionNotFound": "there is no such revision; check what follows the @",
    "EntryNotFound": "the repository does not hold it; check the name",
}


@dataclass(frozen=True)
class Hub:
    """The place hf://`repo`[@`revision`]; the revision is a branch, a tag or a commit, by default the main branch."""

    repo: str
    revision: str | None = None
    holds_one = True

    @property
    def url(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")

    def path_of(self, weight: str, file: str) -> str:
        return file

    def read(self, path: str, limit: int) -> bytes:
        with self._told(path):
            return net.read(self._address_of(path), limit, _headers())[0]

    def fetch(self, path: str, size: int, part: Path, tell: Tell) -> None:
        with self._told(path):
            net.download(self._address_of(path), size, part, tell, _headers())

    def claim(self, weight: str, files: Mapping[str, FileRecord]) -> bool:
        return True  # a commit is written whole or not at all

    def begin(self) -> tuple[bytes | None, Stamp]:
        if self.revision:
            raise ZooError(f"{self.url} names a revision, which is there to read; publish to hf://{self.repo}.")
        with self._api("cannot be published to") as api:
            api.create_repo(self.repo, exist_ok=True)
            head = api.model_info(self.repo)
        if all(file.rfilename != INDEX for file in head.siblings or []):
            return None, head.sha
        return Hub(self.repo, head.sha).read(INDEX, _INDEX_LIMIT), head.sha

    def replace(
        self, what: str, files: Mapping[str, Content], index: bytes, stamp: Stamp, tell: Tell, drop: Iterable[str] = ()
    ) -> bool:
        """Make one commit, unless there is a newer one than the stamp's."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete
        from huggingface_hub.errors import HfHubHTTPError

        added = {**files, INDEX: index}
        operations: list[Any] = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=c) for path, c in added.items()]
        operations += [CommitOperationDelete(path_in_repo=path) for path in drop]
        with self._api("cannot be published to") as api:
            try:
                api.create_commit(self.repo, operations, commit_message=f"Publish {what}", parent_commit=stamp)
            except HfHubHTTPError as error:
                if error.response is not None and error.response.status_code == 412:
                    return False
                raise
        tell(sum(len(content) if isinstance(content, bytes) else content.stat().st_size for content in added.values()))
        return True

    def _address_of(self, path: str) -> str:
        revision = urllib.parse.quote(self.revision or "main", safe="")
        return f"{endpoint()}/{self.repo}/resolve/{revision}/{urllib.parse.quote(path)}"

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        what = f"{self.url} does not give {path}"
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise Unavailable(f"{what}: HF_HUB_OFFLINE forbids the network; unset it.")
        try:
            yield
        except net.Answer as error:
            code = error.headers.get("X-Error-Code") or ("RepoNotFound" if error.status in (401, 403) else "")
            said = _SAID.get(code, f"the Hub answered {error.status}; check the name and HF_TOKEN, or try again")
            raise Unavailable(f"{what}: {said}.") from error
        except Unavailable as error:
            raise Unavailable(f"{what}: {error}") from error

    @contextmanager
    def _api(self, failing: str) -> Iterator[HfApi]:
        """The Hub's client; its errors become "hf://… {failing}: …"."""
        if offline():
            raise ZooError(f"{self.url} {failing}: ZOO_OFFLINE forbids the network; unset it.")
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        with hub_errors(f"{self.url} {failing}"):
            yield HfApi(endpoint=os.environ.get("HF_ENDPOINT"))


def at(url: str) -> Hub:
    """The repository that an address means."""
    match = URL.fullmatch(url.rstrip("/"))
    if not match:
        raise ZooError(f"{shown(url)} does not name a repository; write hf://OWNER/REPO or hf://OWNER/REPO@REVISION.")
    return Hub(match["repo"], match["revision"])


def endpoint() -> str:
    """The Hub's address: HF_ENDPOINT, by default https://huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _headers() -> dict[str, str]:
    """The token that the Hub's client would send: from HF_TOKEN or a saved login, if there is one."""
    try:
        from huggingface_hub import constants, get_token
    except ImportError:
        token = os.environ.get("HF_TOKEN")
    else:
        # Not its build_hf_headers, which first asks the Hub for a list of programs.
        token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def ask(api: HfApi, repo: str, file: str, revision: str | None = None) -> None:
    """Ask the Hub once for a file's metadata, so that the client raises at once if it cannot be read.

    Without this a download tries for half a minute to reach the Hub.
    """
    from huggingface_hub import hf_hub_url

    api.get_hf_file_metadata(url=hf_hub_url(repo, file, revision=revision, endpoint=api.endpoint))


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn every error of the Hub's client into one sentence that begins with `what`."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise ZooError(f"{what}: the repository is gated; ask for access on its page and set HF_TOKEN.") from error
    except RepositoryNotFoundError as error:
        raise ZooError(
            f"{what}: there is no such repository, or it is private; check the name or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ZooError(f"{what}: there is no such revision; check what follows the @.") from error
    except LocalEntryNotFoundError as error:  # the client's error if the Hub does not answer
        raise ZooError(f"{what}: the Hub cannot be reached; check the network, or set ZOO_OFFLINE=1.") from error
    except EntryNotFoundError as error:
        raise ZooError(f"{what}: the repository does not hold it; check the name.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise ZooError(f"{what}: the Hub answered {status}; check the name and HF_TOKEN, or try again.") from error
    except Exception as error:  # the client lets errors of the libraries below it through
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ZooError(f"{what} ({first}); check the network and try again.") from error
