"""`mutual tunnel` carries plain programs to other people's servers, with certificates that mutual made on both sides."""
import re
import socket
import subprocess

import pytest

from door import Door
from peers import SERVERS, VERSIONS, WAIT, need
from test_peer_servers import CLOSED, PAGE, REFUSALS

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Tunnel(Door):
    command = "tunnel"


@pytest.fixture
def dig(ours):
    made = []

    def make(name, peer, *options):
        made.append(Tunnel(ours.directory, "--to", f"localhost:{peer.port}", "--cacert", ours.ca, "--as", name,
                           "--workers", "1", "--connect-timeout", "20s", *options))
        return made[-1]

    yield make
    for tunnel in made:
        tunnel.__exit__()


def ask(tunnel):
    """The answer, until the end."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", tunnel.port), timeout=WAIT) as sock:
            sock.sendall(REQUEST)
            while data := sock.recv(65536):
                answer += data
    except ConnectionError:
        pass
    return answer.decode(errors="replace")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server", SERVERS)
def test_a_plain_program_is_let_in(ours, make_server, dig, server, version):
    """Several times: sessions are resumed where the server gives any."""
    peer = make_server(server, version, ours.files("localhost"))
    tunnel = dig("my-client", peer)
    for _ in range(3):
        assert peer.greets in ask(tunnel)


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_with_openssl_are_resumed(ours, make_server, dig, version):
    peer = make_server("openssl", version, ours.files("localhost"))
    tunnel = dig("my-client", peer)
    assert "\nNew, TLSv1" in ask(tunnel)
    for _ in range(3):
        assert "\nReused, TLSv1" in ask(tunnel)


@pytest.mark.parametrize("fault", ["stranger", "late", "localhost"])
@pytest.mark.parametrize("server", REFUSALS)
def test_a_refusal_is_told(ours, make_server, dig, server, fault):
    """Without a byte of an answer, unless the server says it in a page; by the server's alert, if it sends one."""
    if fault not in REFUSALS[server]:
        pytest.skip(f"{server} does not look at it")
    how = REFUSALS[server][fault]
    peer = make_server(server, "1.3", ours.files("localhost"))
    tunnel = dig(fault, peer)
    answer = ask(tunnel)
    if how == PAGE:
        assert " 400 Bad Request" in answer
        return
    assert answer == ""
    if how == CLOSED:
        # With what was asked unread, a socket that is closed is reset: which of the two is heard of is a race.
        tunnel.says(f"localhost:{peer.port}" if server in ("java", "node") else " failed ")
    else:
        assert re.search(rf"TLS alert ({how}) ", tunnel.says(" server-refused: "))


@pytest.mark.parametrize("program", ["socat", "nc"])
def test_programs_that_know_no_tls(ours, make_server, dig, program):
    tunnel = dig("my-client", make_server("openssl", "1.3", ours.files("localhost")))
    argv = {"socat": [need("socat") if program == "socat" else "", "-t30", "-", f"tcp:127.0.0.1:{tunnel.port}"],
            "nc": [need("nc") if program == "nc" else "", "127.0.0.1", str(tunnel.port)]}[program]
    done = subprocess.run(argv, input=REQUEST, stdout=subprocess.PIPE, timeout=WAIT, check=True)
    assert b"s_server" in done.stdout
