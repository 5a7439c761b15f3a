"""What a CA with a root above it needs to be kept: health looks at all of it, a backup holds all of it."""
import os
import re
import shutil

import pytest

from conftest import Mutual
from made import files, mode, openssl, serial
from test_offline_root import certificates
from test_rollover import verifies


def found(mutual):
    """What health says besides that all is well."""
    return [one["id"] for one in mutual("health", "--json").json()["findings"] if one["severity"] != "ok"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """An issuing CA, in the middle of a rollover, and an offline root's home in the middle of one."""
    cwd = tmp_path_factory.mktemp("kept")
    mutual = Mutual(cwd / "home", cwd)
    mutual("init", "Example CA", "--issuing").ok()
    mutual("issue", "server", "before").ok()
    mutual("ca", "rollover", "start").ok()
    mutual("issue", "server", "after").ok()
    alone = Mutual(cwd / "alone", cwd)
    alone("init", "Alone CA").ok()
    alone("issue", "server", "alone").ok()
    alone("ca", "rollover", "start").ok()
    for one in (mutual, alone):
        one("crl").ok()
        one("backup", f"{one.home.name}.backup").ok()
    return cwd


@pytest.fixture
def copy(kept, tmp_path):
    """Homes that a test may spoil."""
    def make(name):
        shutil.copytree(kept / name, tmp_path / name)
        return Mutual(tmp_path / name, tmp_path)
    return make


def test_health_looks_at_the_root_and_tells_of_a_rollover(copy):
    mutual = copy("home")
    assert found(mutual) == []
    told = mutual("health").ok().stdout
    assert "the root \"Example CA Root\" expires" in told and "its key is in the home" in told
    assert "a rollover is under way: 1 certificate in use still chains to the old root alone" in told
    (mutual.home / "root.key").rename(mutual.cwd / "usb.key")
    assert "its key is kept elsewhere" in mutual("health").ok().stdout
    alone = copy("alone")
    assert found(alone) == [] and "a rollover is under way" in alone("health").stdout


@pytest.mark.parametrize("spoil, ids", [
    (lambda home: (home / "trust.crt").write_text("nothing"), ["chain_unreadable"]),
    (lambda home: (home / "ca-chain.crt").write_text(certificates(home / "root.crt")[0]), ["chain_broken"]),
    (lambda home: (home / "trust.crt").write_text("".join(reversed(certificates(home / "trust.crt")))), ["chain_broken"]),
    (lambda home: (home / "root.crt").unlink(), ["root_unknown"]),
    (lambda home: [(home / "trust.crt").unlink(), (home / "root.crt").unlink()], ["root_unknown"]),
    (lambda home: os.chmod(home / "root.key", 0o644), ["secret_open"]),
    (lambda home: os.chmod(home / "trust.crt", 0o666), ["writable_by_others"]),
], ids=["trust", "chain", "order", "root", "none", "key", "mode"])
def test_health_finds_what_does_not_fit(copy, spoil, ids):
    mutual = copy("home")
    spoil(mutual.home)
    assert found(mutual) == ids


def test_health_misses_a_former_key(copy):
    alone = copy("alone")
    next(alone.home.glob("ca-*.key")).unlink()
    assert found(alone) == ["former_key"]
    def lists():
        return re.findall("-----BEGIN X509 CRL.*?END X509 CRL-----\n", (alone.home / "ca.crl").read_text(), re.S)

    before = lists()
    alone("issue", "client", "new").ok()
    result = alone("revoke", "new", "alone")  # of the present key, and of that one
    assert result.code == 1 and "a former key stay as they were, the others are made: cannot read" in result.stderr
    after = lists()
    assert len(after) == len(before) == 2 and after[1] == before[1]
    assert serial(alone.cwd / "new.crt") in openssl("crl", "-noout", "-text", input=after[0].encode())
    assert alone("crl", "--json").code == 1


def test_health_looks_at_each_former_key(copy):
    """One that is protected says nothing about the next one."""
    alone = copy("alone")
    key = next(alone.home.glob("ca-*.key"))
    openssl("pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-out", alone.cwd / "protected")
    (alone.cwd / "protected").rename(key)
    assert found(alone) == []
    other = Mutual(alone.cwd / "other", alone.cwd)
    other("init", "Other CA").ok()
    shutil.copy(other.home / "ca.crt", alone.home / f"ca-{'F' * 16}.crt")
    assert found(alone) == ["former_key"]


def test_health_sees_a_roots_end_coming(mutual, home, tmp_path):
    mutual("init", "--issuing", "--days", 100, "--root-days", 100).ok()
    mutual("backup", "b").ok()
    assert found(mutual) == []
    # A list of the root's that has ended: made by openssl, whose dates can be said.
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n")
    (tmp_path / "index").write_text("")
    (tmp_path / "number").write_text("01\n")
    openssl("ca", "-config", "ca.cnf", "-gencrl", "-cert", home / "root.crt", "-keyfile", home / "root.key",
            "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z", "-out", home / "root.crl",
            cwd=tmp_path)
    assert found(mutual) == ["root_list_expired"]


@pytest.mark.parametrize("name", ["home", "alone"])
def test_a_backup_holds_all_of_it(kept, tmp_path, name):
    before = Mutual(kept / name, tmp_path)
    after = Mutual(tmp_path / "restored", tmp_path)
    after("restore", kept / f"{name}.backup").ok()

    def keys_and_certificates(home):
        return {one: ((home / one).read_bytes(), mode(home / one)) for one in files(home)
                if one.endswith((".crt", ".key")) and "/" not in one}

    assert keys_and_certificates(after.home) == keys_and_certificates(before.home)
    after("issue", "server", "restored").ok()
    for leaf in ["restored.crt"] + ([kept / "before.crt", kept / "after.crt"] if name == "home" else [kept / "alone.crt"]):
        verifies(after.home / "trust.crt", tmp_path / leaf)
    assert after("ca", "rollover", "status", "--json").ok().json()["in_use"] == 1
    after("ca", "rollover", "finish", "--force").ok()
    assert found(after) == []
    after("restore", kept / f"{name}.backup", "--force").ok()
    assert len(certificates(after.home / "trust.crt")) == 2 and found(after) == []


def test_a_backup_warns_of_each_open_key(copy):
    mutual = copy("home")
    warning = mutual("backup", "open").ok().stderr
    assert all(key in warning for key in ("without a passphrase", "ca.key", "root.key", "root-")), warning
    (mutual.cwd / "secret").write_text("correct horse\n")
    mutual("ca", "passwd", "--new-passphrase-file", "secret").ok()
    assert mutual("backup", "closed").ok().stderr == ""
