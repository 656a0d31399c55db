"""A site of all shipped weights on a plain file server, and a headless Chromium that reaches nothing else."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # a request that leaves the site fails
)


class Files(http.server.SimpleHTTPRequestHandler):
    """A static file server; `asked` lists the paths that were asked for."""

    asked: list[str] = []  # noqa: RUF012 - one server a session
    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: Any) -> None:
        self.asked.append(str(args[0]) if args else "")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the package's own weights, by the command itself."""
    from zoo.cli import main

    to = tmp_path_factory.mktemp("gallery") / "site"
    assert main(["site", "--to", str(to)]) == 0
    return to


@pytest.fixture(scope="session")
def address(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Callable[..., Any]]:
    """A function that starts a browser of a size, in light or dark, with scripts on or off."""
    if not (BROWSER and DRIVER):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    started: list[Any] = []

    def start(width: int = 1440, height: int = 1000, *, dark: bool = False, scripts: bool = True) -> Any:
        options = webdriver.ChromeOptions()
        options.binary_location = str(BROWSER)
        for option in (*OPTIONS, f"--window-size={width},{height}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})  # type: ignore[arg-type]
        driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        started.append(driver)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        return driver

    yield start
    for driver in started:
        driver.quit()


@pytest.fixture(scope="session")
def browser(chromium: Callable[..., Any]) -> Any:
    return chromium()
