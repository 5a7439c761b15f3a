"""A PKCS#12 container wherever a certificate and its key can be named: made by openssl, read by each command."""
import subprocess

import pytest

from conftest import ROOT, WAIT
from door import Door
from terminal import answer


def openssl(*words, cwd):
    return subprocess.run(["openssl", *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=WAIT, check=True)


@pytest.fixture
def place(mutual, ca, tmp_path):
    """client.p12, server.p12 and ca.p12, each with its key and with the CA; no file beside them has a key."""
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    mutual("request", "api").ok()
    (tmp_path / "secret").write_text("correct horse\n")
    ca_crt, ca_key = ca / "ca.crt", ca / "ca.key"
    for name, cert, key, more in [("client", "my-client.crt", "my-client.key", ["-certfile", ca_crt]),
                                  ("server", "localhost.crt", "localhost.key", ["-certfile", ca_crt]),
                                  ("ca", ca_crt, ca_key, []), ("trust", ca_crt, None, [])]:
        own = ["-inkey", key] if key else ["-nokeys"]
        openssl("pkcs12", "-export", "-in", cert, *own, *more, "-passout", "file:secret", "-out", f"{name}.p12",
                cwd=tmp_path)
    for name in ("localhost.crt", "localhost.key", "my-client.key"):
        (tmp_path / name).unlink()
    return tmp_path


UNLOCK = ("--passphrase-file", "secret")


def test_serve_and_get_take_it_for_certificate_and_key(mutual, ca, place):
    with Door(place, "--cert", "server.p12", "--cacert", "trust.p12", *UNLOCK, home=ca) as door:
        for words in (["--cert", "client.p12"], ["--cert", "client.p12", "--key", "client.p12"],
                      ["--cert", "my-client.crt", "--key", "client.p12"]):
            assert mutual("get", *words, "--cacert", "trust.p12", *UNLOCK, door.url).ok().stdout == "Hello World"
        sent = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", "-showcerts"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=WAIT, check=False).stdout
        assert sent.split("\nServer certificate")[0].count("BEGIN CERTIFICATE") == 1, "the root stays here"


def test_sign_takes_it_for_the_ca(mutual, place):
    mutual("sign", "api.csr", "--cacert", "ca.p12", *UNLOCK).ok()
    mutual("sign", "api.csr", "--cacert", "ca.p12", "--cakey", "ca.p12", *UNLOCK, "--force").ok()
    mutual("sign", "api.csr", "--cacert", "trust.p12", "--cakey", "ca.p12", *UNLOCK, "--force").ok()
    mutual("verify", "api.crt", "--host", "api").ok()
    mutual("sign", "api.csr", "--cacert", "trust.p12", *UNLOCK, "--force").refused(
        "trust.p12 holds a PKCS#12 container without a private key", "name the file of its key with --cakey FILE")
    mutual("sign", "api.csr", "--cacert", "client.p12", *UNLOCK, "--force").refused("my-client")


def test_verify_takes_it_everywhere(mutual, place):
    said = mutual("verify", "client.p12", "--cacert", "trust.p12", "--untrusted", "trust.p12", *UNLOCK).ok().stdout
    assert said.startswith("good: \"my-client\"")
    mutual("verify", "client.p12", "--cacert", "trust.p12", start_new_session=True).refused("client.p12", "passphrase")


def test_request_takes_the_key_out_of_it(mutual, place):
    mutual("request", "my-client", "--key", "client.p12", *UNLOCK).ok()
    pin = [mutual("inspect", name, "--json", *UNLOCK).ok().stdout for name in ("my-client.csr", "my-client.crt")]
    openssl("req", "-in", "my-client.csr", "-verify", "-noout", cwd=place)
    ours, theirs = (openssl(kind, "-in", f"my-client.{ending}", "-noout", "-pubkey", cwd=place).stdout
                    for kind, ending in (("req", "csr"), ("x509", "crt")))
    assert ours == theirs and all(pin)
    mutual("request", "other", "--key", "trust.p12", *UNLOCK).refused("container without a private key")


def test_the_passphrase_is_asked_once(mutual, place):
    code, shown = answer(mutual, ["sign", "api.csr", "--cacert", "ca.p12"], ["correct horse"])
    assert code == 0 and shown.count("Passphrase for ca.p12: ") == 1, shown


@pytest.mark.parametrize("words", [
    ["serve", "--cert", "server.p12"], ["serve", "--cacert", "trust.p12"],
    ["get", "--cert", "client.p12", "https://localhost:1"], ["get", "--cacert", "trust.p12", "https://localhost:1"],
    ["sign", "api.csr", "--cacert", "ca.p12"], ["verify", "client.p12"],
    ["verify", "my-client.crt", "--cacert", "trust.p12"], ["verify", "my-client.crt", "--untrusted", "trust.p12"],
    ["request", "new", "--key", "client.p12"],
])
def test_a_passphrase_that_is_missing_or_wrong_is_told(mutual, place, words):
    mutual(*words, start_new_session=True).refused(".p12 is protected by a passphrase", "--passphrase-file")
    (place / "wrong").write_text("battery staple\n")
    result = mutual(*words, "--passphrase-file", "wrong").refused("does not open the PKCS#12 container")
    assert "battery" not in result.stderr


def test_a_chain_without_order_is_put_in_order(mutual, ca, place):
    """The leaf's issuer may stand anywhere in a container."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=beside", "-keyout", "x.key", "-out", "x.crt",
            cwd=place)
    (place / "pile.crt").write_text((place / "x.crt").read_text() + (ca / "ca.crt").read_text())
    openssl("pkcs12", "-in", "client.p12", "-passin", "file:secret", "-nocerts", "-nodes", "-out", "c.key", cwd=place)
    openssl("pkcs12", "-export", "-in", "my-client.crt", "-inkey", "c.key", "-certfile", "pile.crt", "-passout",
            "file:secret", "-out", "pile.p12", cwd=place)
    mutual("verify", "pile.p12", *UNLOCK).ok()
    with Door(place, home=ca) as door:
        assert mutual("get", "--cert", "pile.p12", *UNLOCK, door.url).ok().stdout == "Hello World"


@pytest.mark.parametrize("name, words", [
    ("client-pbmac1_pbkdf2.p12", ("a MAC of a kind, PBMAC1, that the OpenSSL here", "OpenSSL 3.4 or later")),
    ("client-nomac.p12", ("has no MAC", "have it made again with a MAC")),
])
def test_a_mac_of_another_kind_is_known_or_named(mutual, place, name, words):
    """A newer OpenSSL reads what an older one has to refuse in words."""
    (place / "plain").write_text("secret\n")
    result = mutual("request", "a", "--key", ROOT / "tests/data/pq" / name, "--passphrase-file", "plain")
    if result.code != 0:
        result.refused(name, *words)
    version = tuple(map(int, openssl("version", cwd=place).stdout.split()[1].split(".")[:2]))
    assert (result.code == 0) == (version >= (3, 4))
