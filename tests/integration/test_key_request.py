"""mutual key and mutual request: what is made where the CA is elsewhere."""
import pytest

from made import KEY_TYPES, files, mode, openssl, public_key


@pytest.mark.parametrize("key_type, kind", zip(
    KEY_TYPES, ["EC P-256", "EC P-384", "EC P-521", "RSA 2048", "RSA 3072", "Ed25519"]))
def test_a_key_alone(mutual, tmp_path, key_type, kind):
    result = mutual("key", "my.key", "--key-type", key_type).ok()
    assert f"made the private key my.key: {kind}" in result.stdout
    assert mode(tmp_path / "my.key") == 0o600
    openssl("pkey", "-in", tmp_path / "my.key", "-check", "-noout")


def test_openssls_names_of_key_types_are_understood(mutual):
    for name in ["P-256", "prime256v1", "secp384r1", "RSA:2048", "ED25519"]:
        mutual("key", "my.key", "--key-type", name, "--force").ok()


def test_a_key_with_a_passphrase(mutual, tmp_path):
    (tmp_path / "secret").write_bytes("contraseña\r\nanother line".encode())
    facts = mutual("key", "my.key", "--passphrase-file", "secret", "--json").ok().json()
    assert facts["encrypted"] is True
    openssl("pkey", "-in", tmp_path / "my.key", "-passin", "pass:contraseña", "-noout")
    mutual("request", "a", "--key", "my.key", "--passphrase-file", "secret").ok()
    assert public_key(tmp_path / "a.csr", "req") == openssl(
        "pkey", "-in", tmp_path / "my.key", "-passin", "pass:contraseña", "-pubout")
    mutual("request", "b", "--key", "my.key", prefix=("setsid", "--wait")).refused("my.key", "passphrase")


def test_a_key_is_not_overwritten(mutual, tmp_path):
    mutual("key", "my.key").ok()
    before = (tmp_path / "my.key").read_bytes()
    mutual("key", "my.key").refused("my.key", "exists already")
    assert (tmp_path / "my.key").read_bytes() == before
    mutual("key", "my.key", "--force").ok()
    assert (tmp_path / "my.key").read_bytes() != before


@pytest.mark.parametrize("words, code, said", [
    (["key"], 2, "FILE"),
    (["key", "a", "b"], 2, "\"b\""),
    (["key", "none/my.key"], 1, "none/my.key"),
    (["key", "."], 1, "directory"),
    (["key", ""], 1, ""),
    (["key", "my.key", "--key-type", "p123"], 2, "p256, p384"),
    (["request"], 2, "NAME"),
    (["request", "a", "b"], 2, "\"b\""),
    (["request", "a", "--san", "b c"], 1, "b c"),
    (["request", "a", "--key", "none.key"], 1, "none.key"),
    (["request", "a", "--key", "."], 1, "directory"),
    (["request", "a", "--key", "/dev/null"], 1, "/dev/null"),
    (["request", "a", "--key", "my.key", "--key-type", "p256"], 2, "--key-type"),
    (["request", "a", "--key-type", "p123"], 2, "p256, p384"),
    (["request", "a", "--out", "none/a"], 1, "none/a"),
])
def test_what_cannot_be_made_is_refused_in_words_and_leaves_nothing(mutual, tmp_path, words, code, said):
    mutual(*words).refused(said, "hint: ", code=code)
    assert files(tmp_path) == []


def test_a_request_carries_names_and_is_signed_by_its_key(mutual, tmp_path):
    result = mutual("request", "api.internal", "--san", "10.0.0.1", "--san", "alice@example.org").ok()
    assert files(tmp_path) == ["api.internal.csr", "api.internal.key"]
    assert "mutual sign api.internal.csr" in result.stdout
    shown = openssl("req", "-in", tmp_path / "api.internal.csr", "-noout", "-text", "-verify")
    assert "CN=api.internal" in shown.replace(" = ", "=")  # later versions of openssl leave the spaces out
    assert "DNS:api.internal, IP Address:10.0.0.1, email:alice@example.org" in shown
    assert public_key(tmp_path / "api.internal.csr", "req") == public_key(tmp_path / "api.internal.key", "pkey")
    assert mode(tmp_path / "api.internal.key") == 0o600


@pytest.mark.parametrize("how", [
    ["genrsa", "-traditional", "-out"], ["genrsa", "-out"], ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"],
    ["ecparam", "-name", "secp384r1", "-genkey", "-out"], ["genpkey", "-algorithm", "ed25519", "-out"],
    ["genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out"],
])
def test_a_request_from_a_key_that_openssl_made(mutual, tmp_path, how):
    openssl(*how, tmp_path / "its.key")
    before = (tmp_path / "its.key").read_bytes()
    mutual("request", "a", "--key", "its.key").ok()
    openssl("req", "-in", tmp_path / "a.csr", "-noout", "-verify")
    assert files(tmp_path) == ["a.csr", "its.key"]
    assert (tmp_path / "its.key").read_bytes() == before


def test_neither_half_is_overwritten(mutual, tmp_path):
    for taken in ("a.csr", "a.key"):
        (tmp_path / taken).write_text("mine")
        mutual("request", "a").refused(taken, "exists already")
        assert files(tmp_path) == [taken] and (tmp_path / taken).read_text() == "mine"
        (tmp_path / taken).unlink()
