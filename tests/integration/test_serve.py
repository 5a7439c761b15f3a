"""The front door: who gets in, who does not and why, and HTTP as it should be."""
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from clock import Clock, needs_clock
from door import (WAIT, Door, ask, connect, context, listens_no_more, plain, read_all, read_answer, refused,
                  until)
from made import openssl

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GET_CLOSE = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def door(ca, place):
    with Door(place, "--workers", "2", home=ca) as door:
        yield door


def client(ca, place, version=None):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key", version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_the_ca_is_greeted(ca, place, door, version):
    with connect(door, client(ca, place, version)) as sock:
        status, headers, body = ask(sock, GET)
        assert (status, body) == (200, b"Hello World")
        assert headers["content-type"] == "text/plain"
        assert ask(sock, GET)[0] == 200, "the connection is kept"
        assert sock.version() == ("TLSv1.2" if version == VERSIONS[0] else "TLSv1.3")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_a_certificate_gets_nothing(ca, door, version):
    error = refused(door, context(ca / "ca.crt", version=version), "client-cert-missing")
    expected = "HANDSHAKE_FAILURE" if version == VERSIONS[0] else "CERTIFICATE_REQUIRED"
    assert expected in str(error)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stranger_gets_nothing(ca, mutual, place, door, version):
    mutual("init", "strange-ca", home=place / "strange").ok()
    mutual("issue", "client", "stranger", home=place / "strange", cwd=place).ok()
    ctx = context(ca / "ca.crt", place / "stranger.crt", place / "stranger.key", version)
    assert "UNKNOWN_CA" in str(refused(door, ctx, "client-cert-untrusted"))


