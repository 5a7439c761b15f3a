"""ML-DSA, signatures that a quantum computer does not forge: where libcrypto has it, and where it has not."""
import subprocess

import pytest

from conftest import ROOT, WAIT
from door import Door
from made import openssl

PQ = ROOT / "tests/data/pq"
TYPES = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]
HAS = "ML-DSA" in subprocess.run(["openssl", "list", "-key-managers"], capture_output=True, text=True, timeout=WAIT,
                                 check=True).stdout
only_with = pytest.mark.skipif(not HAS, reason="this OpenSSL has no ML-DSA")
only_without = pytest.mark.skipif(HAS, reason="this OpenSSL has ML-DSA")


# --- Where libcrypto has it ---

@pytest.fixture(params=TYPES)
def place(request, mutual, tmp_path):
    """A CA, a server, a client, a request that it signed: all of one type."""
    kind = ("--key-type", request.param)
    mutual("init", *kind).ok()
    mutual("issue", "server", "localhost", *kind).ok()
    mutual("request", "my-client", *kind).ok()
    mutual("sign", "my-client.csr", "--profile", "client").ok()
    return request.param.upper(), tmp_path


@only_with
def test_a_ca_and_leaves_of_it_are_good_in_the_eyes_of_openssl_too(mutual, home, place):
    name, path = place
    for cert, purpose in (("localhost.crt", "sslserver"), ("my-client.crt", "sslclient")):
        openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", home / "ca.crt", path / cert)
        text = openssl("x509", "-in", path / cert, "-noout", "-text")
        assert text.count(f"Signature Algorithm: {name}\n") == 2 and f"Public Key Algorithm: {name}\n" in text
        assert "Digital Signature\n" in text and "Encipherment" not in text and "Agreement" not in text
    assert "Certificate Sign, CRL Sign\n" in openssl("x509", "-in", home / "ca.crt", "-noout", "-text")
    openssl("req", "-in", path / "my-client.csr", "-verify", "-noout")


@only_with
def test_inspect_and_verify_know_it(mutual, home, place):
    name, _ = place
    shown = mutual("inspect", "my-client.crt").ok().stdout
    assert f"key          {name}\n" in shown and f"signature    {name}\n" in shown and "problems     none found" in shown
    assert name in mutual("inspect", "my-client.csr", "my-client.key").ok().stdout
    mutual("verify", "localhost.crt", "--host", "localhost").ok()
    mutual("verify", "my-client.crt", "--purpose", "client").ok()


@only_with
def test_it_goes_through_the_door_and_out_of_the_house(mutual, home, place):
    _, path = place
    with Door(path, "--cert", "localhost.crt", "--key", "localhost.key", home=home) as door:
        assert mutual("get", "--as", "my-client", door.url).ok().stdout == "Hello World"
        (path / "secret").write_text("secret\n")
        mutual("export", "my-client", "--p12", "c.p12", "--passphrase-file", "secret").ok()
        assert mutual("get", "--cert", "c.p12", "--passphrase-file", "secret", door.url).ok().stdout == "Hello World"
    mutual("ca", "passwd", "--new-passphrase-file", "secret").ok()
    mutual("issue", "client", "another", "--passphrase-file", "secret").ok()


@only_with
def test_files_of_openssl_are_taken(mutual, home, tmp_path):
    mutual("verify", PQ / "client.crt", "--cacert", PQ / "ca.crt", "--purpose", "client").ok()
    mutual("init").ok()
    mutual("sign", PQ / "client.csr", "--profile", "client", "--out", "c.crt").ok()
    (tmp_path / "secret").write_text("secret\n")
    for key in ("client.key", "client-encrypted.key", "client-key.der", "client.p12"):
        mutual("request", "again", "--key", PQ / key, "--passphrase-file", "secret", "--force").ok()


# --- Where it has not ---

@only_without
@pytest.mark.parametrize("kind", TYPES + ["MLDSA65"])
def test_without_it_no_key_is_made_and_the_reason_is_told(mutual, home, tmp_path, kind):
    for words in (["init"], ["key", "a.key"], ["request", "a"]):
        mutual(*words, "--key-type", kind).refused("the OpenSSL here, ", "has no ML-DSA-", "OpenSSL 3.5 or later")
    assert not home.exists() and list(tmp_path.iterdir()) == []
    mutual("init").ok()
    mutual("issue", "client", "a", "--key-type", kind).refused("has no ML-DSA-", "OpenSSL 3.5 or later")
    assert list(tmp_path.iterdir()) == []


@only_without
@pytest.mark.parametrize("name", ["client.key", "client-encrypted.key", "client-key.der"])
def test_without_it_a_key_is_named_and_not_called_damaged(mutual, tmp_path, name):
    (tmp_path / "secret").write_text("secret\n")
    result = mutual("request", "a", "--key", PQ / name, "--passphrase-file", "secret")
    result.refused(name, "is of a kind, ML-DSA-65, that the OpenSSL here, ", "OpenSSL 3.5 or later")


@only_without
def test_without_it_a_request_is_not_called_forged(mutual, tmp_path):
    mutual("init").ok()
    mutual("sign", PQ / "client.csr", "--out", "a.crt").refused("ML-DSA-65", "does not know")
    assert not (tmp_path / "a.crt").exists()
    shown = mutual("inspect", PQ / "client.csr").ok().stdout
    assert "[unsupported_key_type]" in shown and "csr_bad_signature" not in shown


@only_without
def test_without_it_a_certificate_is_named_and_not_called_weak(mutual):
    result = mutual("verify", PQ / "client.crt", "--cacert", PQ / "ca.crt")
    assert result.code == 1 and "of a kind that is not supported: ML-DSA-65, ML-DSA-44" in result.stdout
    assert "weak" not in result.stdout.split("cause")[0]
    shown = mutual("inspect", PQ / "ca.crt").ok().stdout
    assert "ML-DSA-44" in shown and "[unsupported_key_type]" in shown and "subject_equals_issuer" not in shown


@only_without
def test_without_it_a_container_is_not_called_damaged(mutual, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    mutual("request", "a", "--key", PQ / "client.p12", "--passphrase-file", "secret").refused(
        "client.p12", "of a kind that the OpenSSL here")
