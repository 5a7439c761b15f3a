"""What mutual makes, before other people's strictest judges; and keys in every form that they make."""
import pytest

from peers import VERSIONS, Files, need, nss_database, pkcs12, run

pytestmark = pytest.mark.judged

KEY_TYPES = ["p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519"]


@pytest.fixture
def make_files(mutual, tmp_path):
    """A CA of one key type, and a certificate of another for localhost: a peer's, good for both ends."""
    def make(ca_type, key_type, profile="peer"):
        home = tmp_path / "home"
        mutual("init", "--key-type", ca_type, home=home).ok()
        mutual("issue", profile, "localhost", "--key-type", key_type, home=home).ok()
        return Files(home / "ca.crt", tmp_path / "localhost.crt", tmp_path / "localhost.key")
    return make


@pytest.mark.parametrize("key_type", ["p256", "p521", "rsa2048", "ed25519"])
def test_openssl_accepts_it_at_its_strictest_and_for_its_purpose_only(make_files, mutual, key_type):
    files = make_files(key_type, key_type, "server")
    mutual("issue", "client", "my-client", "--key-type", key_type, home=files.ca.parent).ok()
    strict = [need("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-CAfile", files.ca]
    run(*strict, "-purpose", "sslserver", "-verify_hostname", "localhost", files.cert)
    run(*strict, "-purpose", "sslserver", "-verify_ip", "::1", files.cert)
    run(*strict, "-purpose", "sslclient", files.cert.parent / "my-client.crt")
    assert run(*strict, "-purpose", "sslclient", files.cert, check=False).returncode != 0
    assert run(*strict, "-purpose", "sslserver", files.cert.parent / "my-client.crt", check=False).returncode != 0


@pytest.mark.parametrize("key_type", ["p256", "p521", "rsa2048", "ed25519"])
def test_certtool_accepts_it(make_files, key_type):
    files = make_files(key_type, key_type, "server")
    verify = [need("certtool"), "--verify", "--load-ca-certificate", files.ca, "--infile", files.cert]
    run(*verify, "--verify-purpose", "1.3.6.1.5.5.7.3.1", "--verify-hostname", "localhost")
    assert run(*verify, "--verify-purpose", "1.3.6.1.5.5.7.3.2", check=False).returncode != 0


@pytest.mark.parametrize("key_type", ["p256", "p384", "p521", "rsa2048"])
def test_nss_accepts_it_for_its_purpose_only(make_files, tmp_path, key_type):
    files = make_files(key_type, key_type, "server")
    database = nss_database(files, tmp_path)
    check = [need("certutil"), "-V", "-e", "-d", f"sql:{database}", "-n", "localhost"]
    run(*check, "-u", "V")
    assert run(*check, "-u", "C", check=False).returncode != 0


@pytest.mark.parametrize("ca_type, key_type", [(kind, kind) for kind in KEY_TYPES] + [
    ("p256", "rsa2048"), ("rsa2048", "p256"), ("p384", "ed25519"), ("ed25519", "p256")])
def test_every_key_type_works_at_both_ends(make_files, make_door, make_server, make_client, mutual, ca_type, key_type):
    files = make_files(ca_type, key_type)
    door = make_door(files)
    for version in VERSIONS:
        answer, = make_client("openssl").fetch(door.port, version, files)
        assert "Hello World" in answer
        peer = make_server("openssl", version, files)
        result = mutual("get", "--cacert", files.ca, "--cert", files.cert, "--key", files.key, peer.url).ok()
        assert peer.greets in result.stdout and result.stderr == ""


# --- Keys in every form that openssl writes ---

FORMS = {
    "PKCS#8": ("p256", ["pkcs8", "-topk8", "-nocrypt"]),
    "PKCS#8 in DER": ("p256", ["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]),
    "PKCS#8, encrypted": ("p256", ["pkcs8", "-topk8", "-passout", "file:passphrase"]),
    "PKCS#8, encrypted with scrypt, in DER": (
        "rsa2048", ["pkcs8", "-topk8", "-scrypt", "-passout", "file:passphrase", "-outform", "DER"]),
    "PKCS#1": ("rsa2048", ["rsa", "-traditional"]),
    "PKCS#1 in DER": ("rsa2048", ["rsa", "-traditional", "-outform", "DER"]),
    "PKCS#1, encrypted the old way": ("rsa2048", ["rsa", "-traditional", "-aes128", "-passout", "file:passphrase"]),
    "SEC1": ("p384", ["ec"]),
    "SEC1 in DER": ("p256", ["ec", "-outform", "DER"]),
    "SEC1, encrypted the old way": ("p256", ["ec", "-aes256", "-passout", "file:passphrase"]),
    "Ed25519, encrypted": ("ed25519", ["pkcs8", "-topk8", "-passout", "file:passphrase"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_works_in_every_form_that_openssl_writes(make_files, make_door, mutual, tmp_path, form):
    key_type, words = FORMS[form]
    files = make_files(key_type, key_type)
    (tmp_path / "passphrase").write_text("open sesame\n")
    for theirs, name in [(files.key, "end.key"), (files.ca.parent / "ca.key", "issuer.key")]:
        run(need("openssl"), *words, "-in", theirs, "-out", name, cwd=tmp_path)
    unlock = ["--passphrase-file", tmp_path / "passphrase"] if "encrypted" in form else []
    files = files._replace(key=tmp_path / "end.key")

    door = make_door(files, *unlock)
    get = mutual("get", "--cacert", files.ca, "--cert", files.cert, "--key", files.key, *unlock, door.url).ok()
    assert get.stdout == "Hello World"
    mutual("request", "again", "--key", "end.key", *unlock).ok()
    mutual("sign", "again.csr", "--profile", "client", "--cacert", files.ca, "--cakey", "issuer.key", *unlock).ok()
    run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", files.ca, tmp_path / "again.crt")
    if unlock:
        locked = mutual("get", "--cacert", files.ca, "--cert", files.cert, "--key", files.key, door.url,
                        start_new_session=True)  # without a terminal to ask on
        locked.refused("end.key", "passphrase", "hint: ")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pkcs12_file_stands_for_certificate_and_key(make_files, make_door, make_client, mutual, tmp_path, legacy):
    files = make_files("p256", "p256")
    container = pkcs12(files, tmp_path)
    (tmp_path / "passphrase").write_text("secret\n")
    if legacy:  # as many tools still write them
        run(need("openssl"), "pkcs12", "-export", "-in", files.cert, "-inkey", files.key, "-passout", "pass:secret",
            "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-out", container)
    unlock = ["--passphrase-file", tmp_path / "passphrase"]
    with make_door(files._replace(cert=container, key=container), *unlock) as door:
        answer, = make_client("curl").fetch(door.port, "1.3", files)
        assert answer == "Hello World"
        assert mutual("get", "--cacert", files.ca, "--cert", container, *unlock, door.url).ok().stdout == "Hello World"


def test_a_der_certificate_works_at_both_ends(make_files, make_door, make_client, mutual, tmp_path):
    files = make_files("p256", "p256")
    for pem, der in [(files.ca, "ca.der"), (files.cert, "end.der")]:
        run(need("openssl"), "x509", "-in", pem, "-outform", "DER", "-out", tmp_path / der)
    door = make_door(Files(tmp_path / "ca.der", tmp_path / "end.der", files.key))
    answer, = make_client("curl").fetch(door.port, "1.3", files)
    assert answer == "Hello World"
    result = mutual("get", "--cacert", "ca.der", "--cert", "end.der", "--key", files.key, door.url).ok()
    assert result.stdout == "Hello World"