def test_a_stranger_under_the_same_ca_name_gets_nothing(ca, mutual, place, door):
    mutual("init", "my-ca", home=place / "strange").ok()
    mutual("issue", "client", "stranger", home=place / "strange", cwd=place).ok()
    ctx = context(ca / "ca.crt", place / "stranger.crt", place / "stranger.key")
    refused(door, ctx, "client-cert-ca-rekeyed")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_expired_client_gets_nothing(ca, mutual, place, door, version):
    mutual("issue", "client", "late", "--lifetime", "1s", cwd=place).ok()
    time.sleep(2.1)  # until it has expired: X.509 counts in seconds
    ctx = context(ca / "ca.crt", place / "late.crt", place / "late.key", version)
    assert "CERTIFICATE_EXPIRED" in str(refused(door, ctx, "client-cert-expired"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_certificate_is_no_client(ca, place, door, version):
    ctx = context(ca / "ca.crt", place / "localhost.crt", place / "localhost.key", version)
    assert "UNSUPPORTED_CERTIFICATE" in str(refused(door, ctx, "client-cert-purpose"))


@needs_clock
def test_a_client_who_is_remembered_is_out_when_its_certificate_ends(ca, mutual, place):
    """One worker, which has verified the same chain a moment ago, and no session."""
    mutual("issue", "client", "short", "--lifetime", "1h", cwd=place).ok()
    ctx = context(ca / "ca.crt", place / "short.crt", place / "short.key")
    clock = Clock(place)
    with Door(place, "--workers", 1, home=ca, prefix=clock.prefix) as door:
        for _ in range(3):
            with connect(door, ctx) as sock:
                assert ask(sock, GET)[0] == 200 and not sock.session_reused
        clock.set(3601)
        for _ in range(2):
            refused(door, ctx, "client-cert-expired")


def test_old_tls_is_refused(ca, place, door):
    if not subprocess.run(["which", "openssl"], capture_output=True).stdout:
        pytest.skip("openssl is not installed")
    subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT, check=False)
    door.says(" tls-version: ")


def test_plain_http_is_told_to_use_https(door):
    for start in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n"]:
        with plain(door) as sock:
            sock.sendall(start.encode())
            data, _ = read_all(sock)
        assert data.startswith(b"HTTP/1.1 400 "), data
        assert b"https://" in data
        assert data.endswith(b"certificate.\r\n"), "nothing behind the answer"
        assert int(data.split(b"Content-Length: ")[1].split(b"\r\n")[0]) == len(data.split(b"\r\n\r\n", 1)[1])
        door.says(" plain-http: ")


def test_noise_is_not_tls(door):
    for noise in [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 300, b"EHLO x\r\n"]:
        with plain(door) as sock:
            sock.sendall(noise)
            data, _ = read_all(sock)
            assert b"HTTP" not in data
        door.says(" not-tls: ")


def test_a_client_that_hangs_up_is_noted(door):
    plain(door).close()
    door.says(" handshake-closed: ")


def test_a_client_that_distrusts_the_server_is_noted(place, door):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_cert_chain(place / "my-client.crt", place / "my-client.key")
    with pytest.raises(ssl.SSLError):
        connect(door, ctx)
    assert "unknown ca" in door.says(" client-refused-server: ")


def test_alpn_without_http_is_refused(ca, place, door):
    ctx = client(ca, place)
    ctx.set_alpn_protocols(["acme-tls/1"])
    refused(door, ctx, "tls-alpn")
    ctx.set_alpn_protocols(["acme-tls/1", "http/1.1"])
    with connect(door, ctx) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
    ctx.set_alpn_protocols(["http/1.1", "h2"])
    with connect(door, ctx) as sock:
        assert sock.selected_alpn_protocol() == "h2"


def test_alpn_of_a_client_of_http_1_0_alone_is_spoken(ca, place, door):
    ctx = client(ca, place)
    ctx.set_alpn_protocols(["http/1.0"])
    with connect(door, ctx) as sock:
        assert sock.selected_alpn_protocol() == "http/1.0"
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_answer(sock)[0] == 200
    ctx.set_alpn_protocols(["http/1.0", "http/1.1"])
    with connect(door, ctx) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1", "the better one, whatever comes first"


def test_pipelined_requests_are_answered_in_order(ca, place, door):
    with connect(door, client(ca, place)) as sock:
        sock.sendall(("GET /?1 HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n"
                      + GET_CLOSE).encode())
        data, _ = read_all(sock)
    assert re.findall(rb"HTTP/1\.1 (\d+)", data) == [b"200", b"404", b"200"]


@pytest.mark.parametrize("request_text, status", [
    ("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", 405),
    ("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: h\r\nX: " + "a" * 40000 + "\r\n\r\n", 431),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
    ("noise\r\n\r\n", 400),
], ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_statuses_where_they_belong(ca, place, door, request_text, status):
    with connect(door, client(ca, place)) as sock:
        sock.sendall(request_text.encode())
        data, _ = read_all(sock) if status not in (405,) else (sock.recv(65536), None)
    assert data.split()[1] == str(status).encode()


def test_a_big_upload_is_refused_in_words_not_by_a_reset(ca, place, door):
    with connect(door, client(ca, place)) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500000)
        status, _, body = read_answer(sock)
    assert status == 405 and b"GET and HEAD" in body
    with connect(door, client(ca, place)) as sock:  # more than both kernels hold, from one who does not look up
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20000000)
        status, _, body = read_answer(sock)
    assert status == 413 and b"too large" in body


def test_expect_continue(ca, place, door):
    with connect(door, client(ca, place)) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        data, _ = read_all(sock)
    assert data.startswith(b"HTTP/1.1 405 "), "no 100 for a body that nobody wants"


def test_bytes_one_at_a_time(ca, place, door):
    with connect(door, client(ca, place)) as sock:
        for byte in GET.encode():
            sock.send(bytes([byte]))
        assert read_answer(sock)[0] == 200


def test_sigterm_finishes_what_is_under_way_and_exits_0(ca, place):
    # One worker: once it has closed one connection it has told the others, too.
    with Door(place, "--workers", "1", home=ca) as door:
        idle = connect(door, client(ca, place))
        busy = connect(door, client(ca, place))
        assert ask(busy, GET)[0] == 200
        busy.sendall(b"GET / HTTP/1.1\r\n")
        assert ask(idle, GET)[0] == 200, "what came before has been read, too"
        door.signal()
        assert read_all(idle)[0] == b"", "an idle connection is closed"
        busy.sendall(b"Host: h\r\n\r\n")
        status, headers, _ = read_answer(busy)
        assert status == 200 and headers["connection"] == "close"
        assert read_all(busy)[0] == b""
        assert door.stop() == 0
        idle.close()
        busy.close()


def test_a_second_signal_ends_it_at_once(ca, place, door):
    with connect(door, client(ca, place)) as sock:
        assert ask(sock, GET)[0] == 200
        sock.sendall(b"GET / HTTP/1.1\r\n")
        door.signal(signal.SIGINT)
        listens_no_more(door)  # two that wait are one to the kernel
        door.signal(signal.SIGINT)
        assert door.process.wait(WAIT) == 0


