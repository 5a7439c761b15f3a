"""inspect: what a file holds, and what is wrong with it."""
import pathlib
import subprocess

import pytest

from door import Door

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
CERTS, KEYS = DATA / "certs", DATA / "keys"


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("secret\n")
    return path


def test_what_mutual_issues_has_nothing_wrong_with_it(ca, mutual):
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    for path in (ca / "ca.crt", "localhost.crt", "my-client.crt"):
        assert "problems     none found" in mutual("inspect", path).ok().stdout
    objects = mutual("inspect", "--json", "localhost.crt").ok().json()["objects"]
    assert objects[0]["names"] == ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]
    assert objects[0]["purposes"] == ["TLS server"]
    assert objects[0]["problems"] == []


def test_the_hand_made_recipe_is_told_what_is_wrong_with_it(mutual, tmp_path):
    said = mutual("inspect", CERTS / "recipe-v1.crt").ok().stdout
    assert "X.509 v1" in said and "[cert_is_v1]" in said
    assert "no subjectAltName" in said and "[server_no_san]" in said


def test_days_until_the_end_are_told_in_words(ca, mutual):
    mutual("issue", "client", "short", "--lifetime", "36h").ok()
    assert "expires in 1 day and 1" in mutual("inspect", "short.crt").ok().stdout


def test_a_key_is_said_to_belong_to_its_certificate(ca, mutual):
    mutual("issue", "client", "one").ok()
    mutual("issue", "client", "other").ok()
    right = mutual("inspect", "one.crt", "one.key").ok().stdout
    assert 'belongs to   the certificate "one" in one.crt' in right
    wrong = mutual("inspect", "one.crt", "other.key").ok().stdout
    assert "[key_mismatch]" in wrong


def test_a_bundle_with_the_ca_first_is_out_of_order(mutual, tmp_path):
    bundle = tmp_path / "bundle.crt"
    bundle.write_text((CERTS / "ca.crt").read_text() + (CERTS / "client.crt").read_text())
    assert "[bundle_wrong_order]" in mutual("inspect", bundle).ok().stdout


