"""Servers for `mutual explain URL`: Python's TLS with the faults that servers have, and sockets that do worse."""
import contextlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/data/causes"))
import make  # noqa: E402



def day(number):
    """So many days from now: these servers are judged by the real clock."""
    return time.strftime("%Y%m%d000000Z", time.gmtime(time.time() + number * 24 * 3600))


LONG = {"start": day(-30), "end": day(300)}
OVER = {"start": "20200101000000Z", "end": "20210101000000Z"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def answer(status, body="", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


def make_world(directory):
    """Root, intermediate, another root, the root made again; servers and clients of each, NAME.pem with key and chain."""
    m = make.Maker(directory)
    for key in ("root", "inter", "other", "again", "leaf"):
        m.key(key)
    ca = {"start": "20200101000000Z", "end": "20500101000000Z"}
    m.cert("root", "/CN=Example Root", make.CA, key="root", **ca)
    m.cert("other", "/CN=Other Root", make.CA, key="other", **ca)
    m.cert("again", "/CN=Example Root", make.CA, key="again", **ca)
    m.cert("inspector", "/CN=Corp TLS Inspection CA", make.CA, key="again", **ca)
    m.cert("inter", "/CN=Example Issuing CA", make.CA, by=("root", "root"), key="inter", **ca)
    root, inter = ("root", "root"), ("inter", "inter")
    m.cert("server", "/CN=localhost", make.SERVER, by=root, **LONG)
    m.cert("renewed", "/CN=localhost", make.SERVER, by=root, start=day(-20), end=day(310))
    m.cert("server-cn", "/CN=localhost", make.changed(make.SERVER, subjectAltName=None), by=root, **LONG)
    m.cert("server-over", "/CN=localhost", make.SERVER, by=root, **OVER)
    m.cert("server-early", "/CN=localhost", make.SERVER, by=root, start=day(30), end=day(300))
    m.cert("server-else", "/CN=elsewhere.example", make.changed(make.SERVER, subjectAltName="DNS:elsewhere.example"),
           by=root, **LONG)
    m.cert("server-other", "/CN=localhost", make.SERVER, by=("other", "other"), **LONG)
    m.cert("server-inspected", "/CN=localhost", make.SERVER, by=("inspector", "again"), **LONG)
    m.cert("server-inter", "/CN=localhost", make.SERVER, by=inter, **LONG)
    m.cert("client", "/CN=alice", make.CLIENT, by=root, **LONG)
    m.cert("client-spiffe", "/O=Example", make.changed(make.CLIENT, subjectAltName="URI:spiffe://example.org/api"), by=root, **LONG)
    m.cert("client-other", "/CN=mallory", make.CLIENT, by=("other", "other"), **LONG)
    m.cert("client-again", "/CN=alice", make.CLIENT, by=("again", "again"), **LONG)
    m.cert("client-over", "/CN=alice", make.CLIENT, by=root, **OVER)
    m.cert("client-purpose", "/CN=alice", make.changed(make.CLIENT, extendedKeyUsage="serverAuth"), by=root, **LONG)
    m.cert("client-inter", "/CN=alice", make.CLIENT, by=inter, **LONG)
    m.key("odd", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1")
    m.cert("server-odd", "/CN=localhost", make.SERVER, by=root, key="odd", **LONG)
    m.cert("client-self", "/CN=alice", make.CLIENT, key="leaf", **LONG)
    m.cert("middle", "/CN=Example Middle CA", make.CA, by=root, key="again", **ca)
    m.cert("client-middle", "/CN=alice", make.CLIENT, by=("middle", "again"), **LONG)
    m.cert("low", "/CN=Example Lower CA", make.CA, by=inter, key="other", **ca)
    m.cert("client-low", "/CN=alice", make.CLIENT, by=("low", "other"), **LONG)
    m.join("client-deep.crt", "client-low.crt", "low.crt", "inter.crt")
    m.join("client-chain.crt", "client-inter.crt", "inter.crt")
    m.join("server-chain.crt", "server-inter.crt", "inter.crt")
    m.crl("revoked", "root", "root", revoke=["client"], last="20200101000000Z", due="20500101000000Z")
    m.crl("stale", "root", "root", last="20200101000000Z", due="20200201000000Z")
    m.crl("fresh", "root", "root", last="20200101000000Z", due="20500101000000Z")
    return m


class Listener:
    """A socket whose connections `talk` has, one after the other, until it is closed."""

    def __init__(self, talk, connections=64):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.talk, self.open = talk, []
        self.thread = threading.Thread(target=self.run, args=(connections,), daemon=True)
        self.thread.start()

    def run(self, connections):
        for _ in range(connections):
            try:
                taken, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(taken)
            threading.Thread(target=self.have, args=(taken,), daemon=True).start()

    def have(self, taken):
        with contextlib.suppress(OSError, ValueError):
            self.talk(taken)
        with contextlib.suppress(OSError):
            taken.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for taken in self.open:
            with contextlib.suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def listing(world, *words, lax=False):
    """OpenSSL's own server, which says whose clients it lets in, and is another CA's than they; Python's cannot. A lax one lets in
    all the same, and answers with the file that is asked for."""
    how = ["-HTTP"] if lax else ["-www", "-verify_return_error"]
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", *how, "-cert", world.path("server-other.crt"),
                               "-key", world.path("leaf.key"), "-Verify", "8", "-CAfile", world.path("root.crt"), *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=world.dir)
    try:
        yield next(int(line.rsplit(":", 1)[1]) for line in server.stdout if line.startswith("ACCEPT "))
    finally:
        server.kill()
        server.communicate()


def tls(world, cert="server", clients=ssl.CERT_REQUIRED, ca="root", says=OK, crl=None, lowest=None, highest=None,
        alpn=None, names=None, ciphers=None, silent=False, slow=0, key="leaf"):
    """A server; `slow`: it takes so many seconds to answer, or to end what it was not asked; `names`: {server name: cert} for those that it serves, and an alert for others."""
    def context_of(name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.path(f"{name}.crt"), world.path(f"{key}.key"))
        context.verify_mode = clients
        if clients != ssl.CERT_NONE:
            context.load_verify_locations(world.path(f"{ca}.crt"))
        if crl is not None:
            context.load_verify_locations(world.path(f"{crl}.crl"))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what is old about them
            context.minimum_version = lowest or ssl.TLSVersion.TLSv1_2
            context.maximum_version = highest or ssl.TLSVersion.TLSv1_3
        if ciphers is not None:
            context.set_ciphers(ciphers)
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        return context

    context = context_of(cert)
    others = {name: context_of(other) for name, other in (names or {}).items()}

    def on_name(connection, name, _):
        if name is not None and name not in others:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if name is not None:
            connection.context = others[name]
        return None

    if names is not None:
        context.sni_callback = on_name

    def talk(taken):
        taken.settimeout(20)
        with context.wrap_socket(taken, server_side=True) as connection:
            if not silent:
                connection.recv(4096)
            time.sleep(slow)
            connection.sendall(says)
            connection.unwrap()

    return Listener(talk)
