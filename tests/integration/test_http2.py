"""HTTP/2 from clients: to answers of ours, and to backends that speak HTTP/1.1."""
import contextlib
import os
import queue
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import h2
from clock import Clock, needs_clock
from door import WAIT, Door, connect, context, read_all, refused
from made_config import door_text, serve, write_config
from test_proxy import OK, Recorder, http


@pytest.fixture(scope="module")
def place(shared_place):
    (shared_place / "www").mkdir()
    (shared_place / "www" / "big").write_bytes(os.urandom(3_000_000))
    (shared_place / "www" / "small").write_text("small\n")
    return shared_place


@pytest.fixture(scope="module")
def files(place):
    with Door(place, "--files", "www", "--log", "all", "--workers", "1", home=place / "home") as door:
        yield door


@pytest.fixture
def ctx(place):
    return client(place)


def client(place, version=None):
    return context(place / "ca.crt", place / "my-client.crt", place / "my-client.key", version)


@contextlib.contextmanager
def proxying(place, backend, *options):
    with Door(place, "--to", http(backend), "--log", "all", "--workers", "1", *options, home=place / "home") as door:
        yield door


def curl(place, door, path, *options):
    argv = ["curl", "-sS", "--http2", "--max-time", str(WAIT), "--cacert", "ca.crt", "--cert", "my-client.crt", "--key",
            "my-client.key", "-w", "%{stderr}%{http_version} %{http_code}", *options, door.url + path]
    done = subprocess.run(argv, cwd=place, capture_output=True, timeout=WAIT * 2, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.decode(), done.stdout


def over(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not here")


# --- Answers of ours ---


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_gets_files_over_http_2(place, files, version):
    told, body = curl(place, files, f"/big?{version}", "--tls-max", version)
    assert told == "2 200" and body == (place / "www" / "big").read_bytes()
    files.says(f' request "CN=my-client" DNS:my-client GET /big?{version} 200 HTTP/2\n')
    told, body = curl(place, files, "/big", "-r", "10-19")
    assert told == "2 206" and body == (place / "www" / "big").read_bytes()[10:20]
    assert curl(place, files, "/small", "--head")[0] == "2 200"
    assert curl(place, files, "/nothing")[0] == "2 404"
    assert curl(place, files, "/small", "-d", "x")[0] == "2 405"
    assert curl(place, files, "/small", "--http1.1") == ("1.1 200", b"small\n")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_hears_the_answer_that_comes_before_its_body_has_ended(place, files, version):
    told, body = curl(place, files, "/small", version, "-H", "Expect:", "-T", "www/big")
    assert told.endswith(" 413") and b"too large" in body


def test_who_is_not_let_in_gets_no_byte_of_http_2_either(place, files):
    ctx = context(place / "ca.crt")
    ctx.set_alpn_protocols(["h2"])
    refused(files, ctx, "client-cert-missing")


def test_http_2_never_runs_over_a_cipher_that_it_forbids(place, files):
    """RFC 9113 9.2.2: none without forward secrecy or without AEAD is offered, to anybody."""
    ctx = client(place, ssl.TLSVersion.TLSv1_2)
    ctx.set_alpn_protocols(["h2"])
    ctx.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        connect(files, ctx)


def test_many_requests_at_once_share_the_connection(files, ctx):
    with h2.Client(files, ctx, window=2**31 - 1) as client:
        client.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - 65535)))
        streams = [client.ask(path="/big" if i % 10 == 0 else "/small") for i in range(50)]
        sizes, ended = dict.fromkeys(streams, 0), []
        while len(ended) < len(streams):
            kind, flags, stream, payload = client.read()
            sizes[stream] += len(payload) if kind == h2.DATA else 0
            ended += [stream] if flags & h2.END_STREAM and kind != h2.PING else []
        assert sorted(sizes.values()) == [6] * 45 + [3_000_000] * 5
        assert ended[0] != streams[0], "the small ones did not wait for the big one"


