"""mutual explain URL: a server looked at from where its client stands."""
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest

import live
from live import Listener, answer, tls

NONE, ASK, REQUIRE = ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return live.make_world(tmp_path_factory.mktemp("live"))


def own(world, name="client"):
    return ["--cert", world.path(f"{name}.crt"), "--key", world.path("leaf.key")]


def explain(mutual, world, port, *words, host="localhost", path=""):
    trust = [] if "--cacert" in words else ["--cacert", world.path("root.crt")]
    return mutual("explain", f"https://{host}:{port}{path}", *trust, *words, "--json")


def check(said, cause, code, *words):
    report = said.json()
    assert (report["cause"], said.code) == (cause, code), said
    for word in words:
        assert word in report["what"] + report["raw"], report
    assert report["remedy"] or cause == "ok", report
    return report


def date(ahead_s=0):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + ahead_s))


LATE = date(40 * 24 * 3600)


def h2(status):
    """What a server of HTTP/2 and nothing else says: its settings, and a head with this status. [RFC 9113 4.1, RFC 7541 6.2.2]"""
    def frame(kind, flags, stream, data=b""):
        return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data
    return frame(4, 0, 0) + frame(4, 1, 0) + frame(1, 5, 1, b"\x08\x03" + str(status).encode())


# name, how the server is, who the client is, cause, exit, words
CASES = [
    ("all is well", {}, "client", "ok", 0, ["TLSv1.3", "alice", "200"]),
    ("TLS 1.2 is well", {"highest": ssl.TLSVersion.TLSv1_2}, "client", "ok", 0, ["TLSv1.2"]),
    ("no certificate, and none is asked for", {"clients": NONE}, None, "ok", 0, ["asks for no"]),
    ("no certificate, and none is needed", {"clients": ASK}, None, "ok", 0, []),
    ("not found is not our matter", {"says": answer("404 Not Found")}, "client", "ok", 0, ["404"]),
    ("a chain that is whole", {"cert": "server-chain"}, "client-chain", "ok", 0, []),
    ("no HTTP at all", {"says": b"\0\1\2 hello"}, "client", "ok", 0, []),
    ("no HTTP, and an end for who asks in it", {"says": b""}, "client", "ok", 0, ["accepts the client certificate"]),
    ("the same in TLS 1.2", {"says": b"", "highest": ssl.TLSVersion.TLSv1_2}, "client", "ok", 0, ["accepts the client certificate"]),
    ("an end before anybody asks", {"says": b"", "silent": True}, "client", "client_untrusted_ca", 1, ["closed"]),
    ("the same, and slow", {"says": b"", "silent": True, "slow": 1.6}, "client", "client_untrusted_ca", 1, ["closed"]),
    ("a date of long ago", {"says": answer("200 OK", "", "Date: Tue, 26 Aug 1997 22:10:05 GMT")}, "client", "ok", 0, []),
    ("a date out of a cache", {"says": answer("200 OK", "", f"Date: {LATE}", "Age: 17")}, "client", "ok", 0, []),
    ("a clock that does not", {"says": answer("200 OK", "", f"Date: {LATE}")}, "client", "server_clock_wrong", 3, []),
    ("no certificate", {}, None, "client_cert_not_sent", 1, ["certificate required"]),
    ("no certificate, TLS 1.2", {"highest": ssl.TLSVersion.TLSv1_2}, None, "client_cert_not_sent", 1, ["handshake failure"]),
    ("another CA's", {}, "client-other", "client_untrusted_ca", 1, ["mallory", "Other Root", "Example Root", "unknown ca"]),
    ("the CA made again", {}, "client-again", "ca_rekeyed_same_name", 1, ["Example Root"]),
    ("expired", {}, "client-over", "client_cert_expired", 1, ["2021-01-01", "certificate expired"]),
    ("for servers", {}, "client-purpose", "client_cert_no_clientauth", 1, []),
    ("incomplete", {}, "client-inter", "client_chain_incomplete", 1, ["Issuing CA"]),
    ("revoked", {"crl": "revoked"}, "client", "client_cert_revoked", 1, ["says that", "certificate revoked"]),
    ("a stale list", {"crl": "stale"}, "client", "crl_expired", 1, ["certificate expired"]),
    ("a page that says so", {"says": answer("400 Bad Request", "400 The SSL certificate error")}, "client", "client_untrusted_ca",
     1, ["400", "server's log"]),
    ("incomplete, and the server has what is missing", {"cert": "server-chain"}, "client-inter", "client_chain_incomplete", 1,
     ["Example Issuing CA"]),
    ("a fresh list", {"crl": "fresh"}, "client", "ok", 0, []),
    ("not let in", {"says": answer("403 Forbidden")}, "client", "not_authorized", 1, ["alice", "403"]),
    ("never asked", {"clients": NONE}, "client", "server_does_not_ask", 3, ["alice"]),
    ("never asked, and missed", {"clients": NONE, "says": answer("403 Forbidden")}, "client", "server_does_not_ask", 1, []),
    ("a proxy in front", {"clients": NONE, "says": answer("400 Bad Request", "No required SSL certificate was sent",
                                                          "Server: nginx")}, "client", "tls_terminating_proxy", 1, []),
    ("a CDN in front", {"clients": NONE, "says": answer("401 Unauthorized", "", "Via: 1.1 edge", "Server: cloudflare")},
     "client", "tls_terminating_proxy", 1, ["cloudflare"]),
    ("nginx without one", {"clients": ASK, "says": answer("400 Bad Request", "No required SSL certificate was sent")}, None,
     "client_cert_not_sent", 1, ["400"]),
    ("a CDN that lets certificates through", {"says": answer("200 OK", "", "Via: 1.1 edge", "Server: cloudflare")}, "client",
     "ok", 0, []),
    ("HTTP/2 alone", {"alpn": ["h2"], "says": h2(200)}, "client", "ok", 0, ["200"]),
    ("HTTP/2 alone, not let in", {"alpn": ["h2"], "says": h2(403)}, "client", "not_authorized", 1, ["alice", "403"]),
    ("HTTP/2 alone, no certificate", {"alpn": ["h2"], "says": h2(403), "clients": ASK}, None, "client_cert_not_sent", 1, ["403"]),
    ("another host's request", {"says": answer("421 Misdirected Request")}, "client", "sni_unknown", 1, ["421"]),
    ("the server's is over", {"cert": "server-over"}, "client", "server_cert_expired", 1, ["2021-01-01"]),
    ("the server's is another's", {"cert": "server-other"}, "client", "server_untrusted_ca", 1, ["Other Root"]),
    ("the server's has another name", {"cert": "server-else"}, "client", "server_name_mismatch", 1, ["elsewhere.example"]),
    ("the server sends no intermediate", {"cert": "server-inter"}, "client", "server_chain_incomplete", 1, ["Issuing"]),
    ("somebody in between", {"cert": "server-inspected", "clients": NONE}, "client", "tls_intercepted", 1, ["Inspection"]),
    ("old TLS only", {"lowest": ssl.TLSVersion.TLSv1, "highest": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"},
     "client", "tls_version_mismatch", 1, ["TLSv1.1"]),
    ("no cipher in common", {"highest": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"}, "client",
     "no_shared_cipher", 1, []),
    ("a key of a kind that nobody offers", {"cert": "server-odd", "key": "odd"}, "client", "unsupported_key_type", 1, ["brainpool"]),
    ("a name that is not served", {"names": {"other.example": "server-else"}}, "client", "sni_unknown", 1, ["localhost"]),
    ("a name that is served", {"names": {"localhost": "server"}, "cert": "server-else"}, "client", "ok", 0, []),
]


@pytest.mark.parametrize("how,who,cause,code,words", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_a_client_runs_into(mutual, world, how, who, cause, code, words):
    with tls(world, **how) as server:
        check(explain(mutual, world, server.port, *(own(world, who) if who else [])), cause, code, *words)


@pytest.mark.parametrize("ahead_s", [-200, 200])  # five minutes either way are none
def test_a_clock_that_agrees(mutual, world, ahead_s):
    with tls(world, says=answer("200 OK", "", f"Date: {date(ahead_s)}")) as server:
        check(explain(mutual, world, server.port, *own(world)), "ok", 0)


def test_what_there_was_no_time_for_is_not_known(mutual, world):
    """An end that comes late: who would be closed upon as late without a question? And none that comes at all."""
    for slow, word in ((0.3, "closed"), (0.6, "not said a word")):
        with tls(world, says=b"", slow=slow) as server:
            said = explain(mutual, world, server.port, *own(world), "--max-time", "1")
        report = said.json()
        assert (report["cause"], said.code) == ("ok", 3), said
        for words in ("whether the server accepts", "--max-time", word):
            assert words in report["unjudged"], report


def test_who_is_not_let_in_is_named_as_a_rule_names_it(mutual, world):
    with tls(world, says=answer("403 Forbidden")) as server:
        for who, rule in [("client", "cn=alice"), ("client-spiffe", "uri=spiffe://example.org/api")]:
            told = explain(mutual, world, server.port, *own(world, who)).json()
            assert told["remedy"] == f"mutual serve --allow {rule}"


def test_what_a_servers_list_of_cas_tells(mutual, world):
    """The client has another trust file than the server, so the list alone says what the server makes of its certificate."""
    trust = ["--cacert", world.path("other.crt")]
    with live.listing(world) as port:
        for who, cause, code, more in [
                ("client", "ok", 0, ()), ("client-chain", "ok", 0, ()), ("client-deep", "ok", 0, ()),
                ("client-other", "client_untrusted_ca", 1, ()), ("client-self", "client_self_signed", 1, ()),
                ("client-inter", "client_chain_incomplete", 1, ()), ("client-middle", "client_untrusted_ca", 1, ()),
                ("client-middle", "client_chain_incomplete", 1, ("--other", world.path("middle.crt"))),
                ("client-again", "ca_rekeyed_same_name", 1, ())]:
            check(explain(mutual, world, port, *own(world, who), *trust, *more), cause, code)
    with live.listing(world, "-verify_depth", "1") as port:
        check(explain(mutual, world, port, *own(world, "client-deep"), *trust), "verify_depth_exceeded", 1)


def test_a_program_behind_that_says_no_may_mean_the_certificate(mutual, world):
    """Some servers let everybody through in TLS, and judge the certificate themselves: Node.js with rejectUnauthorized off, nginx
    with optional_no_ca. What they would let in, and others not, works here."""
    trust = ["--cacert", world.path("other.crt")]
    world.write("denied", answer("401 Unauthorized"))
    world.write("fine", live.OK)
    with live.listing(world, lax=True) as port:
        for who, cause in [("client", "not_authorized"), ("client-other", "client_untrusted_ca"), ("client-self", "client_self_signed"),
                           ("client-inter", "client_chain_incomplete"), ("client-again", "ca_rekeyed_same_name"),
                           ("client-over", "client_cert_expired")]:
            known = ["--other", world.path("root.crt")] if who == "client-again" else []
            said = check(explain(mutual, world, port, *own(world, who), *trust, *known, path="/denied"), cause, 1)
            assert [finding["cause"] for finding in said["findings"]] == [cause]
        for who, cause, code in [("client", "ok", 0), ("client-over", "client_cert_expired", 3), ("client-purpose", "client_cert_no_clientauth", 3)]:
            check(explain(mutual, world, port, *own(world, who), *trust, path="/fine"), cause, code)


def test_what_is_known_of_the_server_helps(mutual, world):
    known = [*own(world), "--server-cert", world.path("renewed.crt")]
    with tls(world) as server:
        check(explain(mutual, world, server.port, *known), "server_serves_stale_cert", 3, "renewed.crt")
    with tls(world, cert="server-over") as server:
        check(explain(mutual, world, server.port, *known), "server_serves_stale_cert", 1, "2021-01-01")
    with tls(world, says=answer("400 Bad Request", "The SSL certificate error")) as server:  # its list may be the one that lies here
        check(explain(mutual, world, server.port, *own(world), "--crl", world.path("revoked.crl")), "client_cert_revoked", 1)
    with tls(world, cert="server-other", clients=NONE) as server:
        check(explain(mutual, world, server.port, *known), "tls_intercepted", 1, "Other Root")
    with tls(world, cert="renewed") as server:
        check(explain(mutual, world, server.port, *known, "--server-cacert", world.path("root.crt")), "ok", 0)
    with tls(world, cert="server-else", names={"localhost": "renewed"}) as server:
        check(explain(mutual, world, server.port, *known, host="127.0.0.1"), "sni_missing", 1, "elsewhere.example")


def test_options_say_how_the_client_is(mutual, world):
    with tls(world, lowest=ssl.TLSVersion.TLSv1_3) as server:
        check(explain(mutual, world, server.port, *own(world), "--tls-max", "1.2"), "tls_version_mismatch", 1, "TLSv1.3")
        check(explain(mutual, world, 1, *own(world), "--connect", f"127.0.0.1:{server.port}"), "ok", 0)
        check(explain(mutual, world, server.port, *own(world), "--servername", "localhost", host="127.0.0.1"), "ok", 0)
        check(explain(mutual, world, server.port, *own(world), "--alpn", "h2"), "alpn_mismatch", 1, "h2")
        check(explain(mutual, world, server.port, "--cert", world.path("client.crt"), "--key", world.path("other.key")),
              "key_mismatch", 1, "other.key")
    said = mutual("explain", "https://localhost:1", "--connect", "nonsense").refused("--connect", code=2)
    assert "HOST:PORT" in said.stderr
    mutual("explain", "ftp://localhost").refused("ftp://localhost", code=2)
    mutual("explain", "https://localhost", "--alpn", "a,,b").refused("--alpn", code=2)
    mutual("explain", "https://localhost", "--as", "x", "--cert", "y").refused("--as", code=2)


def test_it_reads_as_a_person_reads(mutual, world):
    with tls(world) as server:
        said = mutual("explain", f"https://localhost:{server.port}", "--cacert", world.path("root.crt"),
                      *own(world, "client-other"))
    assert said.code == 1 and said.stdout.startswith("The server refused the client certificate ")
    lines = said.stdout.splitlines()
    for word in ("cause: client_untrusted_ca", "    wrong: the client's certificate: refused"):
        assert word in lines, said
    assert 'TLS alert 48 "unknown ca" from the server, after the handshake' in lines[-1]
    assert "\x1b" not in said.stdout and "PRIVATE" not in said.stdout


# --- What does not speak TLS, and what does worse ---

def says(first, then=b""):
    """A server that speaks first, and answers whatever comes."""
    def talk(taken):
        taken.sendall(first)
        while taken.recv(4096):
            taken.sendall(then)
    return talk


def answers(*lines):
    def talk(taken):
        if taken.recv(4096):
            taken.sendall(b"".join(lines))
    return talk


def postgres(taken):
    if taken.recv(8) == bytes([0, 0, 0, 8, 4, 210, 22, 47]):
        taken.sendall(b"S")
        taken.recv(1)


def ldap(taken):
    if taken.recv(1) == b"\x30":
        taken.sendall(bytes.fromhex("300c02010178070a010004000400"))


def proxy_header_wanted(taken):
    taken.recv(1)


PLAIN = [
    ("HTTP", answers(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n"), "not_tls", "plain HTTP"),
    ("a proxy", answers(b"HTTP/1.1 400 Bad Request\r\nServer: squid/5.7\r\n\r\n"), "not_tls", "proxy"),
    ("SSH", says(b"SSH-2.0-OpenSSH_9.2\r\n"), "not_tls", "SSH"),
    ("SMTP", says(b"220 mail.example ESMTP Postfix\r\n", b"502 what\r\n"), "starttls_needed", "SMTP"),
    ("FTP", says(b"220 ProFTPD ready, FTP\r\n"), "starttls_needed", "FTP"),
    ("FTP, in several lines", says(b"220-Welcome\r\n220 ProFTPD ready\r\n"), "starttls_needed", "speaks FTP"),
    ("SMTP of a host that is called so", says(b"220 ftp.example ESMTP Postfix\r\n"), "starttls_needed", "speaks SMTP"),
    ("IMAP", says(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"), "starttls_needed", "IMAP"),
    ("POP3", says(b"+OK ready\r\n"), "starttls_needed", "POP3"),
    ("MySQL", says(b"\x4a\0\0\0\x0a8.0.35\0"), "starttls_needed", "MySQL"),
    ("PostgreSQL", postgres, "starttls_needed", "PostgreSQL"),
    ("PgBouncer", answers(b"E\0\0\0\x1fSERROR\0C08P01\0Mbad packet\0\0"), "starttls_needed", "speaks PostgreSQL"),
    ("LDAP", ldap, "starttls_needed", "LDAP"),
    ("XMPP", answers(b"<?xml version='1.0'?><stream:stream>"), "starttls_needed", "XMPP"),
    ("HTTP/2 in clear", says(bytes.fromhex("00000c0400000000000003000000640004000fffff")), "not_tls", "HTTP/2 in clear"),
    ("something", answers(b"what do you want?\r\n"), "not_tls", "what do you want?"),
    ("nothing", proxy_header_wanted, "connection_cut_off", "without a word"),
]


@pytest.mark.parametrize("talk,cause,word", [case[1:] for case in PLAIN], ids=[case[0] for case in PLAIN])
def test_what_is_no_tls(mutual, world, talk, cause, word):
    with Listener(talk) as server:
        check(explain(mutual, world, server.port, *own(world)), cause, 1, word)


def test_what_is_not_there(mutual, world):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        check(explain(mutual, world, free.getsockname()[1]), "connection_refused", 1, f":{free.getsockname()[1]}")
    check(explain(mutual, world, 443, host="nowhere.invalid"), "host_not_found", 1, "nowhere.invalid")


RESOLVER = """
import fcntl, pathlib, socket, struct, subprocess, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:  # in a network of its own, where 53 is free
    fcntl.ioctl(any, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
for name, text in [("resolv.conf", "nameserver 127.0.0.1\\n"), ("nsswitch.conf", "hosts: files dns\\n"), ("hosts", "")]:
    pathlib.Path(name).write_text(text)
    subprocess.run(["mount", "--bind", name, f"/etc/{name}"], check=True)
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
print("ready", flush=True)
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


def test_a_resolver_that_never_answers_holds_nobody_up(mutual, world, tmp_path):
    """getaddrinfo() would wait for ten seconds and more; it is asked beside us, and left alone when the time is over."""
    apart = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("unshare cannot make a network of its own here")
    apart += [sys.executable, "-c", RESOLVER]
    said = mutual("explain", "https://slow.example", "--max-time", "1", "--json", prefix=apart, cwd=tmp_path)
    ready, _, text = said.stdout.partition("\n")
    if ready != "ready":
        pytest.skip(f"a network of its own cannot be made here: {said.stderr}")
    report = json.loads(text)
    assert (report["cause"], said.code) == ("host_not_found", 1) and "resolver does not answer" in report["what"], said
    said = mutual("explain", "https://localhost:1", "--max-time", "5", "--json", prefix=apart, cwd=tmp_path)
    assert json.loads(said.stdout.partition("\n")[2])["cause"] == "connection_refused", "localhost needs no resolver"


def test_a_clock_that_is_wrong(mutual, world):
    """By ours the server's certificate is not yet valid; by the server's own, in HTTP, it is. Or all of them are of another time."""
    with tls(world, cert="server-early", says=answer("200 OK", "", f"Date: {LATE}")) as server:
        said = check(explain(mutual, world, server.port, *own(world)), "clock_wrong", 1, "by the server's its certificate is valid")
        assert said["whose"] == "client" and "server_cert_not_yet_valid" in said["causes"]
        check(explain(mutual, world, server.port, *own(world), "--at", "1970-01-02"), "clock_wrong", 1, "1970-01-02")
    with tls(world, cert="server-early") as server:
        check(explain(mutual, world, server.port, *own(world)), "server_cert_not_yet_valid", 1)
    with tls(world) as server:
        said = check(explain(mutual, world, server.port, *own(world), "--at", "1970-01-02"), "clock_wrong", 1)
        assert said["causes"] == ["clock_wrong"]
        check(explain(mutual, world, server.port, "--at", "2070-01-02"), "clock_wrong", 1)


def relay(server, limit):
    """A TLS server of whose words only so many bytes arrive."""
    def talk(taken):
        left = limit
        with socket.create_connection(("127.0.0.1", server.port)) as far:
            while left > 0:
                ready, _, _ = select.select([taken, far], [], [], 20)
                for end in ready:
                    data = end.recv(4096)
                    if not data:
                        return
                    (far if end is taken else taken).sendall(data if end is taken else data[:left])
                    left -= len(data) if end is far else 0
    return talk


def test_a_server_that_stops_anywhere_gets_a_sentence(mutual, world):
    with tls(world) as whole:
        for limit in (1, 4, 6, 90, 130, 200, 700, 1100, 1400, 1700):
            with Listener(relay(whole, limit)) as cut:
                said = explain(mutual, world, cut.port, *own(world), "--max-time", "3")
            assert said.code == 1 and said.json()["what"] and not said.stderr, (limit, said)


def record(kind, data, version=b"\3\3"):
    return bytes([kind]) + version + len(data).to_bytes(2, "big") + data


def endless(piece):
    def talk(taken):
        taken.recv(4096)
        while True:
            taken.sendall(piece)
    return talk


def slow(taken):
    """A byte at a time, for as long as anybody listens."""
    taken.recv(4096)
    for byte in record(22, bytes([2, 0, 0, 70]) + bytes(66)):
        taken.sendall(bytes([byte]))
        if not wait(taken, 0.3):
            return


def wait(taken, seconds):
    taken.settimeout(seconds)
    try:
        return taken.recv(1) != b""
    except TimeoutError:
        return True


def hold(taken):
    taken.recv(4096)
    wait(taken, 30)


def reset(taken):
    taken.recv(4096)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))


HOSTILE = [
    ("garbage in a record", answers(record(22, bytes(range(200))))),
    ("half a ServerHello", answers(record(22, bytes([2, 0, 0, 70, 3, 3]) + bytes(20)))),
    ("an alert that nobody knows", answers(record(21, bytes([2, 199])))),
    ("warnings without end", endless(record(21, bytes([1, 0])))),
    ("a message without end", endless(record(22, bytes([11, 255, 255, 255]) + bytes(16000)))),
    ("zeros", endless(bytes(4096))),
    ("one byte at a time", slow),
    ("never a word", hold),
    ("a reset", reset),
]


@pytest.mark.parametrize("talk", [case[1] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_server_gets_a_sentence(mutual, world, talk):
    with Listener(talk) as server:
        said = explain(mutual, world, server.port, *own(world), "--max-time", "1")
    assert said.code == 1 and said.json()["what"] and not said.stderr, said


@pytest.mark.parametrize("says", [b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 60000 + b"\r\n" * 2, b"HTTP/1.1 200 OK\r\nA: b\r\n" * 9000,
                                  b"HTTP/1.1 \x1b[2J OK\r\nServer: \x1b]0;x\7\r\n\r\n", b""], ids=["huge", "many", "escapes", "none"])
def test_a_hostile_answer_gets_a_sentence(mutual, world, says):
    with tls(world, says=says) as server:
        said = explain(mutual, world, server.port, *own(world), "--max-time", "2")
    assert said.code in (0, 1, 3) and said.json()["checked"] and "\x1b" not in said.stdout, said


# --- nginx, which lets everybody through TLS, and says in HTTP what it thinks of a certificate ---

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
    ssl_certificate server-other.crt; ssl_certificate_key leaf.key; ssl_verify_client on; ssl_verify_depth 3;
    {servers}
}}
"""
# How each server is: its CA, and what else.
DOORS = {"plain": ("root", ""), "revoked": ("root", "ssl_crl revoked.crl;"), "stale": ("root", "ssl_crl stale.crl;"),
         "again": ("again", ""), "pages": ("root", "error_page 495 =495 /no; error_page 496 =496 /no; location /no { return 200 no; }"),
         "h2": ("root", "http2")}


@pytest.fixture(scope="module")
def nginx(world, tmp_path_factory):
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    held, servers = {}, ""
    for name, (ca, more) in DOORS.items():
        held[name] = socket.create_server(("127.0.0.1", 0))
        port = held[name].getsockname()[1]
        listen = f"127.0.0.1:{port} ssl" + (" http2" if more == "http2" else "")
        servers += f"server {{ listen {listen}; ssl_client_certificate {ca}.crt; {'' if more == 'http2' else more} }}\n"
    place = tmp_path_factory.mktemp("nginx")
    (world.dir / "nginx.conf").write_text(NGINX.format(servers=servers))
    ports = {name: server.getsockname()[1] for name, server in held.items()}
    for server in held.values():
        server.close()
    running = subprocess.Popen([program, "-p", place, "-c", world.dir / "nginx.conf", "-e", "stderr"], stderr=subprocess.PIPE, text=True)
    for line in running.stderr:
        if "start worker" in line or "getrlimit" in line or "emerg" in line:
            break
    yield ports
    running.kill()
    running.communicate()


def test_nginx_says_it_in_http(mutual, world, nginx):
    """The server's certificate is another CA's, so that nothing but its list of names tells whom it lets in."""
    others = ["--cacert", world.path("other.crt")]
    both = ["--cacert", world.path("other.crt"), "--cacert", world.path("root.crt")]
    for door, who, more, cause, code, words in [
            ("plain", "client", others, "ok", 0, ["404"]),
            ("h2", "client", others, "ok", 0, ["404"]),
            ("plain", None, others, "client_cert_not_sent", 1, ["400"]),
            ("plain", "client-other", others, "client_untrusted_ca", 1, ["400", "Other Root"]),
            ("plain", "client-over", others, "client_cert_expired", 1, ["400"]),
            # The present key of the CA is at hand, and it did sign the client's: so it is less likely that the CA was made again.
            ("revoked", "client", both, "client_cert_revoked", 1, ["400"]),
            ("again", "client", others, "ca_rekeyed_same_name", 1, ["400"]),
            # A list that lies here tells.
            ("stale", "client", [*both, "--server-crl", world.path("stale.crl")], "crl_expired", 1, ["400"]),
            ("pages", "client", others, "ok", 0, ["404"]),
            ("pages", None, others, "client_cert_not_sent", 1, ["496"]),
            ("pages", "client-other", others, "client_untrusted_ca", 1, ["495"]),
            ("pages", "client-purpose", others, "client_cert_no_clientauth", 1, ["495"])]:
        check(explain(mutual, world, nginx[door], *(own(world, who) if who else []), *more), cause, code, *words)
