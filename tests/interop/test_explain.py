"""mutual explain at other people's servers, and in the place of a server for their clients."""
import contextlib
import json
import subprocess

import pytest

from peers import CLIENTS, SERVERS, OpensslServer, pkcs12

# The cause that our own files, or theirs, tell of each; and what the server says is in the raw words, however it says it.
FAULTS = {"my-client": ("ok", 0), "stranger": ("client_untrusted_ca", 1), "late": ("client_cert_expired", 1),
          "localhost": ("client_cert_no_clientauth", 1), None: ("client_cert_not_sent", 1)}
LAX = {("gnutls", "localhost")}  # it does not look at the purpose: that works there, and our own file tells all the same


def explain(ours, url, who):
    own = ["--as", who] if who else []
    said = ours.mutual("explain", url, *own, "--cacert", ours.ca, "--json")
    return said, said.json()


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_of_each_kind(ours, make_server, server):
    peer = make_server(server, "1.3", ours.files("localhost"))
    for who, (cause, code) in FAULTS.items():
        said, report = explain(ours, peer.url, who)
        assert (report["cause"], said.code) == (cause, 3 if (server, who) in LAX else code), said
        assert cause == "ok" or report["raw"] or (server, who) in LAX, said
        assert cause == "ok" or who is None or who in report["what"], said


@pytest.mark.parametrize("server", ["openssl", "nginx", "node", "go"])
def test_tls_1_2_says_it_in_its_own_way(ours, make_server, server):
    peer = make_server(server, "1.2", ours.files("localhost"))
    for who in ("my-client", "stranger", None):
        said, report = explain(ours, peer.url, who)
        assert (report["cause"], said.code) == FAULTS[who], said


def odd(*words):
    """openssl's server with further options."""
    class Odd(OpensslServer):
        name = "openssl"

        def argv(self):
            return [*super().argv(), *words]
    return Odd


@pytest.mark.parametrize("words, cause, code", [
    (["-CAfile", "strange/ca.crt", "-verifyCAfile", "home/ca.crt"], "client_issuer_not_in_ca_list", 3),
    (["-client_sigalgs", "RSA+SHA256:rsa_pss_rsae_sha256"], "unsupported_key_type", 1),
    (["-groups", "brainpoolP256r1"], "no_shared_cipher", 1),
    (["-crl_check"], "crl_missing", 1),
    (["-alpn", "postgresql"], "alpn_mismatch", 1),
], ids=["list", "schemes", "groups", "crl", "alpn"])
def test_what_a_server_can_be_told(ours, workshop, tmp_path, words, cause, code):
    words = [ours.directory / word if word.endswith(".crt") else word for word in words]
    version = "1.2" if "-groups" in words else "1.3"
    with odd(*words)(workshop, tmp_path, version, ours.files("localhost")) as peer:
        said, report = explain(ours, peer.url, "my-client")
    assert (report["cause"], said.code) == (cause, code), said


@contextlib.contextmanager
def listening(ours):
    """The port, and what is said of the next client."""
    own = ours.files("localhost")
    ear = ours.mutual.start("explain", "--listen", "127.0.0.1:0", "--cert", own.cert, "--key", own.key, "--cacert", ours.ca,
                            "--json", stdout=subprocess.PIPE, text=True)
    try:
        yield int(json.loads(ear.stdout.readline())["listening"].rsplit(":", 1)[1]), lambda: json.loads(ear.stdout.readline())
    finally:
        ear.kill()
        ear.communicate()


def meet(fetch, heard, choosy):
    """Who looks for a certificate of the CAs that are listed sends none if there is none, and one when it comes again."""
    for who in ("my-client", "stranger", *(["stranger"] if choosy else []), None):
        answer = fetch(who)
        said = heard()
        expected = "client_cert_not_sent" if choosy and who == "stranger" else FAULTS[who][0]
        choosy = choosy and who != "stranger"
        assert said["cause"] == expected, (answer, said)
        assert who != "my-client" or "is let in" in answer, answer
    return said


# Our helper in Go is told to send its certificate all the same; Java has a test of its own.
@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "java"])
def test_a_client_of_each_kind(ours, make_client, client):
    peer = make_client(client)
    with listening(ours) as (port, heard):
        meet(lambda who: peer.fetch(port, "1.3", ours.files(who))[0], heard, client == "wget")


def test_a_client_in_java_as_the_manual_has_it(ours, workshop, tmp_path):
    java = subprocess.Popen([str(word) for word in [*workshop.java(), "jobs"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with listening(ours) as (port, heard):
        def fetch(who):
            files = ours.files(who)
            own = f"\tpfx={pkcs12(files, tmp_path)}" if who else ""
            java.stdin.write(f"op=client\tid=1\tport={port}\thost=localhost\tca={ours.ca}{own}\n")
            java.stdin.flush()
            return java.stdout.readline()
        try:
            said = meet(fetch, heard, choosy=True)
            assert "none is configured" in said["what"]
        finally:
            java.kill()
            java.communicate()