def test_a_body_that_nobody_wants_is_bounded(files, ctx):
    with h2.Client(files, ctx) as client:
        stream = client.ask("POST", "/small", ended=False)
        for _ in range(70):
            client.send(h2.frame(h2.DATA, 0, stream, bytes(16384)))
        status, body, _ = client.answer(stream)
        assert status == 413 and b"too large" in body
        assert client.until(h2.RST_STREAM, stream)[3] == struct.pack(">I", h2.NO_ERROR)
        assert client.answer(client.ask(path="/small"))[0] == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_name_that_belongs_to_another_door_is_misdirected(place, version):
    config = write_config(place / "names.yaml", door_text("127.0.0.1:0", names=["localhost"]))
    with serve(config, place / "home") as door:
        port = door.port
    config = write_config(place / "names.yaml", door_text(f"127.0.0.1:{port}", names=["localhost"]),
                          door_text(f"127.0.0.1:{port}", names=["other.example"], tls_min="1.3"))
    with serve(config, place / "home") as door, h2.Client(door, client(place, version)) as conn:
        assert conn.answer(conn.ask(authority="localhost:1"))[0] == 200
        status, body, _ = conn.answer(conn.ask(authority="other.example"))
        assert status == 421 and b"not that of the door" in body
        assert conn.answer(conn.ask(authority="localhost"))[0] == 200


# --- Time, and ends ---


@needs_clock
def test_rest_begins_with_the_last_answer(place):
    clock = Clock(place)
    options = ("--idle-timeout", "60s", "--workers", 1)
    with Door(place, *options, home=place / "home", prefix=clock.prefix) as door, h2.Client(door, client(place)) as conn:
        for now in (0, 25, 50, 75):
            clock.let_pass(now)
            stream = conn.ask()
            assert conn.answer(stream)[:2] == (200, b"Hello World")
        for now in (115, 136):
            clock.let_pass(now)
            conn.send(h2.frame(h2.PING, 0, 0, bytes(8)))  # which is no request
            assert now == 136 or conn.until(h2.PING)
        assert conn.farewell()[-1] == (stream, h2.NO_ERROR)


def test_an_idle_connection_is_told_that_it_ends(place):
    with Door(place, "--idle-timeout", "1s", "--header-timeout", "1s", "--body-timeout", "1s", home=place / "home") as door:
        with h2.Client(door, client(place)) as conn, h2.Client(door, client(place)) as late:
            body = late.ask("POST", ended=False)
            stream = conn.ask()
            assert conn.answer(stream)[:2] == (200, b"Hello World")
            assert conn.farewell()[-1] == (stream, h2.NO_ERROR)
            assert late.answer(body)[0] == 408
        with h2.Client(door, client(place), greet=False) as conn:  # a head that does not end
            conn.send(h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.fields()))
            assert read_all(conn.sock)[1] is None
        with h2.Client(door, client(place), greet=False) as conn:  # nor even begins
            assert read_all(conn.sock)[1] is None


def test_an_answer_that_is_not_taken_is_taken_back(place):
    with Door(place, "--files", "www", "--write-timeout", "1s", "--log", "all", home=place / "home") as door:
        with h2.Client(door, client(place), window=0) as conn:
            slow = conn.ask(path="/big")
            assert conn.until(h2.HEADERS, slow)
            assert conn.until(h2.RST_STREAM, slow)
            door.says(" GET /big 200 HTTP/2")
            conn.send(h2.frame(h2.SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)))
            assert conn.answer(conn.ask(path="/small"))[0] == 200, "the others go on"


