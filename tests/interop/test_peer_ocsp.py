"""OCSP between mutual and the programs of others: their requests, our answers, and the other way round."""
import re

import pytest

from door import Door, ask, connect, context, read_all
from peers import need, run
from point import Point

KEY_TYPES = ["p256", "p521", "rsa2048", "ed25519"]


@pytest.fixture
def world(mutual, tmp_path):
    """A CA of a key type, with a certificate that is good, one that is revoked and one that is on hold."""
    def make(key_type="p256"):
        mutual("init", "--key-type", key_type).ok()
        for name in ("good", "bad", "held"):
            mutual("issue", "client", name).ok()
        mutual("revoke", "bad", "--reason", "keyCompromise").ok()
        mutual("revoke", "held", "--reason", "hold").ok()
        (tmp_path / "ca.crt").write_bytes((mutual.home / "ca.crt").read_bytes())
        return tmp_path
    return make


def said(output, name):
    """What `openssl ocsp` says of a certificate: the lines from its own to the next."""
    return re.search(rf"^{name}\.crt: (.*(?:\n\t.*)*)", output, re.M)[1]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_openssl_asks_and_believes_the_answer(mutual, world, key_type):
    place = world(key_type)
    openssl = need("openssl")
    certs = ["-cert", "good.crt", "-cert", "bad.crt", "-cert", "held.crt"]
    run(openssl, "ocsp", "-issuer", "ca.crt", *certs, "-reqout", "openssl.req", cwd=place)
    mutual("ocsp", "answer", "openssl.req").ok()
    done = run(openssl, "ocsp", "-reqin", "openssl.req", "-respin", "openssl.resp", "-issuer", "ca.crt", "-CAfile", "ca.crt",
               "-resp_text", cwd=place)
    assert "Response verify OK" in done.stderr and "WARNING" not in done.stderr
    done = run(openssl, "ocsp", "-respin", "openssl.resp", "-issuer", "ca.crt", "-CAfile", "ca.crt", "-no_nonce", *certs, cwd=place)
    assert "Response verify OK" in done.stderr
    assert said(done.stdout, "good").startswith("good")
    assert said(done.stdout, "bad").startswith("revoked") and "Reason: keyCompromise" in said(done.stdout, "bad")
    assert said(done.stdout, "held").startswith("revoked") and "Reason: certificateHold" in said(done.stdout, "held")


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_openssl_may_name_the_ca_by_any_hash(mutual, world, digest):
    place = world()
    openssl = need("openssl")
    run(openssl, "ocsp", "-issuer", "ca.crt", f"-{digest}", "-cert", "good.crt", "-serial", "0x1234", "-reqout", "openssl.req",
        cwd=place)
    assert "1 good, 1 unknown" in mutual("ocsp", "answer", "openssl.req").ok().stdout
    done = run(openssl, "ocsp", "-respin", "openssl.resp", "-issuer", "ca.crt", f"-{digest}", "-cert", "good.crt", "-no_nonce",
               "-CAfile", "ca.crt", cwd=place)
    assert said(done.stdout, "good").startswith("good")


def test_openssl_may_sign_its_request(mutual, world):
    place = world()
    run(need("openssl"), "ocsp", "-issuer", "ca.crt", "-cert", "good.crt", "-signer", "good.crt", "-signkey", "good.key",
        "-reqout", "signed.req", cwd=place)
    assert "1 good" in mutual("ocsp", "answer", "signed.req").ok().stdout


