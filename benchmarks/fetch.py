"""Fetching a weight over a network, beside timm, torch.hub and huggingface_hub: what it costs, and what faults do.

    python benchmarks/fetch.py cost      requests and seconds to the first prediction, empty cache and full cache
    python benchmarks/fetch.py storm     32 processes that want the same weight at the same time
    python benchmarks/fetch.py faults [WORD]    a table: a fault (those with this word), and what each client does

All clients are the real ones, each in a process of its own, and read the same server on loopback, which speaks the
Hub's protocol and serves static files; its faults are built in. torch.hub is used with check_hash=True, as it advises.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TURNS = 3
PATIENCE = 25  # seconds after which a client counts as hanging
CLIENTS = ("zoo", "timm", "torch.hub", "huggingface_hub")
CHILD = """
import hashlib, json, os, signal, sys, time, warnings
warnings.simplefilter("ignore")
client, url, digest, what = sys.argv[1:5]
import torch
if client == "zoo":
    import zoo, zoo.sources, zoo.sources.https, zoo.bundles.load, filelock
elif client == "timm":
    import timm
elif client == "huggingface_hub":
    import huggingface_hub
else:
    import torchvision
torch.set_num_threads(1)
start = time.perf_counter()
def hangs(*_):
    print(json.dumps({"hangs": True}), flush=True)
    os._exit(0)
signal.signal(signal.SIGALRM, hangs)
signal.alarm(int(sys.argv[5]))
try:
    if client == "zoo":
        model = zoo.create(f"{url}/zoo/resnet18.bench_v1")
    elif client == "timm":
        model = timm.create_model("hf-hub:bench/resnet18", pretrained=True).eval()
    elif client == "huggingface_hub":
        path = huggingface_hub.hf_hub_download("bench/resnet18", "model.safetensors")
        print(json.dumps({"right": hashlib.sha256(open(path, "rb").read()).hexdigest() == digest}))
        sys.exit()
    else:
        from torchvision.models import resnet18
        model = resnet18()
        file = f"resnet18-{digest[:8]}.pth"
        state = torch.hub.load_state_dict_from_url(f"{url}/static/{file}", check_hash=True, weights_only=True)
        model.load_state_dict(state)
        model.eval()
    with torch.inference_mode():
        logits = model(torch.ones(1, 3, 64, 64))
    seconds = time.perf_counter() - start
    known = json.load(open(what))[client]
    right = bool(torch.allclose(logits[0, :5], torch.tensor(known), atol=1e-4))
    print(json.dumps({"right": right, "seconds": seconds}))
except BaseException as error:
    if isinstance(error, SystemExit): raise
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
    print(json.dumps({"error": said, "seconds": time.perf_counter() - start}))
