"""mutual explain at other people's servers, and in the place of a server for their clients."""
import json
import subprocess

import pytest

from peers import CLIENTS, SERVERS, OpensslServer

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


# Who looks for a certificate of the CAs that are listed, and sends none if there is none. (Our helpers in Go and Java are told
# to send theirs all the same.)
CHOOSY = {"wget"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_each_kind(ours, make_client, client):
    peer, own = make_client(client), ours.files("localhost")
    ear = ours.mutual.start("explain", "--listen", "127.0.0.1:0", "--cert", own.cert, "--key", own.key, "--cacert", ours.ca,
                            "--json", stdout=subprocess.PIPE, text=True)
    try:
        port = int(json.loads(ear.stdout.readline())["listening"].rsplit(":", 1)[1])
        for who in ("my-client", "stranger", None):
            answer, = peer.fetch(port, "1.3", ours.files(who))
            said = json.loads(ear.stdout.readline())
            expected = FAULTS[who][0]
            if who == "stranger" and client in CHOOSY:
                expected = "client_cert_not_sent"
            assert said["cause"] == expected, (answer, said)
            assert who != "my-client" or "is let in" in answer, answer
    finally:
        ear.kill()
        ear.communicate()
