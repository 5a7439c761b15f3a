"""mutual init --issuing: a root, and the CA below it that does the daily work without the root's key."""
import re

import pytest

from conftest import Mutual
from made import files, is_whole_pair, mode, openssl, subject, text

def certificates(path):
    """What is in a file, one PEM block each."""
    return re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", path.read_text(), re.S)


def verify(trust, chain, *options):
    openssl("verify", "-x509_strict", *options, "-CAfile", trust, "-untrusted", chain, chain)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home without the root's key, a server and a client."""
    cwd = tmp_path_factory.mktemp("issuing")
    mutual = Mutual(cwd / "home", cwd)
    mutual("init", "Example CA", "--issuing", "--root-key-out", "usb.key").ok()
    (cwd / "usb.key").rename(cwd / "far-away.key")
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    return mutual


def test_the_roots_key_can_lie_elsewhere(mutual, home, tmp_path):
    result = mutual("init", "Example CA", "--issuing", "--root-key-out", "usb.key", "--root-days", 5000).ok()
    assert files(home) == ["ca-chain.crt", "ca.crt", "ca.key", "mutual.db", "root.crl", "root.crt", "trust.crt"]
    assert mode(tmp_path / "usb.key") == 0o600
    assert openssl("pkey", "-in", tmp_path / "usb.key", "-pubout") == openssl("x509", "-in", home / "root.crt",
                                                                             "-noout", "-pubkey")
    for path in (home / "root.crt", home / "trust.crt", "usb.key"):
        assert str(path) in result.stdout
    assert subject(home / "root.crt") == "subject=CN = Example CA Root"
    assert "CA:TRUE, pathlen:1" in text(home / "root.crt") and "CA:TRUE, pathlen:0" in text(home / "ca.crt")
    verify(home / "trust.crt", home / "ca.crt")


def test_or_in_the_home_and_facts_are_json(mutual, home):
    facts = mutual("init", "--issuing", "--path-length", 3, "--json").ok().json()["root"]
    assert facts == {"cert": str(home / "root.crt"), "key": str(home / "root.key"), "trust": str(home / "trust.crt"),
                     "chain": str(home / "ca-chain.crt")}
    assert mode(home / "root.key") == 0o600
    assert "pathlen:3" in text(home / "root.crt")
    assert mutual("init", "--force", "--json").ok().json()["root"] is None
    assert files(home)[:3] == ["ca.crt", "ca.key", "mutual.db"], "all of the old CA has gone aside"
    assert len(list(home.glob("old-*/root.key"))) == 1


@pytest.mark.parametrize("words, code, said", [
    (["--root-key-out", "x"], 2, "--issuing"),
    (["--root-days", "5"], 2, "--issuing"),
    (["--issuing", "--path-length", "0"], 2, "--path-length"),
    (["--issuing", "--root-key-out", "there"], 1, "there"),
    (["--issuing", "--root-key-out", "no/where"], 1, "no/where"),
    (["--issuing", "x" * 60], 1, "64 characters"),
])
def test_what_cannot_be_is_refused_and_leaves_nothing(mutual, home, tmp_path, words, code, said):
    (tmp_path / "there").write_text("precious")
    mutual("init", *words).refused(said, "hint: ", code=code)
    assert not home.exists() or files(home) in ([], ["mutual.db"])
    assert (tmp_path / "there").read_text() == "precious"
    mutual("init", "--issuing").ok()


def test_leaves_come_as_a_chain_without_the_root(made):
    mutual, cwd = made, made.cwd
    issuing = certificates(mutual.home / "ca.crt")
    mutual("request", "api.example").ok()
    mutual("sign", "api.example.csr").ok()
    assert certificates(cwd / "api.example.crt")[1:] == issuing
    assert mutual("sign", "-", input=(cwd / "api.example.csr").read_text()).ok().stdout.count("BEGIN CERTIFICATE") == 2
    for name in ("localhost", "my-client"):
        assert certificates(cwd / f"{name}.crt")[1:] == issuing
        is_whole_pair(str(cwd / name))
        verify(mutual.home / "trust.crt", cwd / f"{name}.crt")
        assert "Example CA Root" in mutual("verify", f"{name}.crt").ok().stdout
    (cwd / "alone.crt").write_text(certificates(cwd / "localhost.crt")[0])
    mutual("verify", "alone.crt", "--strict").ok()  # the home helps


