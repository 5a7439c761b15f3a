"""mutual get: what a client is told, when it is let in and when it is not."""
import http.server
import os
import socket
import ssl
import threading
import time

import pytest

from door import Door
from made import files


@pytest.fixture
def door(ca, place):
    with Door(place, home=ca) as door:
        yield door


def test_who_is_kicked_out_is_told_whom_to_ask(ca, place, mutual):
    """There is no alert for that, and HTTP/2 has other words for a connection that is closed than HTTP/1.1."""
    with Door(place, "--control", "control", home=ca) as door:
        mutual("kick", "--socket", "control", "my-client").ok()
        mutual("get", "--as", "my-client", door.url).refused("closed the connection right after it saw this client's certificate",
                                                             "ask the server's operator")
        door.says(" refused client-kicked: ")


class Mirror(http.server.BaseHTTPRequestHandler):
    """Shows a client its own request."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        shown = f"{self.command} {self.path}\n{self.headers}".encode() + body
        self.send_response(int(self.headers.get("X-Status", 200)))
        self.send_header("Content-Length", str(len(shown)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(shown)

    do_GET = do_POST = do_PUT = do_HEAD = do_BREW = do_DELETE = answer

    def log_message(self, *_):
        pass


class Cutter(Mirror):
    """Promises more than it sends."""

    def answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half of it")
        self.close_connection = True

    do_GET = answer


def serve(handler, ctx):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if ctx is not None:
        server.socket = ctx.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def their_tls(ca, place):
    """Python's TLS server, which demands certificates; change it as the scenario needs."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(place / "localhost.crt", place / "localhost.key")
    ctx.load_verify_locations(ca / "ca.crt")
    ctx.verify_mode = ssl.CERT_REQUIRED
    return ctx


class Elsewhere:
    """Another's server: `url()` starts one, and a call asks it as my-client."""

    def __init__(self, mutual, ctx):
        self._mutual, self._ctx, self._running = mutual, ctx, []

    def url(self, handler=Mirror):
        self._running.append(serve(handler, self._ctx))
        return f"https://localhost:{self._running[-1].server_port}"

    def __call__(self, *words, path="/", handler=Mirror, **how):
        return self._mutual("get", "--as", "my-client", self.url(handler) + path, *words, **how)

    def stop(self):
        for server in self._running:
            server.shutdown()
            server.server_close()


@pytest.fixture
def get(mutual, their_tls):
    elsewhere = Elsewhere(mutual, their_tls)
    yield elsewhere
    elsewhere.stop()


def test_a_client_of_the_ca_is_let_in(mutual, place, door):
    result = mutual("get", "--as", "my-client", door.url).ok()
    assert (result.stdout, result.stderr) == ("Hello World", "")
    assert mutual("get", "--cert", "my-client.crt", "--key", "my-client.key", door.url).ok().stdout == "Hello World"
    (place / "both.pem").write_text((place / "my-client.crt").read_text() + (place / "my-client.key").read_text())
    assert mutual("get", "--cert", "both.pem", door.url).ok().stdout == "Hello World"
    for host in ("127.0.0.1", "LOCALHOST"):
        assert mutual("get", "--as", "my-client", f"https://{host}:{door.port}").ok().stdout == "Hello World"


def test_include_shows_the_headers(mutual, place, door):
    head, body = mutual("get", "-i", "--as", "my-client", door.url).ok().stdout.split("\r\n\r\n")
    assert head.startswith("HTTP/2 200") and "content-type: text/plain" in head and body == "Hello World"


