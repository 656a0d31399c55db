"""A repository on the Hugging Face Hub as a source: index.json and the files of one weight at its root.

`huggingface_hub` is imported when a repository is first read; HF_ENDPOINT, HF_TOKEN and a saved login mean what they
always mean.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.bundles.index import Entry
from zoo.errors import ZooError
from zoo.home import offline
from zoo.sources.cache import read_remote_index

if TYPE_CHECKING:
    from huggingface_hub import HfApi

URL = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Hub:
    """The source hf://`repo`[@`revision`]; the revision is a branch, a tag or a commit, by default the main branch."""

    repo: str
    revision: str | None = None

    @staticmethod
    def parse(url: str) -> Hub:
        match = URL.fullmatch(url.rstrip("/"))
        if not match:
            raise ZooError(f"{url} does not name a repository; write hf://OWNER/REPO or hf://OWNER/REPO@REVISION.")
        return Hub(match["repo"], match["revision"])

    @property
    def url(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")

    def read_index(self) -> dict[str, Entry]:
        """The weight of the repository by name; `ZooError` where it cannot be reached or its index cannot be used."""
        return read_remote_index(self.url, self._index_text)

    def fetch(self, entry: Entry, file: str, dest: Path) -> None:
        """Download one file of the weight to `dest`, unchecked."""
        self._download(file, dest.parent)

    def create(self) -> tuple[str | None, dict[str, Entry]]:
        """Create the repository unless it is there; its newest commit, and the index as of that commit."""
        with self._api("cannot be published to") as api:
            api.create_repo(self.repo, exist_ok=True)
            head = api.model_info(self.repo)
        if all(file.rfilename != "index.json" for file in head.siblings or []):
            return head.sha, {}
        return head.sha, Hub(self.repo, head.sha).read_index()

    def commit(self, files: Mapping[str, Path], message: str, parent: str | None) -> None:
        """Upload `files` to the root in one commit, unless another one followed `parent` in the meantime."""
        from huggingface_hub import CommitOperationAdd

        operations = [CommitOperationAdd(path_in_repo=file, path_or_fileobj=path) for file, path in files.items()]
        with self._api("cannot be published to") as api:
            api.create_commit(self.repo, operations, commit_message=message, parent_commit=parent)

    @contextmanager
    def _api(self, failing: str) -> Iterator[HfApi]:
        """The Hub's client, what it raises told as "hf://… {failing}: …"."""
        if offline():
            raise ZooError(f"{self.url} {failing}: ZOO_OFFLINE forbids the network; unset it.")
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        with hub_errors(f"{self.url} {failing}"):
            yield HfApi(endpoint=os.environ.get("HF_ENDPOINT"))

    def _index_text(self) -> str:
        with self._api("does not give index.json") as api:
            ask(api, self.repo, "index.json", self.revision)
        with tempfile.TemporaryDirectory() as folder:
            return self._download("index.json", Path(folder)).read_text(encoding="utf-8", errors="replace")

    def _download(self, file: str, folder: Path) -> Path:
        with self._api(f"does not give {file}") as api:
            return Path(api.hf_hub_download(self.repo, file, revision=self.revision, local_dir=folder))


def ask(api: HfApi, repo: str, file: str, revision: str | None = None) -> None:
    """Ask the Hub once for a file's metadata, so that where it cannot be had the client raises at once.

    A download by itself asks for half a minute whether the Hub is back.
    """
    from huggingface_hub import hf_hub_url

    api.get_hf_file_metadata(url=hf_hub_url(repo, file, revision=revision, endpoint=api.endpoint))


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn whatever the Hub's client raises into one sentence that begins with `what`."""
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
    except LocalEntryNotFoundError as error:  # the client's word for a Hub that does not answer
        raise ZooError(f"{what}: the Hub cannot be reached; check the network, or set ZOO_OFFLINE=1.") from error
    except EntryNotFoundError as error:
        raise ZooError(f"{what}: the repository does not hold it; check the name.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise ZooError(f"{what}: the Hub answered {status}; check the name and HF_TOKEN, or try again.") from error
    except Exception as error:  # the client lets through what the libraries below it raise
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ZooError(f"{what} ({first}); check the network and try again.") from error
