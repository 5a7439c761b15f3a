"""`mutual get` goes to other people's servers, with certificates that mutual made on both sides."""
import re

import pytest

from peers import SERVERS, VERSIONS

every_server = pytest.mark.parametrize("server", SERVERS)
every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
@every_server
def test_get_is_let_in(ours, make_server, server, version):
    peer = make_server(server, version, ours.files("localhost"))
    result = ours.mutual("get", "--cacert", ours.ca, "--as", "my-client", peer.url).ok()
    assert peer.greets in result.stdout
    assert result.stderr == ""


@every_server
def test_get_does_not_talk_to_a_server_of_another_ca(ours, make_server, server):
    peer = make_server(server, "1.3", ours.files("localhost"))
    result = ours.mutual("get", "--cacert", ours.directory / "strange/ca.crt", "--as", "my-client", peer.url)
    result.refused("my-ca", "not among the trusted CAs")


def test_get_speaks_http_2_where_the_server_does(ours, make_server):
    peer = make_server("nginx", "1.3", ours.files("localhost"))
    result = ours.mutual("get", "--cacert", ours.ca, "--as", "my-client", peer.url).ok()
    assert "Hello CN=my-client over HTTP/2.0 from nginx" in result.stdout


# How each server refuses a client: by which alert (it is theirs to choose), by a page, or without a word.
CLOSED, PAGE = "closed the connection", "answered 400"
LIBSSL = {"1.2": 40, "1.3": 116, "stranger": 48, "late": 45, "localhost": 43}
REFUSALS = {
    "openssl": LIBSSL,
    "haproxy": LIBSSL,
    "python": LIBSSL,
    "rustls": {**LIBSSL, "1.2": 116},
    "go": {**LIBSSL, "localhost": 42},
    "nss": {**LIBSSL, "1.2": 42, "localhost": 46},
    "gnutls": {"1.2": "4.|50", "1.3": 116, "stranger": "4.", "late": "4."},  # it does not look at the purpose
    "node": {"1.2": 40, "1.3": 116, "stranger": CLOSED, "late": CLOSED, "localhost": CLOSED},
    "java": dict.fromkeys(LIBSSL, CLOSED),
    "nginx": dict.fromkeys(LIBSSL, PAGE),
}
MEETINGS = [(server, version, fault) for server, how in REFUSALS.items() for version in VERSIONS
            for fault in ["nobody", "stranger", "late", "localhost"] if fault in how or fault == "nobody"]


@pytest.mark.parametrize("server, version, fault", MEETINGS)
def test_get_says_how_the_server_refused_it(ours, make_server, server, version, fault):
    """Each time: in TLS 1.3 the server may be gone before the request is sent, and its alert counts all the same."""
    peer = make_server(server, version, ours.files("localhost"))
    how = REFUSALS[server][version if fault == "nobody" else fault]
    own = [] if fault == "nobody" else ["--as", fault]
    for _ in range(6 if version == "1.3" else 1):
        result = ours.mutual("get", "--cacert", ours.ca, *own, peer.url)
        assert result.code == 1, result
        if how == PAGE:
            assert PAGE in result.stderr
            continue
        result.refused("hint: ")
        if how == CLOSED:
            assert CLOSED in result.stderr
        else:
            assert re.search(rf"refused .*TLS alert ({how}) ", result.stderr), result
        assert ("got none" if fault == "nobody" else f'"{fault}"' if how != CLOSED else "certificate") in result.stderr