def test_what_is_asked_is_what_is_sent(get, place):
    shown = get(path="/a/b?c=d").ok().stdout
    assert shown.startswith("GET /a/b?c=d\n") and "User-Agent: mutual" in shown
    assert get("-X", "BREW").ok().stdout.startswith("BREW /\n")
    assert get("-X", "DELETE").ok().stdout.startswith("DELETE /\n")
    shown = get("-H", "X-One: 1", "-H", "X-Two: zwei", "-H", "Host: other.example").ok().stdout
    assert "X-One: 1\n" in shown and "X-Two: zwei\n" in shown and "Host: other.example\n" in shown
    assert get("-d", "a=b&c").ok().stdout.endswith("\n\na=b&c")
    assert get("-d", "a").ok().stdout.startswith("POST /\n")
    assert get("-d", "a", "-X", "PUT").ok().stdout.startswith("PUT /\n")
    head = get("-X", "HEAD", "-i").ok().stdout
    assert head.startswith("HTTP/1.1 200") and head.endswith("\r\n\r\n")


def test_data_from_a_file_is_sent_as_it_is(get, place):
    (place / "data").write_bytes("zwei\nZeilen\0und ein NUL\r\n".encode())
    assert get("-d", "@data").ok().stdout.endswith("\n\nzwei\nZeilen\0und ein NUL\r\n")
    assert get("-d", "@-", input=b"from a pipe\n").ok().stdout.endswith("\n\nfrom a pipe\n")
    (place / "empty").write_text("")
    shown = get("-d", "@empty").ok().stdout
    assert shown.startswith("POST /\n") and "Content-Length: 0\n" in shown
    get("-d", "@none").refused("none", "hint: ")
    get("-d", "@.").refused("directory")


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_an_error_status_is_exit_1_and_its_text_is_shown_all_the_same(get, status):
    result = get("-H", f"X-Status: {status}")
    assert result.code == 1 and result.stdout.startswith("GET /")
    assert result.stderr.startswith(f"mutual: the server answered {status} ")


def test_output_goes_to_a_file_whole_or_not_at_all(get, place):
    before = files(place)
    assert get("-o", "answer").ok().stdout == ""
    assert (place / "answer").read_text().startswith("GET /")
    get("-o", "answer", "-d", "new").ok()
    assert (place / "answer").read_text().endswith("new")
    get("-o", "cut", handler=Cutter).refused("cannot fetch", "hint: ")
    get("-o", "answer", handler=Cutter).refused("cannot fetch")
    assert (place / "answer").read_text().endswith("new"), "what was there is still there"
    get("-o", "none/answer").refused("none/answer")
    get("-o", ".").refused("directory")
    assert files(place) == sorted([*before, "answer"])
    assert get("-o", "-").ok().stdout.startswith("GET /")
    get("-o", "/dev/null").ok()


def test_a_reader_that_has_gone_hears_no_complaint(get, mutual):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        result = get(stdout=gone)
    assert (result.code, result.stderr) == (1, "")
    with open("/dev/full", "wb") as full:
        result = get(stdout=full)
    assert result.code == 1 and "No space left" in result.stderr
    result = get("-o", "/dev/full")
    assert result.code == 1 and "/dev/full" in result.stderr


@pytest.mark.parametrize("options, where", [([], "standard output"), (["-o", "/dev/full"], "/dev/full")])
@pytest.mark.parametrize("length", [10, 500000])
def test_an_answer_for_which_there_is_no_room_is_told_of_once_with_the_reason(get, options, where, length):
    with open("/dev/full", "wb") as full:
        result = get(*options, "-d", "@-", input="x" * length, stdout=full)
    assert result.code == 1 and result.stderr.count("mutual: ") == 1, result
    assert f"cannot write {where}" in result.stderr.replace("write to ", "write "), result
    assert "No space left on device" in result.stderr, result


# --- Refused by the server ---

def make_late(mutual, place):
    mutual("issue", "client", "late", "--lifetime", "1s").ok()
    time.sleep(2.1)  # until it has expired: X.509 counts in seconds


def make_stranger(mutual, place):
    mutual("init", home=place / "elsewhere").ok()
    mutual("issue", "client", "stranger", home=place / "elsewhere").ok()


REFUSALS = [
    ([], None, ["asked for a client certificate, got none, and refused", "--as NAME"]),
    (["--as", "stranger"], make_stranger, ['refused the certificate "stranger"', "not from a CA that the server trusts"]),
    (["--as", "late"], make_late, ['refused the certificate "late"', "has expired"]),
    (["--as", "localhost"], None, ['refused the certificate "localhost"', "lacks the TLS client purpose"]),
]


