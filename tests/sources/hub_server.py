"""The Hugging Face Hub in miniature: the endpoints that creating, committing to and reading a repository take.

It keeps every commit, so that revisions can be read; it answers errors with the codes and headers that the real one
sends, which is what the client goes by.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml


def _told_by_card(files: dict[str, bytes]) -> dict[str, Any]:
    """What the Hub takes from the front matter of a card."""
    front = yaml.safe_load(files["README.md"].decode().split("---\n")[1]) if "README.md" in files else {}
    more = {key: front[key] for key in ("library_name", "pipeline_tag") if key in front}
    tags = [*front.get("tags", []), *more.values(), *(f"license:{front[key]}" for key in ("license",) if key in front)]
    return {"tags": tags, "cardData": front, **more}


@dataclass
class Repository:
    """Commits, oldest first: (id, message, the files as of it)."""

    commits: list[tuple[str, str, dict[str, bytes]]] = field(default_factory=list)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit and files of a revision, None where there is no such revision."""
        for oid, _, files in reversed(self.commits):
            if revision in ("main", oid):
                return oid, files
        return None

    def commit(self, message: str, files: dict[str, bytes]) -> str:
        before = self.commits[-1][2] if self.commits else {}
        oid = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits.append((oid, message, {**before, **files}))
        return oid


class HubServer(ThreadingHTTPServer):
    """`repositories` by OWNER/REPO; writing takes the token `hf_test`; `asked` lists the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self._get()

    def do_HEAD(self) -> None:
        self._get()

    def _get(self) -> None:
        path = self._path()
        if match := re.fullmatch(r"/api/(?:models|datasets)/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            found = self._find(match[1], match[2] or "main")
            if found:
                siblings = [{"rfilename": file} for file in found[1]]
                about = {"id": match[1], "sha": found[0], "private": False, "siblings": siblings}
                self._json({**about, **_told_by_card(found[1])})
        elif match := re.fullmatch(r"/api/(?:models|datasets)/([^/]+/[^/]+)/tree/([^/]+)", path):
            found = self._find(match[1], match[2])
            if found:
                self._json(
                    [
                        {"type": "file", "path": file, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                        for file, body in found[1].items()
                    ]
                )
        elif match := re.fullmatch(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            found = self._find(match[1], match[2])
            if found and match[3] not in found[1]:
                self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            elif found:
                body = found[1][match[3]]
                headers = {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": found[0]}
                if match[3].endswith(".safetensors"):  # kept as a large file, under its SHA-256
                    headers["X-Linked-Etag"] = f'"{hashlib.sha256(body).hexdigest()}"'
                    headers["X-Linked-Size"] = str(len(body))
                self._send(body, 200, headers)
        else:
            self._json({"error": "no such endpoint"}, 404)

    def do_POST(self) -> None:
        path, body = self._path(), self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/api/validate-yaml":
            front = json.loads(body)["content"].split("---\n")[1]
            good = isinstance(yaml.safe_load(front), dict)
            self._json({"errors": [] if good else [{"message": "no mapping"}], "warnings": []}, 200 if good else 400)
        elif self.headers.get("Authorization") != "Bearer hf_test":
            self._json({"error": "Invalid credentials"}, 401)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            status = 409 if repo in self.server.repositories else 200
            if status == 200:
                self.server.repositories[repo] = Repository()
                self.server.repositories[repo].commit("initial commit", {".gitattributes": b""})
            self._json({"url": f"{self.server.url}/{repo}"}, status)
        elif re.fullmatch(r"/api/models/[^/]+/[^/]+/preupload/main", path):
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            self._json({"files": modes})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._json({"error": "no such endpoint"}, 404)

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> None:
        repository, header = self.server.repositories[repo], lines[0]["value"]
        if header.get("parentCommit") not in (None, repository.commits[-1][0]):
            self._json({"error": "A commit has happened since. Please refresh and try again."}, 412)
            return
        files = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines[1:]}
        oid = repository.commit(header["summary"], files)
        self._json({"commitUrl": f"{self.server.url}/{repo}/commit/{oid}", "commitOid": oid, "success": True})

    def _find(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit and files asked for; where there are none, the error is sent."""
        repository = self.server.repositories.get(repo)
        if repository is None:
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return None
        found = repository.at(revision)
        if found is None:
            self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        return found

    def _path(self) -> str:
        self.server.asked.append(f"{self.command} {self.path}")
        return self.path.partition("?")[0]

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(content).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