def test_a_server_that_stops_finishes_what_is_under_way(place):
    with Door(place, "--files", "www", "--log", "all", home=place / "home") as door:
        with h2.Client(door, client(place), window=1000) as conn:
            under_way = conn.ask(path="/big")
            conn.until(h2.DATA, under_way)
            door.signal(signal.SIGTERM)
            last, code = struct.unpack(">II", conn.until(h2.GOAWAY)[3][:8])
            assert (last, code) == (2**31 - 1, h2.NO_ERROR)
            also = conn.ask(path="/small")  # the client has not heard it yet, for all the server knows
            assert conn.answer(also)[0] == 200
            conn.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**24))
                      + h2.frame(h2.WINDOW_UPDATE, 0, under_way, struct.pack(">I", 2**24)))
            last, code = struct.unpack(">II", conn.until(h2.GOAWAY)[3][:8])
            assert (last, code) == (also, h2.NO_ERROR)
            assert conn.farewell() == []
        assert door.stop() == 0


def test_no_request_is_lost_when_a_server_stops_under_load(place):
    """Whatever has a number up to the last one that the server names is answered."""
    results = queue.Queue()

    def talk(door):
        with h2.Client(door, client(place)) as conn:
            asked, answered, last = [], set(), 2**31 - 1
            while last == 2**31 - 1 or any(stream <= last for stream in asked if stream not in answered):
                while len(asked) - len(answered) < 10 and last == 2**31 - 1:
                    try:
                        asked.append(conn.ask())
                    except OSError:
                        break
                found = conn.read()
                if found is None:
                    break
                kind, flags, stream, payload = found
                if kind == h2.GOAWAY:
                    last = struct.unpack(">I", payload[:4])[0]
                elif kind == h2.PING:
                    conn.send(h2.frame(h2.PING, h2.ACK, 0, payload))
                elif flags & h2.END_STREAM:
                    answered.add(stream)
                if len(answered) == 100:
                    results.put("warm")
            results.put((last, [stream for stream in asked if stream <= last and stream not in answered]))

    with Door(place, "--workers", "2", home=place / "home") as door:
        threads = [threading.Thread(target=talk, args=(door,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert results.get(timeout=WAIT) == "warm"
        door.signal(signal.SIGTERM)
        for thread in threads:
            thread.join(WAIT)
        ends = [end for end in iter(lambda: results.get_nowait() if not results.empty() else None, None) if end != "warm"]
        assert len(ends) == 4
        for last, lost in ends:
            assert last < 2**31 - 1 and lost == []
        assert door.stop() == 0


@pytest.mark.parametrize("bytes_, id_", [
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "h2-broken"),
    (h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.DATA, 0, 1, b"x"), "h2-broken"),
    (h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"), "h2-broken"),
    (h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.HEADERS, 0, 1, h2.fields())
     + h2.frame(h2.CONTINUATION, 0, 1) * 20, "h2-broken"),
    (h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.PING, 0, 0, bytes(8)) * 6000, "h2-flood"),
    (h2.PREFACE + h2.frame(h2.SETTINGS) + b"".join(
        h2.frame(h2.HEADERS, 5, 2 * i + 1, h2.fields()) + h2.frame(h2.RST_STREAM, 0, 2 * i + 1, bytes(4))
        for i in range(2000)), "h2-broken"),
], ids=["http1", "data-without-a-stream", "bad-hpack", "continuations", "pings", "rapid-reset"])
def test_hostile_frames_end_that_connection_alone(files, ctx, bytes_, id_):
    with h2.Client(files, ctx) as other, h2.Client(files, ctx, greet=False) as conn:
        with contextlib.suppress(OSError):
            conn.send(bytes_)
        assert any(code != h2.NO_ERROR for _, code in conn.farewell())
        line = files.says(f" {id_}")
        assert " - - 400 HTTP/2 " in line
        assert other.answer(other.ask(path="/small"))[0] == 200


# --- Backends ---