@pytest.mark.parametrize("options, prepare, said", REFUSALS)
def test_a_refusal_is_told_as_what_it_is(mutual, place, door, options, prepare, said):
    """In TLS 1.3 it arrives when the client believes that the handshake is over."""
    if prepare:
        prepare(mutual, place)
    result = mutual("get", *options, door.url).refused(*said, "TLS alert ", "from the server", "hint: ")
    assert result.stdout == "" and door.url in result.stderr


@pytest.mark.parametrize("options, prepare, said", REFUSALS)
def test_a_refusal_in_tls_1_2_is_told_too(mutual, place, their_tls, get, options, prepare, said):
    if prepare:
        prepare(mutual, place)
    their_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    result = mutual("get", *options, get.url())
    result.refused(*said, "TLS alert ", "during the handshake", "hint: ")


def test_a_server_that_hangs_up_on_a_certificate_is_told(mutual, place, their_tls):
    """Some close the connection without an alert."""
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up():
        raw, _ = listener.accept()
        their_tls.verify_mode = ssl.CERT_OPTIONAL
        with their_tls.wrap_socket(raw, server_side=True) as sock:
            sock.recv(10)

    threading.Thread(target=hang_up, daemon=True).start()
    url = f"https://localhost:{listener.getsockname()[1]}"
    mutual("get", url).refused("asked for a client certificate, got none, and closed", "--as NAME")
    listener.close()


# --- The server refused, or not there ---

def test_a_server_of_another_ca_is_not_trusted(mutual, place, door):
    mutual("init", "other-ca", home=place / "elsewhere").ok()
    result = mutual("get", "--as", "my-client", "--cacert", place / "elsewhere/ca.crt", door.url)
    result.refused("the certificate of the server", "is not accepted", "my-ca", "--cacert")
    assert result.stdout == ""
    mutual("get", "--as", "my-client", door.url, home=place / "elsewhere").refused("is not accepted")


def test_several_cas_may_be_trusted(mutual, ca, place, door):
    mutual("init", "other-ca", home=place / "elsewhere").ok()
    trusting = ["--cacert", place / "elsewhere/ca.crt", "--cacert", ca / "ca.crt"]
    assert mutual("get", "--as", "my-client", *trusting, door.url).ok().stdout == "Hello World"
    mutual("get", "--cacert", "localhost.crt", door.url).refused("localhost", "not a CA")


def test_a_server_by_another_name_is_not_trusted(mutual, ca, place):
    mutual("issue", "server", "other.example").ok()
    with Door(place, "--cert", "other.example.crt", "--key", "other.example.key", home=ca) as door:
        for host, said in [("localhost", 'not for "localhost": it is for'), ("127.0.0.1", "not for the address 127.0.0.1")]:
            mutual("get", "--as", "my-client", f"https://{host}:{door.port}").refused(said, "other.example")
            door.says(" client-refused-server: ")


def test_an_expired_server_is_not_trusted(mutual, ca, place):
    mutual("issue", "server", "localhost", "--out", "short", "--lifetime", "1s").ok()
    time.sleep(2.1)  # until it has expired: X.509 counts in seconds
    with Door(place, "--cert", "short.crt", "--key", "short.key", home=ca) as door:
        mutual("get", "--as", "my-client", door.url).refused("expired on", "ago")


def test_a_client_certificate_does_not_make_a_server(mutual, ca, place):
    mutual("issue", "client", "localhost", "--out", "wrong").ok()
    with Door(place, "--cert", "wrong.crt", "--key", "wrong.key", home=ca) as door:
        mutual("get", "--as", "my-client", door.url).refused("not made for this use")


def test_nobody_listens(mutual, place):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        mutual("get", f"https://127.0.0.1:{holder.getsockname()[1]}").refused("cannot fetch", "hint: check that the server runs")