@pytest.mark.parametrize("flags", [(), ("--text",), ("--json",)])
@pytest.mark.parametrize("name", ["test-pkcs8.pem", "test-rsa-pkcs1.pem", "test-ed25519.pem"])
def test_no_private_number_is_ever_shown(mutual, name, flags):
    shown = mutual("inspect", *flags, KEYS / name).ok().stdout.lower().replace(":", "")
    text = subprocess.run(["openssl", "pkey", "-in", KEYS / name, "-text", "-noout"], check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    digits, private = [], False
    for line in text.splitlines():  # openssl indents the numbers under the name of each
        if not line.startswith(" "):
            private = line.startswith(("priv", "prime", "exponent", "coefficient"))
        elif private:
            digits.append(line.strip().replace(":", ""))
    assert digits
    assert not [number for number in digits if len(number) > 8 and number in shown]


def test_an_encrypted_key_is_told_for_what_it_is_without_its_passphrase(mutual, passphrase):
    closed = mutual("inspect", KEYS / "test-pkcs8-encrypted.pem", start_new_session=True).ok()
    assert "an encrypted private key" in closed.stdout and "closed" in closed.stdout
    opened = mutual("inspect", KEYS / "test-pkcs8-encrypted.pem", "--passphrase-file", passphrase).ok()
    assert "EC P-256" in opened.stdout and "encrypted    yes" in opened.stdout


def test_a_pkcs12_container_shows_its_contents(mutual, passphrase):
    said = mutual("inspect", KEYS / "test-client.p12", env={"MUTUAL_PASSPHRASE_FILE": passphrase}).ok().stdout
    assert "1 of 4: a PKCS#12 container" in said
    assert 'belongs to   the certificate "alice"' in said
    locked = mutual("inspect", KEYS / "test-client.p12", start_new_session=True)
    locked.refused("protected by a passphrase", "--passphrase-file")


def test_a_container_of_old_is_refused_with_the_way_to_convert_it(mutual, passphrase):
    mutual("inspect", KEYS / "test-client-of-old.p12", "--passphrase-file", passphrase).refused(
        "algorithm of old", "openssl pkcs12 -legacy")


def test_requests_and_lists_are_told(mutual):
    request = mutual("inspect", CERTS / "client.csr").ok().stdout
    assert "common name  alice" in request and "DNS:alice.example" in request and "signature    good" in request
    revoked = mutual("inspect", CERTS / "ca.crl").ok().stdout
    assert "1 certificate" in revoked and "next is due" in revoked
    assert "[crl_expired]" in mutual("inspect", CERTS / "ca-stale.crl").ok().stdout


def test_standard_input_is_read(mutual):
    data = (CERTS / "client.der").read_bytes()
    assert mutual("inspect", "-", input=data).ok().stdout.startswith("standard input: a certificate")


def test_the_full_text_is_openssls(mutual):
    assert "X509v3 Subject Alternative Name" in mutual("inspect", "--text", CERTS / "client.crt").ok().stdout


def test_one_bad_file_does_not_hide_the_good_ones(mutual, tmp_path):
    (tmp_path / "empty").write_text("")
    result = mutual("inspect", CERTS / "client.crt", "empty", CERTS / "ca.crl")
    assert result.code == 1
    assert "alice" in result.stdout and "revocation list" in result.stdout
    assert "empty is empty" in result.stderr
    everything = mutual("inspect", "--json", CERTS / "client.crt", "empty").json()
    assert [thing["kind"] for thing in everything["objects"]] == ["certificate"]
    assert [error["id"] for error in everything["errors"]] == ["empty"]


def test_json_has_stable_names(mutual):
    thing = mutual("inspect", "--json", CERTS / "expired.crt").ok().json()["objects"][0]
    assert thing["kind"] == "certificate" and thing["form"] == "PEM" and thing["line"] == 1
    assert thing["not_after"] == "2026-05-20T00:00:00Z"
    assert thing["ca"] is False and thing["path_length"] is None
    assert thing["problems"][0]["id"] == "client_cert_expired"
    assert thing["sha256"].count(":") == 31


def test_names_cannot_send_escape_sequences_to_the_terminal(mutual, tmp_path):
    config = tmp_path / "config"
    config.write_text("[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=v3\n[dn]\nCN=\\x1b]0;owned\\x07\n"
                      "[v3]\nsubjectAltName=DNS:a\x1b[31m,URI:http://\x9b31m\n")
    made = subprocess.run(["openssl", "req", "-new", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                           "ec_paramgen_curve:prime256v1", "-keyout", tmp_path / "key", "-out", tmp_path / "odd.crt",
                           "-config", config], stderr=subprocess.PIPE, check=False)
    assert made.returncode == 0, made.stderr
    for flags in ((), ("--text",), ("--json",)):
        assert "\x1b" not in mutual("inspect", *flags, "odd.crt").ok().stdout


def test_a_url_shows_the_chain_that_the_server_presents(mutual, ca, tmp_path):
    with Door(tmp_path, home=ca) as door:
        shown = mutual("inspect", door.url).ok().stdout
        assert "CN=localhost" in shown and "DNS:localhost" in shown and "TLS server" in shown
        things = mutual("inspect", "--json", door.url).ok().json()["objects"]
        assert [thing["kind"] for thing in things] == ["certificate"]


def test_a_url_that_shows_nothing_says_why(mutual, ca, tmp_path):
    with Door(tmp_path, home=ca) as door:
        plain_http = mutual("inspect", door.url.replace("https", "http"))
        assert plain_http.code == 1 and "plain HTTP" in plain_http.stderr
        port = door.port
    gone = mutual("inspect", f"https://127.0.0.1:{port}")
    assert gone.code == 1 and "cannot fetch" in gone.stderr and "hint: " in gone.stderr
