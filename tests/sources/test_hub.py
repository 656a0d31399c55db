"""The real client of the Hub, publishing to and reading from a small Hub on loopback."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hub_server import HubServer

from zoo import pull
from zoo.bundles.index import read_index
from zoo.errors import ZooError
from zoo.publishing import publish
from zoo.sources import find

REPO = "someone/mlp-digits"
URL = f"hf://{REPO}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)  # read once, at import
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield server
    server.shutdown()
    server.server_close()


def test_a_published_run_comes_back_as_it_went(hub: HubServer, make_run, home: Path):
    run = make_run()
    assert publish(run, URL) == "mlp.digits_v1"

    commits = hub.repositories[REPO].commits
    assert [message for _, message, _ in commits] == ["initial commit", "Publish mlp.digits_v1"]
    assert {"README.md", "index.json", "model.safetensors"} < set(commits[-1][2])

    bundle = find(URL)
    assert bundle.name == "mlp.digits_v1"
    assert bundle.folder.parent == home / "weights" / "mlp.digits_v1"
    assert bundle.tensors.read_bytes() == (run / "model.safetensors").read_bytes()
    assert (bundle.folder / "README.md").read_text().startswith("---\n")
    assert {path.name for path in bundle.folder.iterdir()} == set(commits[-1][2]) - {"index.json", ".gitattributes"}
    assert not [path for path in (home / "tmp").iterdir() if path.suffix != ".lock"]


def test_publishing_the_same_again_makes_no_commit_and_other_bytes_are_refused(hub: HubServer, make_run):
    publish(make_run("one"), URL)
    assert publish(make_run("same"), URL) == "mlp.digits_v1"
    with pytest.raises(ZooError, match="never change"):
        publish(make_run("two", seed=1), URL, name="mlp.digits_v1")
    with pytest.raises(ZooError, match="a repository holds one weight"):
        publish(make_run("three", seed=2), URL)
    assert len(hub.repositories[REPO].commits) == 2


def test_a_revision_stays_readable_and_the_name_works_from_zoo_sources(
    hub: HubServer, make_run, monkeypatch: pytest.MonkeyPatch
):
    publish(make_run(), URL)
    published = hub.repositories[REPO].commits[-1][0]
    hub.repositories[REPO].commit("spoil it", {"index.json": b"{}"})
    with pytest.raises(ZooError, match="schema"):
        find(URL)
    assert find(f"{URL}@{published}").name == "mlp.digits_v1"
    monkeypatch.setenv("ZOO_SOURCES", f"{URL}@{published}")
    assert find("mlp").name == "mlp.digits_v1"


def test_offline_what_was_fetched_is_there_and_nothing_is_asked(
    hub: HubServer, make_run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    publish(make_run(), URL)
    folder = find(URL).folder
    asked = len(hub.asked)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert find(URL).folder == folder
    with pytest.raises(ZooError, match="ZOO_OFFLINE"):
        publish(make_run("other", seed=1), "hf://someone/other")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "empty"))
    with pytest.raises(ZooError, match="ZOO_OFFLINE"):
        find(URL)
    assert len(hub.asked) == asked


def test_a_file_that_is_not_what_the_index_says_is_not_kept(hub: HubServer, make_run, home: Path):
    publish(make_run(), URL)
    files = hub.repositories[REPO].commits[-1][2]
    body = bytearray(files["model.safetensors"])
    body[-1] ^= 1
    hub.repositories[REPO].commit("spoil it", {"model.safetensors": bytes(body)})
    with pytest.raises(ZooError, match=r"model\.safetensors of mlp\.digits_v1, so it was not kept"):
        pull(URL)
    assert not list(home.glob("weights/*/*/model.safetensors"))
    assert not [path for path in (home / "tmp").iterdir() if path.suffix != ".lock"]


def test_two_who_publish_at_once_do_not_mix(hub: HubServer, make_run, monkeypatch: pytest.MonkeyPatch):
    from zoo.sources.hf import Hub

    begin, lost = Hub.begin, []

    def begin_then_lose(self: Hub):
        found = begin(self)
        if not lost:
            lost.append(hub.repositories[REPO].commit("someone was faster", {"notes.txt": b""}))
        return found

    monkeypatch.setattr(Hub, "begin", begin_then_lose)
    assert publish(make_run(), URL) == "mlp.digits_v1"
    messages = [message for _, message, _ in hub.repositories[REPO].commits]
    assert messages == ["initial commit", "someone was faster", "Publish mlp.digits_v1"]
    assert "notes.txt" in hub.repositories[REPO].commits[-1][2]


def test_errors_of_the_hub_are_one_sentence(hub: HubServer, make_run, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ZooError, match=r"^hf://nobody/nothing does not give index\.json: there is no such repository"):
        find("hf://nobody/nothing")
    publish(make_run(), URL)
    with pytest.raises(ZooError, match="no such revision"):
        find(f"{URL}@v9")
    with pytest.raises(ZooError, match="names a revision"):
        publish(make_run("again"), f"{URL}@main")
    entry = json.loads(hub.repositories[REPO].commits[-1][2]["index.json"])
    entry["weights"]["mlp.digits_v1"]["files"]["more.txt"] = {"sha256": "0" * 64, "size": 1}
    hub.repositories[REPO].commit("promise more", {"index.json": json.dumps(entry).encode()})
    with pytest.raises(ZooError, match=r"more\.txt: the repository does not hold it"):
        find(URL)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ZooError, match="HF_TOKEN"):
        publish(make_run("mine"), "hf://someone/else")
    assert "someone/else" not in hub.repositories


def test_without_a_network_the_hub_is_named_at_once(make_run, monkeypatch, closed_port: int, home: Path, caplog, capfd):
    run = make_run()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits and tries again"))
    for ask in (lambda: find(URL), lambda: publish(run, URL)):
        with pytest.raises(ZooError, match=rf"^{URL} .*check the network"):
            ask()
    assert not caplog.records and capfd.readouterr().err == ""  # the error is all that is said
    assert not (home / "weights").exists()


def test_a_bundle_on_the_hub_can_be_published_to_a_folder_under_its_name(hub: HubServer, make_run, tmp_path: Path):
    publish(make_run(), URL, name="mlp.digits_v7")
    assert publish(URL, tmp_path / "shelf") == "mlp.digits_v7"
    assert publish(find(URL), tmp_path / "shelf") == "mlp.digits_v7"
    shelved = read_index(tmp_path / "shelf" / "index.json")["mlp.digits_v7"].files
    assert shelved == read_index(hub.repositories[REPO].commits[-1][2]["index.json"].decode())["mlp.digits_v7"].files