def test_a_port_without_tls(mutual, place):
    server = serve(Mirror, None)
    mutual("get", f"https://localhost:{server.server_port}").refused("does not speak TLS")
    assert mutual("get", f"http://localhost:{server.server_port}/a").ok().stdout.startswith("GET /a")
    server.shutdown()
    server.server_close()


def test_a_server_that_says_nothing_is_given_up_on(mutual, place):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        assert "hint: " in mutual("get", "-m", 1, url).refused("cannot fetch").stderr


def test_plain_http_to_the_door_is_answered_with_400(mutual, place, door):
    result = mutual("get", f"http://localhost:{door.port}/")
    assert result.code == 1 and "https://" in result.stdout
    assert "the server answered 400" in result.stderr


# --- The command line ---

@pytest.mark.parametrize("words, code, said", [
    (["https://localhost:1", "--as", "nobody"], 1, "mutual issue client nobody"),
    (["https://localhost:1", "--as", "my-client", "--cert", "my-client.crt"], 2, "one or the other"),
    (["https://localhost:1", "--key", "my-client.key"], 2, "--key needs --cert"),
    (["https://localhost:1", "--cert", "my-client.crt"], 1, "my-client.crt"),
    (["https://localhost:1", "--cert", "my-client.crt", "--key", "localhost.key"], 1, "does not belong"),
    (["https://localhost:1", "--cert", "none.crt"], 1, "none.crt"),
    (["https://localhost:1", "--cert", "."], 1, "directory"),
    (["https://localhost:1", "--as", "x" * 5000], 2, "too long"),
    (["https://localhost:1", "-m", "0"], 2, "--max-time"),
    (["https://localhost:1", "-H", "X-Name value"], 2, "Name: value"),
    (["https://localhost:1", "-H", ""], 2, "Name: value"),
    (["https://localhost:1", "-H", "X: y\r\nZ: w"], 2, "Name: value"),
    (["https://localhost:1", "-H", ": value"], 2, "Name: value"),
    (["ftp://localhost/"], 2, "https://HOST"),
    (["file:///etc/passwd"], 2, "https://HOST"),
    (["localhost"], 2, "https://HOST"),
    ([""], 2, "https://HOST"),
    (["https://"], 2, "https://HOST"),
    (["https://localhost:99999"], 2, "https://HOST"),
    (["https://a b/"], 2, "https://HOST"),
    (["https://localhost:1", "more"], 2, "\"more\""),
    ([], 2, "URL"),
])
def test_what_cannot_be_asked(mutual, place, words, code, said):
    mutual("get", *words).refused(said, "hint: ", code=code)


@pytest.mark.parametrize("url", ["https://me:s3cret@localhost:1/a@b", "https://s3cret@localhost:1", "http://:s3cret@127.0.0.1:1?x",
                                 "ftp://me:s3cret@localhost/", "https://me:s3cret@local host/", "https://me:s3cret@"])
def test_a_password_in_a_url_is_not_told_to_anybody(mutual, place, url):
    for result in (mutual("get", url), mutual("get", url, "--json")):
        assert result.code in (1, 2) and "s3cret" not in result.stdout + result.stderr, result
    if url.startswith("http"):
        assert "s3cret" not in mutual("inspect", url).stderr


def test_a_url_with_a_password_is_otherwise_shown_as_it_is(mutual, place):
    mutual("get", "https://me:s3cret@localhost:1/a@b").refused("cannot fetch https://...@localhost:1/a@b:")
    mutual("inspect", "https://me:s3cret@localhost:1").refused("cannot fetch https://...@localhost:1:")


def test_a_missing_key_beside_a_certificate_is_told(mutual, place):
    (place / "my-client.key").unlink()
    mutual("get", "--as", "my-client", "https://localhost:1").refused("my-client.key")
    (place / "my-client.key").write_bytes((place / "localhost.key").read_bytes())
    mutual("get", "--as", "my-client", "https://localhost:1").refused("does not belong")
