"""Signed indexes, by the real model-signing with keys that are made here; who alters anything is caught."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoo.cli import main
from zoo.errors import ZooError
from zoo.publishing import publish
from zoo.sources import find

pytest.importorskip("model_signing")
NAME = "mlp.digits_v1"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, made = tmp_path_factory.mktemp("keys"), {}
    for name in ("ours", "theirs"):
        key = ec.generate_private_key(ec.SECP256R1())
        private, public = folder / f"{name}.pem", folder / f"{name}.pub"
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        made |= {name: str(private), f"{name}_public": str(public)}
    return SimpleNamespace(**made)


@pytest.fixture
def signed(web: SimpleNamespace, make_run, keys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A web root with one weight, signed by our key, which is the one that is trusted."""
    publish(make_run(), web.root / "zoo", sign=keys.ours)
    monkeypatch.setenv("ZOO_SOURCES", f"{web.url}/zoo")
    monkeypatch.setenv("ZOO_TRUST", keys.ours_public)
    web.zoo = web.root / "zoo"
    return web


def test_what_is_signed_loads_and_is_asked_for_its_signature_once(signed: SimpleNamespace):
    assert find(NAME).tensors.is_file()
    signed.asked.clear()
    assert find("mlp").name == NAME
    assert signed.asked == ["/zoo/index.json"]


