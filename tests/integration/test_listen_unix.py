"""`serve --listen unix:PATH`: a door in the file system."""
import os
import socket
import stat

from backend import Backend, echo
from door import WAIT, Door, Wire, ask, context, read_all

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def greeted(ca, place, path):
    """A client gets in through the socket at `path`."""
    ctx = context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(WAIT)
        raw.connect(str(path))
        with ctx.wrap_socket(raw, server_hostname="localhost") as sock:
            return ask(sock, GET)[0] == 200


def unix_door(ca, place, path, *options):
    return Door(place, *options, home=ca, listen=("--listen", f"unix:{path}"))


def test_clients_come_in_and_the_name_goes_with_the_server(ca, place):
    path = place / "door.sock"
    with unix_door(ca, place, path, "--workers", "3", "--log", "requests") as door:
        for _ in range(10):
            assert greeted(ca, place, path)
        assert f"--unix-socket {path} https://localhost" in door.ready
        assert ' unix: request "CN=my-client" DNS:my-client GET / 200' in door.says(" request ")
        assert door.stop() == 0
    assert not path.exists()


def test_both_kinds_at_once(ca, place):
    path = place / "door.sock"
    with Door(place, "--json", home=ca, listen=("--listen", f"unix:{path}", "--listen", "127.0.0.1:0")) as door:
        assert f'"listen":["unix:{path}","127.0.0.1:' in door.ready
        assert greeted(ca, place, path)


def test_a_name_that_a_dead_server_left_is_taken_over(ca, place):
    path = place / "door.sock"
    with unix_door(ca, place, path) as door:
        door.process.kill()
        door.process.wait(WAIT)
    assert stat.S_ISSOCK(path.stat().st_mode)
    with unix_door(ca, place, path):
        assert greeted(ca, place, path)


def test_a_name_that_is_somebody_elses_is_left_alone(ca, mutual, place):
    path = place / "door.sock"
    with unix_door(ca, place, path):
        mutual("serve", "--listen", f"unix:{path}").refused(f"cannot listen on unix:{path}", "Address already in use")
        assert greeted(ca, place, path), "the first one goes on"
    file = place / "file"
    file.write_text("precious")
    mutual("serve", "--listen", f"unix:{file}").refused("Address already in use")
    assert file.read_text() == "precious"
    mutual("serve", "--listen", f"unix:{place}/none/door.sock").refused("No such file or directory")
    mutual("serve", "--listen", "unix:" + "x" * 108).refused("107 bytes at most", code=2)


def test_a_name_that_another_server_has_taken_since_stays(ca, place):
    path = place / "door.sock"
    with unix_door(ca, place, path) as door:
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            assert door.stop() == 0
            assert path.exists()


def test_it_forwards_too(ca, place):
    """From socket to socket; nothing of this takes a port."""
    path = place / "door.sock"
    ctx = context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")
    with Backend(echo, place / "back.sock") as backend, unix_door(ca, place, path, "--to", backend.url) as door:
        assert door.ready == f"ready: unix:{path}, in front of {backend.url}\n"
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(WAIT)
            raw.connect(str(path))
            with Wire(raw, ctx) as wire:
                wire.sendall(b"hello")
                wire.end()
                assert read_all(wire) == (b"hellototal 5\n", None)
