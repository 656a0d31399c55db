"""Real processes that need not import torch: `python` becomes a fork of one process that has imported the libraries.

A test that starts `[sys.executable, "-m", "zoo", …]` waits two to five seconds of processor time for imports; one that
starts `[*python(), "-m", "zoo", …]` has a small process hand its streams, folder and environment to the server, which
forks. Signals and exit status go from one to the other, and neither outlives the other (test_forked.py). The zoo itself
is imported in the fork, so that it sees its own environment. A test of what is imported, of memory, of options of
the interpreter or of its first moments needs `sys.executable` itself.
"""

import atexit
import functools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT")
LIBRARIES = (
    *("torch", "numpy", "PIL.Image", "safetensors.torch", "pydantic", "yaml", "typer", "rich.progress", "requests"),
    *("torchvision.transforms.v2", "timm", "accelerate", "sklearn.datasets", "tokenizers", "huggingface_hub"),
)


@functools.cache
def python() -> list[str]:
    """What a command begins with that is to be a process of its own; the first call starts the server."""
    if not hasattr(os, "pidfd_open"):  # Linux has it
        return [sys.executable]
    address = os.path.join(tempfile.mkdtemp(), "socket")
    command = [sys.executable, __file__, "serve", address]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin and server.stdout
    if server.stdout.readline() != b"ready\n":
        return [sys.executable]

    @atexit.register
    def end() -> None:
        assert server.stdin
        server.stdin.close()
        server.wait()
        os.unlink(address)
        os.rmdir(os.path.dirname(address))

    return [sys.executable, "-I", "-S", __file__, address]


def client(address: str, arguments: list[str]) -> None:
    """Have the server run `python ARGUMENTS`, and end as that does."""
    waiting: list[int] = []
    worker = 0

    def forward(number: int, _: object) -> None:
        waiting.append(number) if not worker else os.kill(worker, number)

    for name in FORWARDED:
        if signal.getsignal(getattr(signal, name)) != signal.SIG_IGN or name == "SIGINT":  # as under nohup
            signal.signal(getattr(signal, name), forward)
    ignored = [name for name in FORWARDED if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN]
    streams = [number for number in (0, 1, 2) if _is_open(number)]
    order = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    order |= {"streams": streams, "ignored": ignored}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        content = json.dumps(order).encode()
        socket.send_fds(connection, [struct.pack("!I", len(content))], streams)
        connection.sendall(content)
        (worker,) = struct.unpack("!I", _exactly(connection, 4))
        for number in waiting:
            os.kill(worker, number)
        (status,) = struct.unpack("!i", _exactly(connection, 4))
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise SystemExit("the server of forked processes has ended")
        found += more
    return found


def serve(address: str) -> dict[str, object]:
    """Fork at every order until the standard input ends; return the order in the fork that is to carry it out."""
    import gc
    import importlib

    for library in LIBRARIES:
        importlib.import_module(library)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for pytest, which ends this by its end
    gc.freeze()  # a fork shares the memory of what it does not touch
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sys.stdin in select.select([listening, sys.stdin], [], [])[0]:
                os._exit(0)
            connection, _ = listening.accept()
            if os.fork():
                connection.close()
                continue
            listening.close()
            return _keep(connection)


def _keep(connection: socket.socket) -> dict[str, object]:
    """Fork the worker, and stay: its status goes back, and it is killed if its caller was."""
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    (length,) = struct.unpack("!I", head)
    order = json.loads(_exactly(connection, length))
    worker = os.fork()
    if not worker:
        connection.close()
        for number in (0, 1, 2):
            os.close(number)
        for number, stream in zip(order["streams"], streams, strict=True):
            os.dup2(stream, number)
            os.close(stream)
        return order
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    connection.sendall(struct.pack("!I", worker))
    ended = os.pidfd_open(worker)
    if connection in select.select([connection, ended], [], [])[0]:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        os._exit(1)
    _, status = os.waitpid(worker, 0)
    connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def carry_out(order: dict) -> None:
    """Be the process that was ordered, without the interpreter's end, which would touch, and so copy, all memory."""
    import threading

    status = 0
    try:
        _begin(order)
        _run(*order["arguments"])
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        if status == 1 and leaving.code != 1:
            print(leaving.code, file=sys.stderr)
    except BaseException as error:
        status = 1
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            status = -signal.SIGINT
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


def _begin(order: dict) -> None:

    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for name in FORWARDED:
        wanted = signal.SIG_IGN if name in order["ignored"] else signal.SIG_DFL
        if name == "SIGINT" and wanted == signal.SIG_DFL:
            wanted = signal.default_int_handler
        signal.signal(getattr(signal, name), wanted)
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None
        if number in order["streams"]:
            how = errors or ("backslashreplace" if name == "stderr" else "strict")
            stream = open(number, "w" if number else "r", encoding=encoding, errors=how, closefd=False)  # noqa: SIM115
            stream.reconfigure(line_buffering=number == 2)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    import torch

    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [os.getcwd(), *given]


def _run(way: str, what: str = "", *rest: str) -> None:
    import runpy
    import types

    if way == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    if way != "-c":
        sys.argv, sys.path[0] = [way, *filter(None, [what]), *rest], os.path.dirname(os.path.abspath(way))
        runpy.run_path(way, run_name="__main__")
        return
    sys.argv = ["-c", *rest]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(what, "<string>", "exec"), main.__dict__)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        sys.path.pop(0)  # tests/
        carry_out(serve(sys.argv[2]))
    else:
        client(sys.argv[1], sys.argv[2:])