def test_a_request_goes_to_the_backend_as_http_1(place, ctx):
    with Recorder() as backend, proxying(place, backend) as door, h2.Client(door, ctx) as conn:
        stream = conn.ask("GET", "/a?b", ("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2"), ("x-real-ip", "evil"))
        assert conn.answer(stream)[:2] == (200, b"hello")
        stream = conn.ask("POST", "/", ("expect", "100-continue"), ended=False)
        conn.send(h2.frame(h2.DATA, 0, stream, b"abc"))
        conn.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, h2.field("x-sum", "1")))
        assert conn.answer(stream)[0] == 200
        stream = conn.ask("POST", "/", ("content-length", "3"), ended=False)
        conn.send(h2.frame(h2.DATA, h2.END_STREAM, stream, b"abc"))
        assert conn.answer(stream)[0] == 200
        (head, _), (chunked, body), (counted, counted_body) = backend.requests
        assert head == (b"GET /a?b HTTP/1.1\r\nHost: localhost\r\ncookie: a=1; b=2\r\nConnection: te\r\nTE: trailers\r\n"
                        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=127.0.0.1;proto=https;"
                        b"host=\"localhost\"\r\nX-Forwarded-Host: localhost\r\nVia: 2 mutual\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n" in chunked
        assert body.startswith(b"abc|x-sum: 1\r\n")
        assert b"Content-Length: 3\r\n" in counted and counted_body == b"abc" and b"chunked" not in counted
        assert " GET /a?b 200 HTTP/2 http://127.0.0.1:" in door.says(" request ")


def test_an_answer_comes_back_as_http_2(place):
    answer = (b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n"
              b"X-Shown: Yes\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n"
              b"3\r\nabc\r\n0\r\nGrpc-Status: 0\r\nContent-Encoding: gzip\r\n\r\n")
    with Recorder(answer) as backend, proxying(place, backend) as door:
        told, body = curl(place, door, "/", "-i")
        assert told == "2 200"
        head, rest = body.split(b"\r\n\r\n", 2)[1:]
        assert body.startswith(b"HTTP/2 103") and b"\r\nx-shown: Yes" in head and b"\r\ndate: " in head
        for hop in (b"x-hop", b"keep-alive", b"connection", b"transfer-encoding"):
            assert hop not in head
        assert rest == b"abcgrpc-status: 0\r\n\r\n" or rest == b"abcgrpc-status: 0\r\n"


def test_bodies_go_both_ways_at_once(place):
    class Echo(Recorder):
        def _talk(self, sock):
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n")
            body = head.split(b"\r\n\r\n", 1)[1]
            total = 0
            while total < 2_000_000:
                sock.sendall(body)
                total += len(body)
                body = sock.recv(65536) if total < 2_000_000 else b""

    (place / "upload").write_bytes(os.urandom(2_000_000))
    with Echo() as backend, proxying(place, backend) as door:
        told, body = curl(place, door, "/", "--data-binary", "@upload")
        assert told == "2 200" and body == (place / "upload").read_bytes()


def test_a_slow_reader_holds_up_its_backend_and_nobody_else(place, ctx):
    sent, go_on = [], threading.Event()

    def endless(sock, _incoming, head):
        if b"/slow" not in head:
            sock.sendall(OK)
            return None
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        sock.settimeout(1)
        with contextlib.suppress(OSError):
            while len(sent) < 2000:
                sock.sendall(bytes(65536))
                sent.append(1)
        go_on.set()
        return "close"

    with Recorder(endless) as backend, proxying(place, backend) as door, h2.Client(door, ctx, window=1000) as conn:
        slow = conn.ask(path="/slow")
        assert conn.until(h2.DATA, slow)
        for _ in range(3):
            assert conn.answer(conn.ask())[:2] == (200, b"hello")
        assert go_on.wait(WAIT) and len(sent) < 200, "what nobody takes is not taken from the backend"


def test_a_backend_that_does_not_read_holds_up_its_sender_and_nobody_else(place, ctx):
    class Deaf(Recorder):
        def _talk(self, sock):
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(1)
            if b"/deaf" in head:
                stop.wait(WAIT)
            else:
                sock.sendall(OK)

    stop = threading.Event()
    with Deaf() as backend, proxying(place, backend) as door, h2.Client(door, ctx) as conn:
        backend.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream = conn.ask("POST", "/deaf", ended=False)
        conn.send(h2.frame(h2.DATA, 0, stream, bytes(16384)) * 8)  # all of its window
        for _ in range(3):
            assert conn.answer(conn.ask())[:2] == (200, b"hello")
        stop.set()


def test_a_client_that_takes_a_request_back_ends_it_at_the_backend(place, ctx):
    begun, ended = queue.Queue(), queue.Queue()

    def wait(sock, _incoming, head):
        begun.put(head)
        try:
            ended.put(sock.recv(1))
        except OSError as error:
            ended.put(error)
        return "close"

    with Recorder(wait) as backend, proxying(place, backend) as door, h2.Client(door, ctx) as conn:
        stream = conn.ask()
        assert isinstance(begun.get(timeout=WAIT), bytes)
        conn.send(h2.frame(h2.RST_STREAM, 0, stream, struct.pack(">I", h2.CANCEL)))
        assert isinstance(ended.get(timeout=WAIT), (ConnectionResetError, bytes))
        assert " GET / 499 HTTP/2 " in door.says(" client-gone")
        streams = [conn.ask(path=f"/{i}") for i in range(3)]
        for _ in streams:
            begun.get(timeout=WAIT)
        conn.sock.close()  # and so does one that goes, with all of its streams
        for _ in streams:
            door.says(" client-gone")


def test_what_a_burst_has_needed_is_there_for_the_next(place, ctx):
    """Each request of many at once has a connection of HTTP/1.1 to itself; none of these is closed in between."""
    arrived, go_on = threading.Semaphore(0), threading.Event()

    def hold(sock, _incoming, _head):
        arrived.release()
        assert go_on.wait(WAIT)
        sock.sendall(OK)

    with Recorder(hold) as backend, proxying(place, backend) as door, contextlib.ExitStack() as stack:
        backend.socket.listen(512)
        clients = [stack.enter_context(h2.Client(door, ctx)) for _ in range(3)]
        for _ in range(2):
            go_on.clear()
            asked = [(conn, [conn.ask() for _ in range(100)]) for conn in clients]
            for _ in range(300):
                assert arrived.acquire(timeout=WAIT)
            go_on.set()
            for conn, streams in asked:
                while streams:
                    kind, flags, stream, _ = conn.read()
                    if flags & h2.END_STREAM:
                        streams.remove(stream)
        assert backend.accepted == 300


def test_an_answer_that_is_cut_off_does_not_look_whole(place, ctx):
    with Recorder(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nsome", b"rubbish\r\n\r\n") as backend, \
            proxying(place, backend) as door, h2.Client(door, ctx) as conn:
        assert conn.until(h2.RST_STREAM, conn.ask())[3] == struct.pack(">I", h2.INTERNAL_ERROR)
        door.says(" backend-closed")
        status, body, _ = conn.answer(conn.ask())
        assert status == 502 and b"[backend-bad-answer]" in body
        assert " GET / 502 HTTP/2 " in door.says(" backend-bad-answer")


# --- Other people's clients ---


@over("h2load")
def test_h2load(place):
    """It has no certificate to show, so this door does not insist."""
    config = write_config(place / "open.yaml", door_text(clients="optional", allow=["all", "anonymous"], files="www"))
    with serve(config, place / "home") as door:
        done = subprocess.run(["h2load", "-n", "3000", "-c", "10", "-m", "30", f"https://localhost:{door.port}/small"],
                              capture_output=True, text=True, timeout=WAIT * 2, check=True)
        assert "3000 succeeded, 0 failed" in done.stdout and "Application protocol: h2" in done.stdout


@over("nghttp")
def test_nghttp(place, files):
    done = subprocess.run(["nghttp", "-nv", "--cert=my-client.crt", "--key=my-client.key", files.url + "/small",
                           files.url + "/big"], cwd=place, capture_output=True, text=True, timeout=WAIT * 2, check=True)
    assert done.stdout.count(":status: 200") == 2 and "error_code=NO_ERROR" in done.stdout