def test_it_survives_running_out_of_descriptors(ca, place):
    limit = ["prlimit", "--nofile=40:40"]
    if not subprocess.run(["which", "prlimit"], capture_output=True).stdout:
        pytest.skip("prlimit is not installed")
    with Door(place, "--workers", "1", home=ca, prefix=limit) as door, connect(door, client(ca, place)) as inside:
        held = [plain(door) for _ in range(60)]
        door.says(" accept-paused: ")
        assert ask(inside, GET)[0] == 200, "who is in is served as ever"
        for sock in held:
            sock.close()
        with connect(door, client(ca, place)) as sock:
            assert ask(sock, GET)[0] == 200
        assert door.stop() == 0


def test_connections_beyond_the_bound_wait(ca, place):
    with Door(place, "--workers", "1", "--max-connections", "2", home=ca) as door:
        first, second = connect(door, client(ca, place)), connect(door, client(ca, place))
        door.says(" connections-full: ")
        third = plain(door)
        first.close()
        with client(ca, place).wrap_socket(third, server_hostname="localhost") as sock:
            assert ask(sock, GET)[0] == 200
        second.close()


def test_no_worker_has_more_connections_than_its_part(ca, place):
    """By the kernel's hash of ports one of them would have more than its ten, and who comes to that one would wait."""
    with Door(place, "--workers", "4", "--max-connections", "40", home=ca) as door, contextlib.ExitStack() as stack:
        ctx = client(ca, place)
        held = [stack.enter_context(connect(door, ctx)) for _ in range(37)]
        assert all(ask(sock, GET)[0] == 200 for sock in held)


def test_a_silent_client_is_shown_out(ca, place):
    with Door(place, "--handshake-timeout", "1s", home=ca) as door:
        with plain(door) as sock:
            assert read_all(sock)[0] == b""
        door.says(" handshake-timeout: ")


def test_a_slow_request_is_answered_408(ca, place):
    with Door(place, "--header-timeout", "1s", home=ca) as door:
        with connect(door, client(ca, place)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n")
            status, headers, _ = read_answer(sock)
            assert (status, headers["connection"]) == (408, "close")
            assert read_all(sock)[0] == b""


def test_an_idle_connection_is_closed_and_empty_lines_do_not_keep_it(ca, place):
    with Door(place, "--idle-timeout", "1s", home=ca) as door:
        with connect(door, client(ca, place)) as sock:
            assert ask(sock, GET)[0] == 200
            assert read_all(sock) == (b"", None), "closed in order, with close_notify"
        with connect(door, client(ca, place)) as sock:
            sock.settimeout(0.3)
            for _ in range(int(WAIT / 0.3)):
                try:
                    sock.sendall(b"\r\n")
                    if sock.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except (ssl.SSLError, ConnectionError):
                    break
            else:
                pytest.fail("empty lines kept the connection open")


def has_open(door, end):
    """A file whose path ends so."""
    fds = f"/proc/{door.process.pid}/fd"
    for name in os.listdir(fds):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"{fds}/{name}").endswith(end):
                return True
    return False