def test_another_key_is_not_ours(signed: SimpleNamespace, keys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_TRUST", keys.theirs_public)
    with pytest.raises(ZooError, match="none of the keys in ZOO_TRUST signed its index"):
        find(NAME)
    monkeypatch.setenv("ZOO_TRUST", f"{keys.theirs_public},{keys.ours_public}")
    assert find(NAME).name == NAME
    monkeypatch.setenv("ZOO_TRUST", "/no/such.pub")
    with pytest.raises(ZooError, match=r"there is no key /no/such\.pub"):
        find(NAME)


@pytest.mark.parametrize("how", ["entry", "file", "unsigned", "signature of another", "missing"])
def test_who_alters_anything_is_caught(signed: SimpleNamespace, make_run, keys: SimpleNamespace, how: str):
    index = json.loads((signed.zoo / "index.json").read_text())
    (signature,) = signed.zoo.glob("index/*.sig")
    if how == "file":
        path = signed.zoo / NAME / "log.csv"
        path.write_bytes(path.read_bytes().swapcase())
    elif how == "missing":
        (signed.zoo / NAME / "log.csv").unlink()
    elif how == "unsigned":
        signature.unlink()
    else:
        index["weights"][NAME]["files"]["log.csv"]["sha256"] = "0" * 64
        (signed.zoo / "index.json").write_text(json.dumps(index))
        if how == "signature of another":
            digest = hashlib.sha256((signed.zoo / "index.json").read_bytes()).hexdigest()
            shutil.copy(signature, signed.zoo / "index" / f"{digest}.sig")
    with pytest.raises(ZooError, match=r"is not signed|none of the keys|so it was not kept|answered 404"):
        find(NAME)


def test_an_older_root_is_a_rollback(signed: SimpleNamespace, make_run, keys: SimpleNamespace):
    old = (signed.zoo / "index.json").read_bytes()
    with pytest.raises(ZooError, match="is signed; give its private key with --sign"):
        publish(make_run("second", seed=1), signed.zoo)
    assert publish(make_run("third", seed=2), signed.zoo, sign=keys.ours) == "mlp.digits_v2"
    assert find("mlp.digits_v2").name == "mlp.digits_v2"
    (signed.zoo / "index.json").write_bytes(old)
    with pytest.raises(ZooError, match=r"shows an older index \(serial 1\) than it did before \(2\)"):
        find(NAME)


def test_verify_finds_what_was_added(signed: SimpleNamespace, keys: SimpleNamespace, monkeypatch, capsys):
    monkeypatch.delenv("ZOO_TRUST")
    place = str(signed.zoo / NAME)
    assert main(["verify", place, "--key", keys.theirs_public]) == 2
    assert "none of the keys" in capsys.readouterr().err
    (signed.zoo / NAME / "more.py").write_text("print()")
    assert main(["verify", place, "--key", keys.ours_public]) == 1
    assert "has more.py, which the signed index does not list" in capsys.readouterr().out


def test_large_indexes_are_signed_by_their_root(signed: SimpleNamespace, make_run, keys, monkeypatch):
    from zoo.sources import index as indexes

    monkeypatch.setattr(indexes, "SHARDED_FROM", 2)
    publish(make_run("second", seed=1), signed.zoo, sign=keys.ours)
    root = json.loads((signed.zoo / "index.json").read_text())
    assert root["schema"] == 2 and root["signed"] and root["serial"] == 2
    assert find("mlp.digits_v2").tensors.is_file() and find("mlp").name == NAME
    publish(make_run("third", seed=2), signed.zoo, sign=keys.ours)
    assert find("mlp.digits_v3").tensors.is_file()
    part = next(signed.zoo.glob("index/*.json"))
    for path in signed.zoo.glob("index/*.json"):  # a shard of another root, say
        path.write_bytes(part.read_bytes() + b" ")
    shutil.rmtree(Path(__import__("os").environ["ZOO_HOME"]) / "parts")
    with pytest.raises(ZooError, match="gave other bytes for a part of its index"):
        find("mlp.digits_v1")


@pytest.mark.parametrize("large", [False, True])
def test_a_mirror_of_a_signed_source_is_trusted_as_that_is(
    signed: SimpleNamespace, make_run, keys, tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch, capsys
):
    from zoo.sources import index as indexes

    if large:
        monkeypatch.setattr(indexes, "SHARDED_FROM", 2)
    publish(make_run("second", seed=1), signed.zoo, sign=keys.ours)
    mine = tmp_path / "mirror"
    for told in ("mlp.digits_v1\nmlp.digits_v2\n", "mlp.digits_v1\nmlp.digits_v2\n"):
        assert main(["mirror", "--to", str(mine)]) == 0
        assert capsys.readouterr().out == told
    assert (mine / "index.json").read_bytes() == (signed.zoo / "index.json").read_bytes()
    publish(make_run("third", seed=2), signed.zoo, sign=keys.ours)
    assert main(["mirror", "--to", str(mine)]) == 0
    shutil.rmtree(Path(__import__("os").environ["ZOO_HOME"]))
    monkeypatch.setenv("ZOO_SOURCES", str(mine))
    assert find("mlp.digits_v3").tensors.is_file() and find("mlp").name == NAME
    with pytest.raises(ZooError, match="is signed; give its private key with --sign"):
        publish(make_run("fourth", seed=3), mine)


def test_a_mirror_of_a_part_of_a_signed_source_is_signed_by_who_makes_it(
    signed: SimpleNamespace, make_run, keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    publish(make_run("second", seed=1), signed.zoo, sign=keys.ours)
    mine = tmp_path / "mirror"
    assert main(["mirror", NAME, "--to", str(mine), "--sign", keys.theirs]) == 0
    monkeypatch.setenv("ZOO_SOURCES", str(mine))
    with pytest.raises(ZooError, match="none of the keys"):
        find(NAME)
    monkeypatch.setenv("ZOO_TRUST", keys.theirs_public)
    assert find(NAME).tensors.is_file()
    monkeypatch.setenv("ZOO_TRUST", keys.ours_public)
    monkeypatch.setenv("ZOO_SOURCES", f"{signed.url}/zoo")
    publish(make_run("own", seed=5), tmp_path / "own", name="mlp.own_v1")
    assert main(["mirror", "--to", str(tmp_path / "own")]) == 2
    assert "has mlp.own_v1, which the signed index of" in capsys.readouterr().err