def test_openssl_reads_our_request_and_our_refusal(mutual, world):
    place = world()
    openssl = need("openssl")
    mutual("ocsp", "request", "good.crt", "bad.crt", "--out", "ours.req").ok()
    shown = run(openssl, "ocsp", "-reqin", "ours.req", "-req_text", "-noverify", cwd=place).stdout
    assert shown.count("Hash Algorithm: sha1") == 2 and "OCSP Nonce" in shown
    (place / "foo.req").write_text("foo")
    mutual("ocsp", "answer", "foo.req").refused("malformedRequest")
    done = run(openssl, "ocsp", "-respin", "foo.resp", "-resp_text", cwd=place, check=False)
    assert "malformedrequest (1)" in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_ocsptool_asks_and_believes_the_answer(mutual, world, key_type):
    place = world(key_type)
    ocsptool = need("ocsptool")
    for name, state in [("good", "good"), ("bad", "revoked"), ("held", "revoked")]:
        run(ocsptool, "--generate-request", "--load-issuer", "ca.crt", "--load-cert", f"{name}.crt", "--outfile", f"{name}.req",
            cwd=place)
        mutual("ocsp", "answer", f"{name}.req").ok()
        done = run(ocsptool, "--verify-response", "--load-response", f"{name}.resp", "--load-trust", "ca.crt", cwd=place)
        assert "Verifying OCSP Response: Success" in done.stdout
        assert f"Certificate Status: {state}" in done.stdout


def test_we_believe_the_answer_of_openssls_responder(mutual, world):
    """One that a CA's own key has signed, by name and without a responder's certificate."""
    place = world()
    openssl = need("openssl")
    (place / "ca.key").write_bytes((mutual.home / "ca.key").read_bytes())
    serial = mutual("inspect", "good.crt", "--json").json()["objects"][0]["serial"]
    (place / "index.txt").write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=good\n")
    mutual("ocsp", "request", "good.crt").ok()
    mutual("ocsp", "request", "bad.crt").ok()
    for name, state, code in [("good", "good", 0), ("bad", "unknown", 1)]:
        run(openssl, "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ca.crt", "-rkey", "ca.key", "-ndays", "1",
            "-reqin", f"{name}.req", "-respout", f"{name}.resp", cwd=place)
        done = mutual("ocsp", "read", f"{name}.resp", "--cert", f"{name}.crt", "--request", f"{name}.req")
        assert done.code == code and done.stdout == f"{name}: {state}\n", done


def test_a_door_asks_the_responder_of_openssl(mutual, tmp_path):
    """By its own list of certificates, signed by the CA itself and named by its key; for one that it does not know, unknown."""
    openssl = need("openssl")

    def respond(request):
        (tmp_path / "request").write_bytes(request)
        run(openssl, "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ca.crt", "-rkey", mutual.home / "ca.key",
            "-resp_no_certs", "-resp_key_id", "-reqin", "request", "-respout", "answer", "-ndays", "1", cwd=tmp_path)
        return 200, {}, (tmp_path / "answer").read_bytes()

    with Point(tmp_path, respond) as point:
        mutual("init").ok()
        mutual("crl", "--ocsp-url", f"http://{point.host}/").ok()
        mutual("issue", "server", "localhost").ok()
        serials = {}
        for name in ("good", "bad", "unknown"):
            mutual("issue", "client", name).ok()
            serials[name] = mutual("inspect", "--json", f"{name}.crt").json()["objects"][0]["serial"]
        (tmp_path / "ca.crt").write_bytes((mutual.home / "ca.crt").read_bytes())
        (tmp_path / "index.txt").write_text(f"V\t491231235959Z\t\t{serials['good']}\tunknown\t/CN=good\n"
                                            f"R\t491231235959Z\t250101000000Z,keyCompromise\t{serials['bad']}\tunknown\t/CN=bad\n")
        with Door(tmp_path, "--cacert", "ca.crt", "--fetch-ocsp", point.host, home=tmp_path / "none") as door:
            for name, why in (("good", None), ("bad", "keyCompromise"), ("unknown", "does not know the certificate")):
                ctx = context(tmp_path / "ca.crt", tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
                with connect(door, ctx) as sock:
                    if why is None:
                        assert ask(sock, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
                    else:
                        assert read_all(sock)[0] == b"" and why in door.says(" refused ")
