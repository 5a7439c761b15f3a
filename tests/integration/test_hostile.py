"""What clients do that wish the server ill, and what a careless start or a full machine does to it."""
import fcntl
import os
import signal
import socket
import ssl
import subprocess

import pytest

from door import WAIT, Door, ask, connect, context, plain, read_all

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def place(ca, mutual, tmp_path):
    """A directory with a server's and a client's certificate from one CA."""
    mutual("issue", "server", "localhost", cwd=tmp_path).ok()
    mutual("issue", "client", "my-client", cwd=tmp_path).ok()
    return tmp_path


@pytest.fixture
def client(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


# --- Targets ---

@pytest.mark.parametrize("target", ["http://localhost:3000/", "https://localhost:3000/?a=b", "https://localhost?/x",
                                    "/?" + "long" * 100])
def test_the_greeting_is_at_the_root_whatever_form_the_target_has(ca, place, client, target):
    with Door(place, home=ca) as door, connect(door, client) as sock:
        assert ask(sock, GET.replace(b"/ ", target.encode() + b" ", 1))[0] == 200
        assert ask(sock, GET.replace(b"/ ", b"https://localhost/x ", 1))[0] == 404
