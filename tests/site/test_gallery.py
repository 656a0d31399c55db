"""The gallery in a real browser: each model answers as Python does, and every page is light and usable by anyone.

Real: the command, the export, onnxruntime-web, the tokenizer library, Chromium, axe-core. Standing in: Python's plain
file server for whatever serves a site.
"""

from __future__ import annotations

import functools
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.sources.folder import PACKAGE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples"
SHIPPED = sorted(json.loads((PACKAGE / "index.json").read_text(encoding="utf-8"))["weights"])
NEAR = 1e-3


def opened(browser: Any, address: str, weight: str) -> Any:
    """The section *Try it* of a weight's page, its model loaded and the sample answered."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{address}/{weight}/index.html")
    place = browser.find_element(By.ID, "try")
    place.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(browser, 120).until(lambda _: place.get_attribute("data-state"))
    assert place.get_attribute("data-state") == "ready", place.text
    return place


def parts(place: Any, selector: str) -> list[Any]:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(place.parent, 60).until(lambda _: place.find_elements(By.CSS_SELECTOR, selector))


@functools.cache
def sample(data: str) -> Any:
    found = json.loads((SAMPLES / f"{data}.json").read_text(encoding="utf-8"))["input"]
    if isinstance(found, str) and (SAMPLES / found).is_file():
        return np.load(SAMPLES / found)
    return found


@pytest.mark.parametrize("weight", SHIPPED)
def test_the_browser_answers_as_python_does(browser: Any, address: str, weight: str) -> None:
    place = opened(browser, address, weight)
    read = zoo.predictor(weight, top=None)
    raw = sample(str(read.config["data"]))
    answer = read(raw[-read.input["context"] :] if read.task.name == "forecasting" else raw)
    check = CHECKS[read.task.name]
    check(place, answer)
    faults = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not faults, faults


def classes(place: Any, answer: Any) -> None:
    shown = [(li.get_attribute("data-label"), li.get_attribute("data-probability")) for li in parts(place, ".bars li")]
    expected = {top.label: top.probability for top in answer.top}
    assert shown[0][0] == answer.label
    assert all(float(share) == pytest.approx(expected[label], abs=NEAR) for label, share in shown)
    if answer.attention:
        weights = [float(mark.get_attribute("data-weight")) for mark in parts(place, "mark")]
        assert weights == pytest.approx([weight for _, weight in answer.attention], abs=NEAR)


def tags(place: Any, answer: Any) -> None:
    names = ("data-word", "data-label", "data-probability")
    shown = [[span.get_attribute(name) for name in names] for span in parts(place, ".tagged")]
    assert [row[:2] for row in shown] == [[tag.word, tag.tag] for tag in answer.answer]
    assert [float(row[2]) for row in shown] == pytest.approx([tag.probability for tag in answer.answer], abs=NEAR)


def number(place: Any, answer: Any) -> None:
    (shown,) = parts(place, "[data-value]")
    assert float(shown.get_attribute("data-value")) == pytest.approx(answer.value, rel=NEAR)


def several(place: Any, answer: Any) -> None:
    shown = {dd.get_attribute("data-task"): float(dd.get_attribute("data-value")) for dd in parts(place, "[data-task]")}
    said = answer.to_dict()["answer"]
    assert int(shown["digit"]) == said["digit"] and (shown["odd"] > 0.5) == said["odd"]
    assert shown["thickness"] == pytest.approx(said["thickness"], rel=NEAR)


def point(place: Any, answer: Any) -> None:
    (shown,) = parts(place, "[data-embedding]")
    assert json.loads(shown.get_attribute("data-embedding")) == pytest.approx(answer.answer, abs=NEAR)


def ahead(place: Any, answer: Any) -> None:
    (shown,) = parts(place, "[data-forecast]")
    expected = np.array(list(answer.to_dict()["answer"].values())).T.flatten()
    # The sample of a page has four digits.
    assert json.loads(shown.get_attribute("data-forecast")) == pytest.approx(expected.tolist(), abs=5e-3)


def goes_on(place: Any, answer: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    box = place.find_element(By.ID, "temperature")
    place.parent.execute_script("arguments[0].value = '0'; arguments[0].dispatchEvent(new Event('input'))", box)
    place.find_element(By.XPATH, ".//button[text()='Write on']").click()
    written = place.find_element(By.CSS_SELECTOR, ".written")
    prompt = sample("tinyshakespeare")
    WebDriverWait(place.parent, 60).until(lambda _: len(written.get_property("textContent")) > len(prompt) + 40)
    # At a temperature of 0 the likeliest character is taken, so both write the same.
    likeliest = "".join(zoo.create("charlstm.tinyshakespeare_v1").generate(prompt, 40, temperature=0))  # type: ignore[operator]
    assert written.get_property("textContent")[: len(prompt) + 40] == prompt + likeliest


CHECKS: dict[str, Callable[[Any, Any], None]] = {
    "image-classification": classes,
    "text-classification": classes,
    "tabular-classification": classes,
    "token-classification": tags,
    "regression": number,
    "multi-task": several,
    "metric-learning": point,
    "forecasting": ahead,
    "language-modelling": goes_on,
}


def test_what_is_typed_is_answered_live(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    place = opened(browser, address, "bilstm_attn.imdb_v1")
    box = place.find_element(By.ID, "text")
    box.clear()
    box.send_keys("Awful, qwertzuiop and dull – a waste of naïve hope.")
    first = ".bars li"
    WebDriverWait(browser, 30).until(lambda _: parts(place, first)[0].get_attribute("data-label") == "negative")
    expected = zoo.predictor("bilstm_attn.imdb_v1")("Awful, qwertzuiop and dull – a waste of naïve hope.")
    WebDriverWait(browser, 30).until(
        lambda _: abs(float(parts(place, first)[0].get_attribute("data-probability")) - expected.probability) < NEAR
    )


def test_a_picture_that_is_chosen_is_scaled_as_python_scales_it(browser: Any, address: str, tmp_path: Path) -> None:
    from PIL import Image
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    small = Image.fromarray(sample("cifar10"))
    small.resize((77, 50), Image.Resampling.NEAREST).save(tmp_path / "cat.png")
    place = opened(browser, address, "cnn_cifar.cifar10_v1")
    before = parts(place, ".bars li")[0].get_attribute("data-probability")
    place.find_element(By.ID, "picture").send_keys(str(tmp_path / "cat.png"))
    WebDriverWait(browser, 30).until(lambda _: parts(place, ".bars li")[0].get_attribute("data-probability") != before)
    expected = zoo.predictor("cnn_cifar.cifar10_v1")(tmp_path / "cat.png")
    shown = parts(place, ".bars li")[0]
    assert shown.get_attribute("data-label") == expected.label
    assert float(shown.get_attribute("data-probability")) == pytest.approx(expected.probability, abs=5e-3)


RUN_AXE = "const done = arguments[0]; axe.run(document).then((found) => done(found.violations))"
PAGES = ["index.html", *(f"{weight}/index.html" for weight in SHIPPED)]


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source, from npm."""
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(["npm", "pack", "axe-core@4.14.1", "--silent"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs npm and its registry for axe-core")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        content = archive.extractfile("package/axe.min.js")
        assert content is not None
        return content.read().decode()


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
def test_no_page_has_a_serious_fault_of_accessibility(chromium: Any, address: str, axe: str, width: int, dark: bool):
    driver = chromium(width, dark=dark)
    for page in PAGES:
        driver.get(f"{address}/{page}")
        driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
        found = driver.execute_async_script(
            "const done = arguments[0]; axe.run(document).then(r => done(r.violations))"
        )
        serious = [
            (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious, (page, serious)
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{page} is {wide} pixels wide on a screen of {width}"
        assert not [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"], page


def test_pages_are_light_and_ask_for_nothing_but_their_own_files(browser: Any, address: str, folder: Path) -> None:
    size = "return performance.getEntries().reduce((sum, one) => sum + (one.decodedBodySize || 0), 0)"
    asked = "return performance.getEntriesByType('resource').map((one) => one.name)"
    for page in PAGES:
        browser.get(f"{address}/{page}")
        assert browser.execute_script(size) < 200_000, page
        assert all(name.startswith(f"{address}/") for name in browser.execute_script(asked)), page
    policy = "default-src 'self'"
    assert all(policy in (folder / page).read_text(encoding="utf-8") for page in PAGES)


def test_a_keyboard_is_enough(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{address}/index.html")
    for _ in range(4):  # past the link to the content and the title
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.get_attribute("id") == "search":
            break
    browser.switch_to.active_element.send_keys("mlp.digits_v1")
    shown = "return [...document.querySelectorAll('table.weights tbody tr')].filter((row) => !row.hidden).length"
    assert browser.execute_script(shown) == 1
    browser.get(f"{address}/mlp.digits_v1/index.html")
    for _ in range(12):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.text.startswith("Try it here"):
            break
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    place = browser.find_element(By.ID, "try")
    WebDriverWait(browser, 60).until(lambda _: place.get_attribute("data-state") == "ready")


def test_all_but_trying_works_without_scripts(chromium: Any, address: str) -> None:
    driver = chromium(scripts=False)
    driver.get(f"{address}/index.html")
    assert all(weight in driver.page_source for weight in SHIPPED)
    driver.get(f"{address}/mlp.digits_v1/index.html")
    for words in ("Trying a model needs scripts", "SHA-256", "zoo reproduce mlp.digits_v1"):
        assert words in driver.page_source