def test_a_client_that_takes_nothing_is_dropped(ca, place):
    (place / "www").mkdir()
    with open(place / "www" / "big", "wb") as file:
        file.truncate(64 * 1024 * 1024)
    with Door(place, "--write-timeout", "1s", "--files", "www", home=ca) as door:
        with connect(door, client(ca, place)) as sock:
            sock.sendall(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
            assert sock.recv(1) == b"H"
            until(lambda: not has_open(door, "/big"))


def test_requests_are_logged_with_who_asked(ca, place):
    with Door(place, "--log", "requests", home=ca) as door:
        with connect(door, client(ca, place)) as sock:
            ask(sock, "GET /a%0d%0ab?c HTTP/1.1\r\nHost: h\r\n\r\n")
            ask(sock, GET)
        line = door.says(" request ")
        assert '"CN=my-client"' in line and "GET /a%0d%0ab?c 404" in line
        assert "GET / 200" in door.says(" request ")


def test_a_name_in_a_certificate_forges_no_line_of_the_log(ca, place):
    """Other CAs sign names with spaces in them, too."""
    (place / "ext").write_text("extendedKeyUsage=clientAuth\nsubjectAltName=@s\n[s]\nURI.1=a GET /admin 200\n")
    openssl("req", "-new", "-key", place / "my-client.key", "-subj", r'/CN=a" - GET \/admin 200', "-out", place / "f.csr")
    openssl("x509", "-req", "-in", place / "f.csr", "-CA", ca / "ca.crt", "-CAkey", ca / "ca.key", "-set_serial", "99",
            "-extfile", place / "ext", "-out", place / "f.crt")
    with Door(place, "--log", "requests", home=ca) as door:
        with connect(door, context(ca / "ca.crt", place / "f.crt", place / "my-client.key")) as sock:
            ask(sock, GET)
        line = door.says(" request ")
    assert line.rstrip().endswith(r' request "CN=a\" - GET /admin 200" URI:a\x20GET\x20/admin\x20200 GET / 200 HTTP/1.1'), line


def test_json_lines(ca, place):
    import json
    with Door(place, "--log", "refusals,requests", "--json", home=ca) as door:
        assert json.loads(door.ready)["event"] == "ready"
        with connect(door, client(ca, place)) as sock:
            ask(sock, GET)
        event = json.loads(door.says("request"))
        assert (event["method"], event["path"], event["status"]) == ("GET", "/", 200)
        refused_line = None
        with pytest.raises(ssl.SSLError):
            with connect(door, context(ca / "ca.crt")) as sock:
                sock.recv(1)
        refused_line = json.loads(door.says("client-cert-missing"))
        assert refused_line["hint"]


def test_the_default_is_localhost_3000_or_it_says_why_not(ca, place, mutual):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 3000))
        except OSError:
            pytest.skip("something else holds port 3000")
        holder.listen()
        result = mutual("serve", cwd=place)
        assert result.code == 1
        assert "127.0.0.1:3000" in result.stderr and "--listen" in result.stderr


def test_without_files_the_home_ca_issues_one_in_memory(ca, tmp_path, mutual):
    mutual("issue", "client", "my-client", cwd=tmp_path).ok()
    before = sorted(os.listdir(tmp_path))
    with Door(tmp_path, home=ca) as door:
        ctx = client(ca, tmp_path)
        with connect(door, ctx, name="localhost") as sock:
            assert ask(sock, GET)[0] == 200
        with connect(door, ctx, name="127.0.0.1") as sock:
            assert ask(sock, GET)[0] == 200
    assert sorted(os.listdir(tmp_path)) == before


def test_the_ready_line_has_a_curl_line_that_works(ca, place):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    with Door(place, home=ca, listen=("--listen", "localhost:0")) as door:
        line = door.ready.split("try: ", 1)[1].strip()
        answer = subprocess.run([*line.split(), "-sS"], cwd=place, capture_output=True, text=True, timeout=WAIT, check=False)
        assert (answer.returncode, answer.stdout) == (0, "Hello World"), answer.stderr


def test_ipv6(ca, place):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with Door(place, home=ca, listen=("--listen", "[::1]:0")) as door:
        raw = socket.create_connection(("::1", door.port), timeout=WAIT)
        with client(ca, place).wrap_socket(raw, server_hostname="::1") as sock:
            assert ask(sock, GET)[0] == 200


@pytest.mark.parametrize("options, code, text", [
    (["--listen", "nonsense"], 2, "port"),
    (["--listen", "127.0.0.1:99999"], 2, "port"),
    (["--listen", "::1:3000"], 2, "address"),
    (["--listen", "nobody.invalid:3000"], 1, "cannot be found"),
    (["--workers", "0"], 2, "--workers"),
    (["--idle-timeout", "0s"], 2, "length of time"),
    (["--key", "localhost.key"], 2, "--cert"),
    (["--cert", "localhost.crt", "--key", "my-client.key"], 1, "does not belong"),
    (["--cacert", "my-client.crt"], 1, "not a CA"),
    (["--cert", "none.crt"], 1, "none.crt"),
    (["--files", "none"], 1, "none"),
    (["--files", "localhost.crt"], 1, "localhost.crt"),
    (["--log", "everything"], 2, "--log"),
])
def test_a_start_that_cannot_be_is_refused_in_words(place, mutual, options, code, text):
    mutual("serve", *options, cwd=place).refused(text, "hint: ", code=code)
