"""Other people's TLS: each kind of client and server behind the same few words.

A peer that is not installed skips the test that asked for it, by name.
"""
import os
import pathlib
import queue
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import typing

import pytest

HERE = pathlib.Path(__file__).resolve().parent
WAIT = 60  # seconds: how long anything may take before a test fails; nothing is asserted about time
VERSIONS = ["1.2", "1.3"]
PASSPHRASE = "secret"


class Files(typing.NamedTuple):
    """Whom to trust, and whom to be."""
    ca: pathlib.Path
    cert: typing.Optional[pathlib.Path] = None
    key: typing.Optional[pathlib.Path] = None


def need(program, path=None):
    """Where a program is; servers live in sbin, which is not in everybody's PATH."""
    found = shutil.which(program, path=path or os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(*argv, input=None, cwd=None, check=True, env=None):
    """A command to its end; its output is text."""
    done = subprocess.run([str(word) for word in argv], input=input, cwd=cwd, env=env, text=True, errors="replace",
                          stdin=subprocess.DEVNULL if input is None else None, timeout=WAIT, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check:
        assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def converse(argv, request):
    """Send a request and keep standard input open until the far end is done: these programs stop at its end."""
    process = subprocess.Popen([str(word) for word in argv], text=True, errors="replace", stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(WAIT, process.kill)
    timer.start()
    try:
        process.stdin.write(request)
        process.stdin.flush()
    except BrokenPipeError:
        pass
    output = process.stdout.read()
    process.wait()
    timer.cancel()
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
    return output


def free_port():
    """A port below those that the kernel gives to outgoing connections, so that none of them takes it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def blocks(path):
    """The certificates of a file, one after the other."""
    return ["-----BEGIN CERT" + rest for rest in path.read_text().split("-----BEGIN CERT")[1:]]


def chain_option(files, directory):
    """openssl takes only the first certificate of the file that it is given with -cert."""
    behind = blocks(files.cert)[1:]
    if not behind:
        return []
    out = directory / f"{files.cert.stem}-{random.getrandbits(48):x}.chain"
    out.write_text("".join(behind))
    return ["-cert_chain", out]


def pkcs12(files, directory):
    """Certificate and key as a PKCS#12 file, as Java and NSS want them."""
    out = directory / f"{files.cert.stem}-{random.getrandbits(48):x}.p12"
    run("openssl", "pkcs12", "-export", "-in", files.cert, "-inkey", files.key, "-name", files.cert.stem,
        "-passout", f"pass:{PASSPHRASE}", "-out", out)
    return out


def nss_database(files, directory):
    """A database that trusts the CA for both purposes and holds the certificate under its file's name."""
    certutil = need("certutil")
    database = directory / f"nss-{random.getrandbits(48):x}"
    database.mkdir()
    (database / "passphrase").write_text("\n")
    run(certutil, "-N", "-d", f"sql:{database}", "--empty-password")
    for i, root in enumerate(blocks(files.ca)):
        run(certutil, "-A", "-d", f"sql:{database}", "-n", f"the-ca-{i}", "-t", "CT,,", "-a", input=root)
    if files.cert is not None:
        run(need("pk12util"), "-i", pkcs12(files, directory), "-d", f"sql:{database}", "-K", "", "-W", PASSPHRASE)
    return database


# --- Helpers that have to be built: once for a run, by whichever worker comes first ---

class Workshop:
    """Built helpers. `place` is shared by all workers of a run."""

    def __init__(self, place):
        self.place = place

    def once(self, name, build):
        """The path `name`, which build(path) makes unless another worker has; what it left unmade stays unmade."""
        import fcntl
        path, done = self.place / name, self.place / f"{name}.done"
        with open(self.place / f"{name}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                build(path)
                done.touch()
        return path

    def go(self):
        go = need("go")

        def build(path):
            env = dict(os.environ, GOFLAGS="-mod=mod", GOPROXY="off", GO111MODULE="on", CGO_ENABLED="0")
            done = subprocess.run([go, "build", "-o", path, HERE / "peer.go"], env=env, cwd=self.place,
                                  capture_output=True, text=True, timeout=170, check=False)
            assert done.returncode == 0, done.stderr

        return [self.once("peer-go", build)]

    def java(self):
        java, javac = need("java"), need("javac")
        classes = self.once("peer-java", lambda path: run(javac, "-d", path, HERE / "Peer.java"))
        return [java, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", classes, "Peer"]

    def rustls(self):
        cargo = need("cargo")
        manifest = ["--locked", "--offline", "--manifest-path", HERE / "rustls/Cargo.toml"]
        # Kept from one run to the next: it takes some time to build, and does not change.
        cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        env = dict(os.environ, CARGO_TARGET_DIR=str(pathlib.Path(cache) / "mutual-interop/rustls"))
        there = run(cargo, "fetch", *manifest, check=False, env=env)
        if there.returncode != 0:
            pytest.skip("rustls is not here: cargo fetch --locked --manifest-path tests/interop/rustls/Cargo.toml")

        def build(_):
            done = subprocess.run([cargo, "build", "--quiet", *manifest], env=env, capture_output=True, text=True,
                                  timeout=170, check=False)
            assert done.returncode == 0, done.stderr

        self.once("peer-rustls", build)
        return [pathlib.Path(env["CARGO_TARGET_DIR"]) / "debug/peer"]

    @staticmethod
    def node():
        return [need("node"), HERE / "peer.js"]

    @staticmethod
    def python():
        return [sys.executable, HERE / "peer.py"]


# --- Clients ---

class Client:
    """fetch() gives one text for each attempt: the answer with its body, or what the client says went wrong."""

    def __init__(self, workshop, directory):
        self.workshop, self.directory = workshop, directory

    def fetch(self, port, version, files, count=1):
        raise NotImplementedError


class OpensslClient(Client):
    def fetch(self, port, version, files, count=1):
        own = ["-cert", files.cert, "-key", files.key, *chain_option(files, self.directory)] if files.cert else []
        argv = [need("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-quiet",
                "-CAfile", files.ca, "-verify_return_error", "-verify_hostname", "localhost",
                f"-tls{version.replace('.', '_')}", *own]
        return [converse(argv, REQUEST) for _ in range(count)]


class CurlClient(Client):
    def fetch(self, port, version, files, count=1):
        own = ["--cert", files.cert, "--key", files.key] if files.cert else []
        argv = [need("curl"), "-sS", f"--tlsv{version}", "--tls-max", version, "--cacert", files.ca, *own,
                f"https://localhost:{port}"]
        return [done.stdout + done.stderr for done in (run(*argv, check=False) for _ in range(count))]


class WgetClient(Client):
    def fetch(self, port, version, files, count=1):
        own = ["--certificate", files.cert, "--private-key", files.key] if files.cert else []
        argv = [need("wget"), "-nv", "-O", "-", "--tries=1", f"--secure-protocol=TLSv{version.replace('.', '_')}",
                "--ca-certificate", files.ca, *own, f"https://localhost:{port}"]
        return [done.stdout + done.stderr for done in (run(*argv, check=False) for _ in range(count))]


class GnutlsClient(Client):
    def fetch(self, port, version, files, count=1):
        own = ["--x509certfile", files.cert, "--x509keyfile", files.key] if files.cert else []
        argv = [need("gnutls-cli"), "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--x509cafile", files.ca,
                *own, "-p", port, "localhost"]
        return [converse(argv, REQUEST) for _ in range(count)]


class NssClient(Client):
    def fetch(self, port, version, files, count=1):
        database = nss_database(files, self.directory)
        own = ["-n", files.cert.stem] if files.cert else []
        argv = [need("tstclnt"), "-4", "-h", "localhost", "-p", port, "-d", f"sql:{database}",
                "-W", database / "passphrase", "-V", f"tls{version}:tls{version}", *own]
        request = self.directory / "request"  # a file, for tstclnt does not see the end of a pipe
        request.write_text(REQUEST, encoding="ascii")
        answers = []
        for _ in range(count):
            with open(request, encoding="ascii") as stdin:
                answers.append(subprocess.run([str(word) for word in argv], stdin=stdin, text=True, errors="replace",
                                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT,
                                              check=False).stdout)
        return answers


class HelperClient(Client):
    """A small program of ours on somebody else's library."""

    def own(self, files):
        return [files.cert, files.key] if files.cert else ["-", "-"]

    def fetch(self, port, version, files, count=1):
        helper = getattr(self.workshop, self.name)()
        lines = run(*helper, "client", port, version, files.ca, *self.own(files), count).stdout.splitlines()
        assert len(lines) == count, lines
        return lines


class JavaClient(HelperClient):
    def own(self, files):
        return [pkcs12(files, self.directory) if files.cert else "-"]


CLIENTS = {"openssl": OpensslClient, "curl": CurlClient, "wget": WgetClient, "gnutls": GnutlsClient, "nss": NssClient,
           "java": JavaClient}
for _name in ["node", "go", "python", "rustls"]:
    CLIENTS[_name] = type(f"{_name.title()}Client", (HelperClient,), {})
for _name, _class in CLIENTS.items():
    _class.name = _name


# --- Servers ---

class Server:
    """A server that demands a certificate of the CA, on a port of 127.0.0.1; `greets` is in its answer."""

    greets = "Hello"
    port_line = r"^port (\d+)$"  # None: it does not say its port, so it is given one

    def __init__(self, workshop, directory, version, files):
        self.workshop, self.directory, self.version, self.files = workshop, directory, version, files
        self.log = []
        for _ in range(10):
            self.port = free_port()
            if self.start():
                return
            self.stop()
        raise AssertionError(f"{self.name} does not start: {''.join(self.log)}")

    def argv(self):
        raise NotImplementedError

    def start(self):
        """False: its port was taken in the meantime."""
        self.process = subprocess.Popen([str(word) for word in self.argv()], cwd=self.directory, text=True,
                                        errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, args=(self.process, self.lines), daemon=True)
        self.reader.start()
        return self.wait_for_its_line() if self.port_line else self.wait_until_it_listens()

    def read(self, process, lines):
        for line in process.stdout:
            self.log.append(line)
            lines.put(line)
        lines.put(None)

    def wait_for_its_line(self):
        while (line := self.lines.get(timeout=WAIT)) is not None:
            if found := re.search(self.port_line, line):
                self.port = int(found.group(1))
                return True
        return False

    def wait_until_it_listens(self):
        """Asked of the kernel, for a connection that says nothing would upset some of them."""
        wanted = f":{self.port:04X}"
        for _ in range(WAIT * 20):
            tables = "".join(pathlib.Path(table).read_text(encoding="ascii")
                             for table in ["/proc/net/tcp", "/proc/net/tcp6"] if os.path.exists(table))
            listening = any(row.split()[1].endswith(wanted) and row.split()[3] == "0A"
                            for row in tables.splitlines() if ":" in row.split()[1])
            if listening and self.process.poll() is None:
                return True
            try:
                self.process.wait(0.05)
                return False
            except subprocess.TimeoutExpired:
                pass
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT)
        self.reader.join(WAIT)
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def url(self):
        return f"https://localhost:{self.port}/"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def file(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def bundle(self):
        """Certificate and key in one file, as haproxy wants them."""
        return self.file("bundle.pem", self.files.cert.read_text() + self.files.key.read_text())


class OpensslServer(Server):
    greets = "s_server"
    port_line = r"^ACCEPT .*:(\d+)"

    def argv(self):
        return [need("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", self.files.cert, "-key", self.files.key,
                "-CAfile", self.files.ca, "-Verify", "3", "-verify_return_error", "-www",
                f"-tls{self.version.replace('.', '_')}", *chain_option(self.files, self.directory)]


class GnutlsServer(Server):
    greets = "GnuTLS"
    port_line = None

    def argv(self):
        return [need("gnutls-serv"), "--http", "--port", self.port, "--x509certfile", self.files.cert,
                "--x509keyfile", self.files.key, "--x509cafile", self.files.ca, "--require-client-cert",
                "--verify-client-cert", "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{self.version}"]


class NssServer(Server):
    greets = "GET / HTTP"  # it echoes the request
    port_line = None

    def argv(self):
        database = nss_database(self.files, self.directory)
        return [need("selfserv"), "-d", f"sql:{database}", "-f", database / "passphrase", "-p", self.port,
                "-e" if b"EC PRIVATE" in self.files.key.read_bytes() else "-n", self.files.cert.stem, "-r", "-r", "-v",
                "-V", f"tls{self.version}:tls{self.version}"]


class NginxServer(Server):
    port_line = None

    def argv(self):
        conf = self.file("nginx.conf", f"""
            daemon off; master_process off; pid nginx.pid; error_log stderr info;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
                server {{
                    listen 127.0.0.1:{self.port} ssl http2;
                    ssl_protocols TLSv{self.version};
                    ssl_certificate {self.files.cert}; ssl_certificate_key {self.files.key};
                    ssl_client_certificate {self.files.ca}; ssl_verify_client on;
                    location / {{ return 200 "Hello $ssl_client_s_dn over $server_protocol from nginx"; }}
                }}
            }}""")
        return [need("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr"]


class HaproxyServer(Server):
    port_line = None

    def argv(self):
        conf = self.file("haproxy.cfg", f"""
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 30s
frontend door
    bind 127.0.0.1:{self.port} ssl crt {self.bundle()} ca-file {self.files.ca} verify required \
ssl-min-ver TLSv{self.version} ssl-max-ver TLSv{self.version} alpn h2,http/1.1
    http-request return status 200 content-type text/plain lf-string "Hello %[ssl_c_s_dn(CN)] from haproxy"
""")
        return [need("haproxy"), "-q", "-f", conf]


class HelperServer(Server):
    def argv(self):
        helper = getattr(self.workshop, self.name)()
        return [*helper, "server", self.version, self.files.ca, self.files.cert, self.files.key]


class JavaServer(Server):
    def argv(self):
        return [*self.workshop.java(), "server", self.version, self.files.ca, pkcs12(self.files, self.directory)]


SERVERS = {"openssl": OpensslServer, "gnutls": GnutlsServer, "nss": NssServer, "nginx": NginxServer,
           "haproxy": HaproxyServer, "java": JavaServer}
for _name in ["node", "go", "python", "rustls"]:
    SERVERS[_name] = type(f"{_name.title()}Server", (HelperServer,), {})
for _name, _class in SERVERS.items():
    _class.name = _name