def test_so_do_those_that_are_issued_in_groups(made, tmp_path):
    issuing = certificates(made.home / "ca.crt")
    (tmp_path / "names").write_text("one.example\ntwo.example\n")
    made("issue", "server", "--batch", "names", cwd=tmp_path).ok()
    (tmp_path / "requests").mkdir()
    for name in ("three.example", "four.example"):
        made("request", name, "--out", f"requests/{name}", cwd=tmp_path).ok()
    made("sign", "requests", cwd=tmp_path).ok()
    made("sign", "requests", "--profile", "ca", cwd=tmp_path).refused("one request", code=2)
    written = sorted(tmp_path.rglob("*.example.crt"))
    assert len(written) == 4
    for path in written:
        assert certificates(path)[1:] == issuing, path
        verify(made.home / "trust.crt", path)


def test_daily_work_goes_on_without_the_roots_key(made, tmp_path):
    mutual, cwd = made, made.cwd
    mutual("issue", "client", "gone").ok()
    mutual("revoke", "gone").ok()
    mutual("renew", "localhost.crt", "--force").ok()
    assert certificates(cwd / "localhost.crt")[1:] == certificates(mutual.home / "ca.crt")
    mutual("crl").ok()
    mutual("verify", "localhost.crt", "--crl", mutual.home / "ca.crl", "--strict").ok()
    verify(mutual.home / "trust.crt", cwd / "localhost.crt", "-crl_check_all", "-CRLfile", mutual.home / "ca.crl")
    assert mutual("verify", "gone.crt", "--crl", mutual.home / "ca.crl").stdout.startswith("refused")
    mutual("ocsp", "request", "gone.crt").ok()
    mutual("ocsp", "answer", "gone.req").ok()
    assert "revoked" in mutual("ocsp", "read", "gone.resp", "--cert", "gone.crt").stdout
    mutual("export", "my-client", "--pem-bundle", "bundle.pem").ok()
    assert certificates(cwd / "bundle.pem")[1:] == certificates(mutual.home / "ca.crt")
    mutual("audit", "verify").ok()
    assert mutual("health", "--ignore", "backup_never").ok().code == 0
    mutual("backup", tmp_path / "b").ok()
    there = Mutual(tmp_path / "there", cwd)
    there("restore", tmp_path / "b").ok()
    there("issue", "client", "after").ok()
    verify(mutual.home / "trust.crt", cwd / "after.crt")


def test_a_chain_in_a_file_is_renewed_with_its_leaf(made):
    """What was there for another issuer goes; the root stays where somebody has put it, and so does the key."""
    mutual, cwd = made, made.cwd
    mutual("issue", "server", "all.example").ok()
    other = Mutual(cwd / "other", cwd)
    other("init", "Other CA", "--issuing").ok()
    leaf, issuing = certificates(cwd / "all.example.crt")
    stale, root = certificates(cwd / "other/ca.crt")[0], certificates(mutual.home / "root.crt")[0]
    (cwd / "all.pem").write_text(stale + leaf + (cwd / "all.example.key").read_text() + stale + root)
    mutual("renew", "all.pem", "--force").ok()
    assert certificates(cwd / "all.pem")[1:] == [issuing, root]
    openssl("pkey", "-in", cwd / "all.pem", "-noout")


def test_a_door_and_its_clients_trust_the_root(made):
    from door import Door
    mutual, cwd = made, made.cwd
    with Door(cwd, home=mutual.home) as door:
        assert mutual("get", "--as", "my-client", door.url).ok().stdout == "Hello World"
        root_alone = ["--cacert", mutual.home / "trust.crt"]
        assert mutual("get", "--as", "my-client", *root_alone, door.url, home=cwd / "none").ok().stdout == "Hello World"
