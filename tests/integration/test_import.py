"""mutual init --import: what is taken over, in what form, and what is refused."""
import re

import pytest

from conftest import Mutual
from made import files, mode, openssl


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """CAs that mutual has made, in two homes: a root alone, and an issuing CA."""
    cwd = tmp_path_factory.mktemp("theirs")
    alone, below = Mutual(cwd / "alone", cwd), Mutual(cwd / "below", cwd)
    alone("init", "Alone CA").ok()
    below("init", "Below CA", "--issuing").ok()
    return cwd


def test_facts_are_told_and_json(mutual, home, made, tmp_path):
    facts = mutual("init", "--import", made / "alone/ca.crt", made / "alone/ca.key", "--json").ok().json()
    assert (facts["name"], facts["cert"], facts["root"], facts["problems"]) == ("Alone CA", str(home / "ca.crt"), None, [])
    (tmp_path / "open.key").write_bytes((made / "below/ca.key").read_bytes())
    (tmp_path / "open.key").chmod(0o644)
    told = mutual("init", "--import", made / "below/ca.crt", "open.key", "--chain", made / "below/root.crt",
                  "--force").ok()
    for fact in ("Below CA", str(home / "root.crt"), str(home / "trust.crt")):
        assert fact in told.stdout
    assert "moved to" in told.stderr and "not in the records" in told.stderr
    assert mode(home / "ca.key") == 0o600, "whatever it was elsewhere"


def test_a_ca_below_another_brings_its_chain(mutual, home, made, tmp_path):
    pair = (made / "below/ca.crt", made / "below/ca.key")
    mutual("init", "--import", *pair).refused("above \"Below CA\" is missing", "--chain")
    mutual("init", "--import", *pair, "--chain", made / "alone/ca.crt").refused("is missing")
    assert not home.exists()
    mutual("init", "--import", *pair, "--chain", made / "below/root.crt").ok()
    assert files(home) == ["ca-chain.crt", "ca.crt", "ca.key", "mutual.db", "root.crt", "trust.crt"]
    mutual("issue", "server", "localhost").ok()
    openssl("verify", "-x509_strict", "-CAfile", made / "below/trust.crt", "-untrusted", tmp_path / "localhost.crt",
            tmp_path / "localhost.crt")


def test_a_protected_key_stays_protected(mutual, home, made, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    openssl("pkey", "-in", made / "alone/ca.key", "-aes256", "-passout", "pass:correct horse", "-out", tmp_path / "enc.key")
    openssl("pkcs12", "-export", "-in", made / "alone/ca.crt", "-inkey", made / "alone/ca.key", "-passout",
            "pass:correct horse", "-out", tmp_path / "ca.p12")
    for words in ([made / "alone/ca.crt", "enc.key"], ["ca.p12"]):
        mutual("init", "--import", *words).refused("protected by a passphrase", "--passphrase-file")
        mutual("init", "--import", *words, "--passphrase-file", "secret", "--force").ok()
        assert "ENCRYPTED" in (home / "ca.key").read_text()
        mutual("issue", "client", "a", "--passphrase-file", "secret", "--force").ok()


def test_what_is_no_ca_is_refused_and_leaves_nothing(mutual, home, made, tmp_path):
    Mutual(made / "alone", tmp_path)("issue", "server", "localhost").ok()
    alone = made / "alone"
    (tmp_path / "both.pem").write_text((alone / "ca.crt").read_text() + (alone / "ca.key").read_text())
    for words, code, said in [
        (["localhost.crt", "localhost.key"], 1, "not a CA"),
        ([alone / "ca.crt", "localhost.key"], 1, "does not belong"),
        ([alone / "ca.crt"], 1, "CA.key"),
        ([], 2, "--import"),
        (["none.crt", "none.key"], 1, "none.key"),
        ([alone / "ca.crt", alone / "ca.key", "--days", "5"], 2, "--days"),
        ([alone / "ca.crt", alone / "ca.key", "--issuing"], 2, "--issuing"),
        ([alone / "ca.crt", alone / "ca.key", "third"], 2, "third"),
    ]:
        mutual("init", "--import", *words).refused(said, "hint: ", code=code)
        assert not home.exists()
    mutual("init", "x", "--chain", "y").refused("--import", code=2)
    mutual("init", "--import", "both.pem").ok()
    mutual("init", "--import", "both.pem").refused("there is a CA in", "--force")
    assert re.search("moved to", mutual("init", "--import", "both.pem", "--force").ok().stderr)