"""


class Server(ThreadingHTTPServer):
    """Serves `files` by path; `fault`, if set, is what answers a GET for tensors, `used` how often it did."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.fault: Callable[[Handler, bytes, int], None] | None = None
        self.asked: list[str] = []
        self.used = 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        if path.startswith("/api/models/bench/resnet18"):
            return self.reply(json.dumps({"id": "bench/resnet18", "sha": "0" * 40, "siblings": []}).encode(), {})
        body = self.server.files.get(path.replace("/resolve/main/", "/"))
        if body is None:
            return self.reply(b"{}", {"X-Error-Code": "EntryNotFound"}, 404)
        tensors = path.endswith((".safetensors", ".pth"))
        if tensors and self.server.fault and self.command == "GET":
            self.server.used += 1
            return self.server.fault(self, body, self.server.used)
        self.whole(body, tensors)

    def whole(self, body: bytes, tensors: bool = True, upto: int | None = None) -> None:
        digest, start = hashlib.sha256(body).hexdigest(), 0
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.headers.get("If-Range", f'"{digest}"') == f'"{digest}"':
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": "0" * 40, "Accept-Ranges": "bytes"}
        if tensors:
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(body))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.reply(body[start:], headers, 206 if start else 200, upto)

    def reply(self, body: bytes, headers: dict[str, str], status: int = 200, upto: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:upto])
        if upto is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _drip(handler: Handler, body: bytes, used: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("ETag", '"x"')
    handler.end_headers()
    for byte in body:
        handler.wfile.write(bytes([byte]))
        time.sleep(1)


def _once(fault: Callable[[Handler, bytes], None]) -> Callable[[Handler, bytes, int], None]:
    return lambda handler, body, used: fault(handler, body) if used == 1 else handler.whole(body)


FAULTS: dict[str, Callable[[Handler, bytes, int], None]] = {
    "cut once, half-way": _once(lambda handler, body: handler.whole(body, upto=len(body) // 2)),
    "503 once, Retry-After: 1": _once(lambda handler, body: handler.reply(b"", {"Retry-After": "1"}, 503)),
    "4,000 bytes in the middle are zeros": lambda handler, body, used: handler.whole(
        body[: len(body) // 2] + bytes(4000) + body[len(body) // 2 + 4000 :]
    ),
    "an HTML page with status 200": lambda handler, body, used: handler.reply(b"<html>sign in</html>", {}),
    "a byte a second": _drip,
    "no answer at all": lambda handler, body, used: time.sleep(120),
}


def _zeros(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4000))


CACHED: dict[str, Callable[[Path], None]] = {
    "the cached file was cut to 20 MB": lambda path: os.truncate(path, 20_000_000),
    "4,000 bytes of the cached file are zeros": _zeros,
}


def build(server: Server, scratch: Path) -> tuple[str, Path]:
    """Serve ResNet-18 with one set of random tensors in each client's own form; torch.hub's hash, and what is right."""
    import timm
    import torch
    from safetensors.torch import save
    from torchvision.models import resnet18

    from zoo.bundles.index import entry_of, write_index
    from zoo.publishing.importing import import_weight

    torch.manual_seed(0)
    theirs = resnet18().eval()
    state, pictures = theirs.state_dict(), torch.ones(1, 3, 64, 64)
    (scratch / "state.pth").unlink(missing_ok=True)
    torch.save(state, scratch / "state.pth")
    import_weight(scratch / "state.pth", "resnet18", to=scratch / "zoo" / "resnet18.bench_v1")
    entry = entry_of(scratch / "zoo" / "resnet18.bench_v1", "resnet18.bench_v1", True)
    write_index(scratch / "zoo" / "index.json", {entry.name: entry})
    for path in (scratch / "zoo").rglob("*"):
        if path.is_file():
            server.files["/" + str(path.relative_to(scratch))] = path.read_bytes()
    raw = (scratch / "state.pth").read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    server.files[f"/static/resnet18-{digest[:8]}.pth"] = raw
    about: Any = timm.get_pretrained_cfg("resnet18")
    config = {"architecture": "resnet18", "num_classes": 1000, "pretrained_cfg": about.to_dict()}
    server.files["/bench/resnet18/config.json"] = json.dumps(config, default=str).encode()
    server.files["/bench/resnet18/model.safetensors"] = save(dict(state))
    with torch.inference_mode():
        logits = theirs(pictures)[0, :5].tolist()
    right = scratch / "right.json"
    right.write_text(json.dumps({"zoo": logits, "timm": logits, "torch.hub": logits}))
    return digest, right


def run(client: str, server: Server, digest: str, right: Path, home: Path) -> dict[str, Any]:
    """What a client does in a process of its own, with the caches under `home`."""
    environment = {
        **os.environ, "ZOO_HOME": str(home / "zoo"), "HF_HOME": str(home / "hf"), "TORCH_HOME": str(home / "torch"),
        "HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    own = hashlib.sha256(server.files["/bench/resnet18/model.safetensors"]).hexdigest()
    told = own if client == "huggingface_hub" else digest
    command = [sys.executable, "-c", CHILD, client, server.url, told, str(right), str(PATIENCE)]
    server.asked.clear()
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {"error": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:160]}


def said(result: dict[str, Any]) -> str:
    if "hangs" in result:
        return f"still waits after {PATIENCE} s"
    if "error" in result:
        return f"error after {result.get('seconds', 0):.0f} s: {result['error']}"
    return "right" if result["right"] else "**wrong tensors, no word**"


def cost(server: Server, scratch: Path, digest: str, right: Path) -> None:
    """In turn, so that whatever else the machine does hits all alike; medians."""
    rows: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for turn in range(TURNS):
        for client in CLIENTS[:3]:
            for state in ("empty", "full"):
                result = run(client, server, digest, right, scratch / f"{client} {turn}")
                assert result.get("right"), result
                rows.setdefault((client, state), []).append((result["seconds"], len(server.asked)))
    print("| client | cache | requests | s to the first prediction |\n| --- | --- | --- | --- |")
    for (client, state), taken in rows.items():
        seconds, asked = sorted(taken)[TURNS // 2]
        print(f"| {client} | {state} | {asked} | {seconds:.2f} |")


def storm(server: Server, scratch: Path, digest: str, right: Path) -> None:
    print("| client | processes | downloads of the tensors | all have it |\n| --- | --- | --- | --- |")
    fork = (
        "import os, sys, torch\n{load}\nchildren = []\n"
        "for _ in range(32):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try: load(); os._exit(0)\n"
        "        except BaseException: os._exit(1)\n"
        "    children.append(child)\n"
        "print(sum(os.waitpid(child, 0)[1] == 0 for child in children))\n"
    )
    loads = {
        "zoo": f"import zoo.sources.https\nload = lambda: zoo.pull('{server.url}/zoo/resnet18.bench_v1')",
        "torch.hub": "import torch.hub\nload = lambda: torch.hub.load_state_dict_from_url("
        f"'{server.url}/static/resnet18-{digest[:8]}.pth', check_hash=True, progress=False, weights_only=True)",
        "huggingface_hub": "import huggingface_hub\n"
        "load = lambda: huggingface_hub.hf_hub_download('bench/resnet18', 'model.safetensors')",
    }
    for client, load in loads.items():
        home = scratch / f"storm {client}"
        environment = {
            **os.environ, "ZOO_HOME": str(home / "zoo"), "HF_HOME": str(home / "hf"), "TORCH_HOME": str(home / "torch"),
            "HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1",
        }  # fmt: skip
        server.asked.clear()
        command = [sys.executable, "-c", fork.format(load=load)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        downloads = sum(path.startswith("GET") and path.endswith((".safetensors", ".pth")) for path in server.asked)
        print(f"| {client} | 32 | {downloads} | {done.stdout.split()[-1]} |")


def faults(server: Server, scratch: Path, digest: str, right: Path) -> None:
    print("| fault | " + " | ".join(CLIENTS) + " |\n| --- |" + " --- |" * len(CLIENTS))
    word = "".join(sys.argv[2:3])
    for fault, act in FAULTS.items():
        if word not in fault:
            continue
        row = []
        for client in CLIENTS:
            server.fault, server.used = act, 0
            row.append(said(run(client, server, digest, right, scratch / f"{fault} {client}")))
        print(f"| {fault} | " + " | ".join(row) + " |", flush=True)
    server.fault = None
    for what, spoil in CACHED.items():
        if word not in what:
            continue
        row = []
        for client in CLIENTS:
            home = scratch / f"{what} {client}"
            run(client, server, digest, right, home)
            for path in home.rglob("*"):
                if path.is_file() and not path.is_symlink() and path.stat().st_size > 40_000_000:
                    spoil(path)
            row.append(said(run(client, server, digest, right, home)))
        print(f"| {what} | " + " | ".join(row) + " |", flush=True)


def main() -> None:
    scratch, server = Path(tempfile.mkdtemp()), Server()
    try:
        digest, right = build(server, scratch)
        {"cost": cost, "storm": storm, "faults": faults}[sys.argv[1]](server, scratch, digest, right)
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
