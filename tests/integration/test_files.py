"""mutual serve --files DIR: a directory tree, and no way out of it."""
import hashlib
import os
import threading

import pytest

from door import Door, ask, connect, context, read_all, read_answer

SECRET = b"a secret that lies outside of the tree"


@pytest.fixture
def tree(ca, mutual, tmp_path):
    """The tree is tmp_path/www; what lies beside it is not to be had."""
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    www = tmp_path / "www"
    (www / "sub").mkdir(parents=True)
    (www / "index.html").write_text("the index")
    (www / "ten.txt").write_text("0123456789")
    (www / "sub/index.html").write_text("the index below")
    (www / "bare").mkdir()
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "www-other").mkdir()
    (tmp_path / "www-other/secret.txt").write_bytes(SECRET)
    return www


@pytest.fixture
def door(ca, tree):
    with Door(tree.parent, "--files", "www", "--workers", "1", home=ca) as door:
        yield door


@pytest.fixture
def sock(ca, tree, door):
    ctx = context(ca / "ca.crt", tree.parent / "my-client.crt", tree.parent / "my-client.key")
    with connect(door, ctx) as sock:
        yield sock


def get(sock, target, *headers, method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: h", *headers, "", ""]
    if method != "HEAD":
        return ask(sock, "\r\n".join(lines))
    sock.sendall("\r\n".join(lines).encode())
    return read_head(sock)


def read_head(sock):
    """An answer to HEAD: nothing may follow, which the next answer on this connection shows."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, rest = data.split(b"\r\n\r\n", 1)
    assert rest == b""
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, b""


def test_the_index_of_a_directory(sock):
    assert get(sock, "/")[::2] == (200, b"the index")
    assert get(sock, "/sub/")[::2] == (200, b"the index below")
    assert get(sock, "/bare/")[0] == 404, "no list of what there is"
    assert get(sock, "/index.html")[::2] == (200, b"the index")
    assert get(sock, "/?x=/../..")[::2] == (200, b"the index")


@pytest.mark.parametrize("name, content_type", [
    ("a.html", "text/html; charset=utf-8"), ("a.HTML", "text/html; charset=utf-8"), ("a.css", "text/css; charset=utf-8"),
    ("a.js", "text/javascript; charset=utf-8"), ("a.json", "application/json"), ("a.svg", "image/svg+xml"),
    ("a.png", "image/png"), ("a.txt", "text/plain; charset=utf-8"), ("a.pdf", "application/pdf"),
    ("a.unknown", "application/octet-stream"), ("html", "application/octet-stream"), (".html.exe", "application/octet-stream"),
])
def test_types(sock, tree, name, content_type):
    (tree / name).write_text("x")
    status, headers, _ = get(sock, f"/{name}")
    assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, content_type, "nosniff")


def test_head_is_get_without_the_body(sock):
    shown = get(sock, "/ten.txt")[1]
    status, headers, _ = get(sock, "/ten.txt", method="HEAD")
    assert status == 200 and headers["content-length"] == "10"
    assert {**headers, "date": ""} == {**shown, "date": ""}
    assert get(sock, "/none", method="HEAD")[0] == 404
    assert get(sock, "/ten.txt")[2] == b"0123456789", "and the connection is in step"


def test_an_empty_file(sock, tree):
    (tree / "empty").write_bytes(b"")
    assert get(sock, "/empty")[::2] == (200, b"")
    assert get(sock, "/empty", "Range: bytes=0-")[0] == 416
    assert get(sock, "/ten.txt")[0] == 200


def test_names_with_escapes(sock, tree):
    (tree / "ä ö%.txt").write_text("umlauts")
    assert get(sock, "/%C3%A4%20%c3%b6%25.txt")[::2] == (200, b"umlauts")
    for bad in ("/%", "/%4", "/%zz", "/a%00b", "/ten.txt%00"):
        assert get(sock, bad)[0] == 400, bad


def test_methods(sock):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = get(sock, "/ten.txt", "Content-Length: 0", method=method)
        assert status == 405 and headers["allow"] == "GET, HEAD", method


# --- Ranges ---

@pytest.mark.parametrize("asked, status, shown, body", [
    ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
    ("bytes=2-5", 206, "bytes 2-5/10", b"2345"),
    ("bytes=7-", 206, "bytes 7-9/10", b"789"),
    ("bytes=7-99999", 206, "bytes 7-9/10", b"789"),
    ("bytes=-3", 206, "bytes 7-9/10", b"789"),
    ("bytes=-99", 206, "bytes 0-9/10", b"0123456789"),
    ("Bytes=0-1", 206, "bytes 0-1/10", b"01"),
    ("bytes=10-", 416, "bytes */10", None),
    ("bytes=10-12", 416, "bytes */10", None),
    ("bytes=-0", 416, "bytes */10", None),
    ("bytes=18446744073709551614-", 416, "bytes */10", None),
    ("bytes=99999999999999999999999-", 200, None, b"0123456789"),
    ("bytes=0-1,4-5", 200, None, b"0123456789"),
    ("bytes=5-2", 200, None, b"0123456789"),
    ("bytes=a-b", 200, None, b"0123456789"),
    ("bytes=", 200, None, b"0123456789"),
    ("bytes=--1", 200, None, b"0123456789"),
    ("lines=1-2", 200, None, b"0123456789"),
])
def test_ranges(sock, asked, status, shown, body):
    got, headers, data = get(sock, "/ten.txt", f"Range: {asked}")
    assert (got, headers.get("content-range")) == (status, shown)
    if body is not None:
        assert data == body and headers["accept-ranges"] == "bytes"
    assert get(sock, "/ten.txt")[2] == b"0123456789", "and the connection is in step"


def test_a_range_of_head_is_not_one(sock):
    status, headers, _ = get(sock, "/ten.txt", "Range: bytes=0-1", method="HEAD")
    assert (status, headers["content-length"]) == (200, "10"), "ranges are for GET [RFC 9110 14.2]"


# --- Conditions ---

OLD, NEW = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 01 Jan 2038 00:00:00 GMT"


def test_conditions(sock, tree):
    _, headers, _ = get(sock, "/ten.txt")
    tag, date = headers["etag"], headers["last-modified"]
    cases = [
        (304, [f"If-None-Match: {tag}"]), (304, ["If-None-Match: *"]), (304, [f"If-None-Match: W/{tag}"]),
        (304, [f'If-None-Match: "x", {tag} , "y"']), (200, ['If-None-Match: "x"']),
        (200, [f"If-None-Match: {tag[:-1]}"]), (200, [f'If-None-Match: "x{tag[1:]}']),
        (304, [f"If-Modified-Since: {date}"]), (304, [f"If-Modified-Since: {NEW}"]),
        (200, [f"If-Modified-Since: {OLD}"]), (200, ["If-Modified-Since: yesterday"]),
        (200, ['If-None-Match: "x"', f"If-Modified-Since: {NEW}"]),
        (200, [f"If-Match: {tag}"]), (200, ["If-Match: *"]), (412, ['If-Match: "x"']), (412, [f"If-Match: W/{tag}"]),
        (200, [f"If-Unmodified-Since: {date}"]), (412, [f"If-Unmodified-Since: {OLD}"]),
        (200, [f"If-Match: {tag}", f"If-Unmodified-Since: {OLD}"]),
        (412, ['If-Match: "x"', f"If-None-Match: {tag}"]),
        (206, ["Range: bytes=0-1", f"If-Range: {tag}"]), (206, ["Range: bytes=0-1", f"If-Range: {date}"]),
        (200, ["Range: bytes=0-1", 'If-Range: "x"']), (200, ["Range: bytes=0-1", f"If-Range: W/{tag}"]),
        (200, ["Range: bytes=0-1", f"If-Range: {OLD}"]), (200, ["Range: bytes=99-", 'If-Range: "x"']),
        (304, ["Range: bytes=0-1", f"If-None-Match: {tag}"]),
    ]
    for status, conditions in cases:
        got, shown, body = get(sock, "/ten.txt", *conditions)
        assert got == status, conditions
        assert body == {200: b"0123456789", 206: b"01", 304: b""}.get(status, body), conditions
        if status == 304:
            assert shown["etag"] == tag and "content-length" not in shown
    (tree / "ten.txt").write_text("9876543210")
    status, shown, body = get(sock, "/ten.txt", f"If-None-Match: {tag}")
    assert (status, body) == (200, b"9876543210") and shown["etag"] != tag, "a file that has changed"


# --- The way out that there is not ---

@pytest.mark.parametrize("target, location", [
    ("/sub", "/sub/"), ("/sub?a=b", "/sub/?a=b"), ("/bare", None), ("//sub", "/sub/"), ("///sub", "/sub/"),
    ("/./sub", None), ("https://h/sub", "/sub/"), ("http://evil.example/sub", "/sub/"), ("http://evil.example//sub", "/sub/"),
    ("/%2fsub", None), ("/sub%2f", None), ("/%5cevil.example/..%2fsub", None),
])
def test_a_redirect_stays_on_this_server(sock, target, location):
    status, headers, _ = get(sock, target)
    if location is not None:
        assert (status, headers["location"]) == (301, location)
    for found in [headers["location"]] if "location" in headers else []:
        assert status == 301 and found.startswith("/")
        assert not found.startswith("//") and not found.startswith("/\\"), "which a browser takes for another host"


OUTWARD = [
    "/../secret.txt", "/sub/../../secret.txt", "/..", "/../", "/%2e%2e/secret.txt", "/%2E%2e/secret.txt", "/.%2e/secret.txt",
    "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/sub%2f..%2f..%2fsecret.txt", "/..%5csecret.txt", "/%252e%252e/secret.txt",
    "/../www-other/secret.txt", "/%2e%2e/www-other/secret.txt", "//../secret.txt", "/..//secret.txt", "/./../secret.txt",
    "/sub/..%2f../secret.txt", "/.../secret.txt", "/..;/secret.txt", "http://h/../secret.txt", "http://../secret.txt",
    "/ten.txt/../../secret.txt", "/ten.txt/..", "/%c0%ae%c0%ae/secret.txt", "/..%00/secret.txt",
]


@pytest.mark.parametrize("target", OUTWARD)
def test_no_name_leads_out(sock, target):
    status, _, body = get(sock, target)
    assert status in (400, 404) and SECRET not in body


def test_no_absolute_name_leads_out(sock, tree):
    outside = tree.parent / "secret.txt"
    for target in [f"/{outside}", f"//{outside}", f"/%2f{outside}", f"/proc/self/root{outside}", f"file://{outside}"]:
        status, _, body = get(sock, target)
        assert status in (400, 404) and SECRET not in body, target


def test_no_link_leads_out(sock, tree):
    outside = tree.parent / "secret.txt"
    links = {
        "absolute": outside, "relative": "../secret.txt", "directory": tree.parent, "parent": "..", "root": "/",
        "chain": "absolute", "through": "sub/../../secret.txt", "magic": "/proc/self/cwd/secret.txt", "self": "self",
    }
    for name, target in links.items():
        (tree / name).symlink_to(target)
    (tree / "bare/index.html").symlink_to(outside)
    for target in [*(f"/{name}" for name in links), "/directory/secret.txt", "/parent/secret.txt", "/root/etc/passwd", "/bare/",
                   "/bare", "/directory/", "/sub/../parent/secret.txt"]:
        status, headers, body = get(sock, target)
        assert status in (400, 404) or (target == "/bare" and status == 301), target
        assert SECRET not in body and b"root:" not in body, target


def test_links_inside_the_tree_work(sock, tree):
    (tree / "one").symlink_to("ten.txt")
    (tree / "two").symlink_to("sub")
    (tree / "sub/up").symlink_to("../ten.txt")
    (tree / "three").symlink_to("one")
    for target in ("/one", "/three", "/sub/up", "/two/up"):
        assert get(sock, target)[::2] == (200, b"0123456789"), target
    assert get(sock, "/two/")[2] == b"the index below"
    assert get(sock, "/two")[1]["location"] == "/two/"


# --- Files that are none ---

def test_what_is_no_regular_file_is_not_there(sock, tree):
    os.mkfifo(tree / "fifo")
    if os.geteuid() == 0:
        os.mknod(tree / "zero", 0o20666, os.makedev(1, 5))
        assert get(sock, "/zero")[0] == 404
    assert get(sock, "/fifo")[0] == 404, "and the thread does not wait for a writer"
    for target in ("/none", "/none/", "/ten.txt/", "/ten.txt/more", "/" + "a" * 300, "/" + "a/" * 2000):
        assert get(sock, target)[0] == 404, target[:20]
    assert get(sock, "/ten.txt")[0] == 200


def test_a_file_that_may_not_be_read_is_not_there(sock, tree):
    (tree / "locked").write_bytes(SECRET)
    (tree / "locked").chmod(0)
    if os.access(tree / "locked", os.R_OK):
        pytest.skip("root may read everything")
    status, _, body = get(sock, "/locked")
    assert status == 404 and SECRET not in body


# --- Large files ---

def test_a_large_file_arrives_intact(sock, tree):
    size, block = 50 * 1024 * 1024, hashlib.sha512(b"").digest() * 1024
    with open(tree / "large", "wb") as large:
        for i in range(size // len(block)):
            large.write(block[i % 64:] + block[:i % 64])
    expected = hashlib.sha256((tree / "large").read_bytes()).hexdigest()
    sock.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\nGET /ten.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    data, _ = read_all(sock)
    body = data.split(b"\r\n\r\n", 1)[1]
    assert hashlib.sha256(body[:size]).hexdigest() == expected
    assert body[size:].startswith(b"HTTP/1.1 200 ") and body.endswith(b"0123456789")


def test_a_slow_reader_gets_all_of_it_and_holds_up_nobody(ca, sock, tree, door):
    (tree / "large").write_bytes(os.urandom(1 << 20) * 20)
    sock.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    ctx = context(ca / "ca.crt", tree.parent / "my-client.crt", tree.parent / "my-client.key")
    with connect(door, ctx) as other:
        for _ in range(20):
            assert get(other, "/ten.txt")[2] == b"0123456789"
    data, _ = read_all(sock)
    assert data.split(b"\r\n\r\n", 1)[1] == (tree / "large").read_bytes()


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(sock, tree, door):
    """What was promised cannot be kept, and filling it up would be a lie."""
    size = 40 * 1024 * 1024
    (tree / "large").write_bytes(b"x" * size)
    sock.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    data = sock.recv(1000)
    assert f"Content-Length: {size}".encode() in data
    os.truncate(tree / "large", 1000)
    rest, _ = read_all(sock)
    body = (data + rest).split(b"\r\n\r\n", 1)[1]
    assert len(body) < size and set(body) == {ord("x")}
    assert door.process.poll() is None


def test_a_file_that_grows_while_it_is_sent_is_sent_as_it_was(sock, tree):
    (tree / "growing").write_bytes(b"x" * (1 << 20))
    stop = threading.Event()

    def grow():
        with open(tree / "growing", "ab", buffering=0) as growing:
            while not stop.wait(0.001):
                growing.write(b"y" * 1000)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(20):
            status, headers, body = get(sock, "/growing")
            assert status == 200 and len(body) == int(headers["content-length"])
    finally:
        stop.set()
        writer.join()
    assert get(sock, "/ten.txt")[2] == b"0123456789"


def test_without_a_certificate_there_is_no_file(ca, tree, door):
    with pytest.raises(OSError), connect(door, context(ca / "ca.crt")) as sock:
        sock.sendall(b"GET /ten.txt HTTP/1.1\r\nHost: h\r\n\r\n")
        read_answer(sock)


@pytest.mark.parametrize("options", [
    ["--files", "."],
    ["--files", "..", "--cert", "localhost.crt", "--key", "localhost.key"],
    ["--files", "/"],
])
def test_a_directory_with_the_servers_key_in_it_is_not_served(mutual, ca, tmp_path, options):
    (tmp_path / "here").mkdir()
    mutual("issue", "server", "localhost", cwd=tmp_path / "here").ok()
    result = mutual("serve", *options, cwd=tmp_path / "here")
    assert result.code == 2
    assert "every client could fetch the private key" in result.stderr and "hint: " in result.stderr


@pytest.mark.parametrize("name", ["ca.key", "root.key", "ca-request.key", "ocsp.key", "ca-0123456789ABCDEF.key"])
def test_no_key_of_the_home_is_served(mutual, ca, place, name):
    """Whichever it is: one alone lies there, the others elsewhere."""
    served = place / "served"
    served.mkdir()
    (served / name).write_bytes((ca / "ca.key").read_bytes())
    (ca / name).unlink(missing_ok=True)
    (ca / name).symlink_to(served / name)
    mutual("serve", "--files", "served", "--cert", "localhost.crt", "--key", "localhost.key").refused(
        f"every client could fetch the private key {ca / name} from served", code=2)
