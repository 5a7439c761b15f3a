"""What clients do that wish the server ill, and what a careless start or a full machine does to it."""
import fcntl
import os
import signal
import socket
import ssl
import threading
import time

import pytest

from door import WAIT, Door, ask, connect, context, plain, read_all

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


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


# --- Standard streams ---

def refuse_many(door, count):
    for _ in range(count):
        with plain(door) as sock:
            sock.sendall(b"this is not TLS\n")
            read_all(sock)


def redirected(how):
    """Run it with its streams like this."""
    return ("sh", "-c", f'exec "$@" {how}', "sh")


def test_a_log_that_nobody_reads_holds_up_nobody(ca, place, client):
    """A pipe that is full: lines are lost, clients are not, and it ends when it is told to."""
    os.mkfifo(place / "log")
    unread = os.open(place / "log", os.O_RDWR)
    fcntl.fcntl(unread, fcntl.F_SETPIPE_SZ, 4096)
    with Door(place, "--workers", "2", home=ca, prefix=redirected("2>log")) as door:
        refuse_many(door, 60)
        with connect(door, client) as sock:
            assert ask(sock, GET)[0] == 200
        assert door.stop() == 0
    assert os.read(unread, 65536).endswith(b"\n"), "what was written is whole lines"
    os.close(unread)


@pytest.mark.parametrize("how", ["2>&-", "0<&- 2>&-", "2>/dev/full"])
def test_a_log_that_cannot_be_written_goes_nowhere_else(ca, place, client, how):
    """Not into whatever was opened in the place of standard error, a client's connection above all."""
    with Door(place, "--log", "requests", home=ca, prefix=redirected(how)) as door:
        streams = [os.readlink(f"/proc/{door.process.pid}/fd/{fd}") for fd in (0, 2)]
        assert all(stream.startswith("/dev/") for stream in streams), streams
        refuse_many(door, 1)
        with connect(door, client) as sock:
            assert ask(sock, GET)[0] == 200
        assert door.stop() == 0


def test_no_command_uses_a_standard_stream_for_something_else(mutual, ca, tmp_path):
    """A file that is opened in the place of a closed stream is written over by the next message."""
    prefix = redirected("0<&- 1>&- 2>&-")
    assert mutual("issue", "client", "a", prefix=prefix).code == 1, "it cannot say what it did"
    assert (tmp_path / "a.key").read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert (tmp_path / "a.crt").read_text().endswith("-----END CERTIFICATE-----\n")
    assert [one["name"] for one in mutual("list", "--json").ok().json_lines()] == ["a"]


# --- Connections ---

def unsent(door):
    """How many bytes wait in the kernel for the client of the door's only connection."""
    for line in open("/proc/net/tcp", encoding="ascii").readlines()[1:]:
        local, _, state, queues = line.split()[1:5]
        if int(local.split(":")[1], 16) == door.port and int(state, 16) != 10:
            return int(queues.split(":")[0], 16)
    return 0


def stalled(door, client, size):
    """Ask for a file and take nothing, until nothing moves any more."""
    with open(door.file, "wb") as file:
        file.truncate(size)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(WAIT)
    raw.connect(("127.0.0.1", door.port))
    sock = client.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
    sock.sendall(GET.replace(b"/ ", b"/file ", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    before, now = -1, 0
    while before != now:
        time.sleep(0.5)
        before, now = now, unsent(door)
    return sock


def test_a_client_that_pauses_at_the_end_gets_the_end_all_the_same(ca, place, client):
    """The last bytes wait in our own memory, behind a kernel that is full: they get as much time as all others."""
    (place / "tree").mkdir()
    with Door(place, "--files", "tree", "--workers", "1", home=ca) as door:
        door.file = place / "tree/file"
        with stalled(door, client, 50 << 20):
            room = unsent(door)
        with stalled(door, client, room + 40000) as sock:
            time.sleep(3)
            data, error = read_all(sock)
        assert len(data) > room + 40000 and error is None, "the end, and a goodbye"


def test_noise_after_the_handshake_is_answered_by_an_alert(ca, place, client):
    with Door(place, home=ca) as door, plain(door) as raw:
        there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client.wrap_bio(there, here, server_hostname="localhost")
        for _ in range(3):
            try:
                tls.do_handshake()
                raw.sendall(here.read())
                break
            except ssl.SSLWantReadError:
                raw.sendall(here.read())
                there.write(raw.recv(65536))
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        answer, error = read_all(raw)
        assert error is None
        there.write(answer)
        with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
            tls.read(100)


# --- Files ---

@pytest.fixture
def tree(place):
    (place / "tree").mkdir()
    (place / "tree/file").write_bytes(b"here")
    return place / "tree"


GET_FILE = GET.replace(b"/ ", b"/file ", 1)


def test_a_file_that_cannot_be_opened_now_is_not_said_to_be_missing(ca, place, client, tree):
    with Door(place, "--files", tree, "--workers", "1", home=ca, prefix=("prlimit", "--nofile=40")) as door:
        with connect(door, client) as sock:
            assert ask(sock, GET_FILE)[0] == 200
            others = [plain(door) for _ in range(40)]
            door.says("accept-paused")
            assert ask(sock, GET_FILE)[0] == 503
            for other in others:
                other.close()
        with connect(door, client) as sock:
            assert ask(sock, GET_FILE)[0] == 200


def test_a_file_under_a_lease_holds_up_nobody(ca, place, client, tree):
    """The kernel does not open it before the lease is given back, or a minute has passed."""
    with Door(place, "--files", tree, "--workers", "1", home=ca) as door, open(tree / "file", "r+b") as file:
        before = signal.signal(signal.SIGIO, signal.SIG_IGN)
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            pytest.skip(f"no leases here: {error}")
        with connect(door, client) as sock:
            assert ask(sock, GET_FILE)[0] == 503
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            assert ask(sock, GET_FILE)[0] == 200
        signal.signal(signal.SIGIO, before)


# --- A server that wishes the client ill ---

@pytest.mark.parametrize("answer", [
    b"this is no HTTP\r\n",
    b"HTTP/1.1 099 No\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + 400 * (b"X: " + b"a" * 1000 + b"\r\n"),
    400 * 40 * b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
], ids=["no HTTP", "a bad status", "endless headers", "endless informational answers", "half an answer"])
def test_an_answer_that_is_none_is_the_servers_fault(mutual, ca, answer):
    def serve():
        with listener.accept()[0] as sock:
            try:
                sock.recv(65536)
                sock.sendall(answer)
            except ConnectionError:
                pass  # the client has heard enough

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        mutual("get", f"http://127.0.0.1:{listener.getsockname()[1]}/").refused("cannot fetch", code=1)
        thread.join(WAIT)
