"""Servers that are a program, each a process for as long as a case takes."""
import os
import pathlib
import re
import subprocess
import threading
import time

from peers import WAIT, free_port
from stacks import QUIET_S, NotOf, lines_with, pem_only, plain

OPENSSL_FLAGS = {"request": "-verify", "require": "-Verify"}


class Process:
    """A server as a process of its own."""

    def __init__(self, argv, directory, port, port_line=None, keep=None):
        self.port, self.words, self.lines, self.keep = port, "", [], keep or (lambda text: plain(text.replace("\n", " / ")))
        self.process = subprocess.Popen([str(word) for word in argv], cwd=directory, text=True, errors="replace", stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if not self.listens(port_line):
            self.reader.join(WAIT)
            self.words, self.port = self.keep("\n".join(self.lines)), None

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def listens(self, port_line):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if port_line is not None:
                for line in list(self.lines):
                    if found := re.search(port_line, line):
                        self.port = int(found.group(1))
                        return True
            elif self.port_is_open():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.005)
        self.process.kill()
        return False

    def port_is_open(self):
        wanted = f":{self.port:04X}"
        tables = "".join(pathlib.Path(table).read_text(encoding="ascii")
                         for table in ["/proc/net/tcp", "/proc/net/tcp6"] if os.path.exists(table))
        return any(row.split()[1].endswith(wanted) and row.split()[3] == "0A"
                   for row in tables.splitlines() if ":" in row.split()[1])

    def mark(self):
        return len(self.lines)

    def since(self, mark):
        last = None
        while last != (last := self.mark()):
            time.sleep(QUIET_S)
        return self.keep("\n".join(self.lines[mark:]))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(WAIT)
        self.process.stdin.close()
        self.process.stdout.close()


class OpensslServer:
    def __init__(self, name, version):
        self.name, self.version = name, version

    def open(self, end, place):
        pem_only(end)
        trust, crl = [], []
        if end.clients in OPENSSL_FLAGS:
            trust = ["-CAfile", place.join(end.ca, *end.crls) if end.crls else end.ca,
                     OPENSSL_FLAGS[end.clients], end.depth or "8", "-verify_return_error"]
            crl = ["-crl_check" if end.crl_leaf_only else "-crl_check_all"] if end.crls else []
        elif end.clients == "any":
            trust = ["-verify", "8"]
        more = ["-cipher", end.ciphers] if end.ciphers else []
        more += ["-tls1_2"] if end.newest == "1.2" else []
        argv = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", end.cert, "-key", end.key or end.cert,
                "-pass", f"pass:{end.passphrase or ''}", *place.behind(end.cert), *trust, *crl, *more]
        return Process(argv, place.directory, None, r"^ACCEPT .*:(\d+)", self.keep)

    @staticmethod
    def keep(text):
        return lines_with(text, r"verify error", r"error:[0-9A-F]{8}", r"^(?:Could not|unable|Error|error)")

    def close(self):
        pass


class GnutlsServer(OpensslServer):
    def open(self, end, place):
        pem_only(end)
        if end.passphrase or end.ciphers or end.depth or end.crl_leaf_only:
            raise NotOf("it has no such option")
        trust = ["--x509cafile", end.ca] if end.ca else []
        asks = {"require": ["--require-client-cert", "--verify-client-cert"], "request": ["--verify-client-cert"]}.get(end.clients, [])
        asks = asks or (["--disable-client-cert"] if end.clients == "none" else [])
        crl = ["--x509crlfile", place.join(*end.crls)] if end.crls else []
        port = free_port()
        argv = ["gnutls-serv", "--http", "--port", port, "--x509certfile", end.cert, "--x509keyfile", end.key or end.cert,
                *trust, *asks, *crl,
                "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2" if end.newest == "1.2" else "NORMAL"]
        return Process(argv, place.directory, port, None, self.keep)

    @staticmethod
    def keep(text):
        return lines_with(text, r"[Ee]rror", r"not trusted|Status:", r"alert")


class NginxServer(OpensslServer):
    def open(self, end, place):
        pem_only(end)
        if end.crl_leaf_only:
            raise NotOf("it looks up all or none")
        port = free_port()
        asks = {"require": "on", "request": "optional", "any": "optional_no_ca", "none": "off"}[end.clients]
        more = f"ssl_client_certificate {end.ca}; " if end.ca else ""
        more += f"ssl_verify_depth {end.depth}; " if end.depth else ""
        more += f"ssl_crl {place.join(*end.crls)}; " if end.crls else ""
        more += f"ssl_ciphers {end.ciphers}; " if end.ciphers else ""
        more += f"ssl_password_file {place.file(end.passphrase, 'txt')}; " if end.passphrase else ""
        conf = place.file(f"""daemon off; master_process off; pid {place.directory}/nginx-{port}.pid; error_log stderr info;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
                server {{
                    listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 {'' if end.newest == '1.2' else 'TLSv1.3'};
                    ssl_certificate {end.cert}; ssl_certificate_key {end.key or end.cert}; ssl_verify_client {asks}; {more}
                    location / {{ return 200 "Hello"; }}
                }}
            }}""", "conf")
        return Process(["nginx", "-p", place.directory, "-c", conf, "-e", "stderr"], place.directory, port, None, self.keep)

    @staticmethod
    def keep(text):
        dull = r"using the|closed keepalive|\[notice\]|nginx: \[alert\]"
        text = "\n".join(line for line in text.splitlines() if re.match(r"\d{4}/|nginx: ", line) and not re.search(dull, line))
        text = re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (\[\w+\]) \d+#\d+: (?:\*\d+ )?", r"\1 ", text)
        text = re.sub(r", client: (?:127|unix).*", "", text)
        return plain(" / ".join(dict.fromkeys(text.splitlines())))


class HaproxyServer(OpensslServer):
    def open(self, end, place):
        pem_only(end)
        if end.passphrase or end.depth or end.crl_leaf_only:
            raise NotOf("it has no such setting")
        port = free_port()
        try:
            bundle = place.join(end.cert) if end.key is None else place.join(end.cert, end.key)
        except (OSError, UnicodeDecodeError) as error:
            raise NotOf("its files are joined") from error
        asks = {"require": "verify required", "request": "verify optional",
                "any": "verify optional ca-ignore-err all crt-ignore-err all"}.get(end.clients, "verify none")
        more = f" ca-file {end.ca}" if end.ca and end.clients != "none" else ""
        more += f" crl-file {place.join(*end.crls)}" if end.crls else ""
        more += f" ciphers {end.ciphers}" if end.ciphers else ""
        more += " ssl-max-ver TLSv1.2" if end.newest == "1.2" else ""
        conf = place.file(f"""
defaults
    mode http
    log stderr format raw local0
    option httplog
    timeout client 20s
    timeout server 20s
    timeout connect 20s
frontend door
    bind 127.0.0.1:{port} ssl crt {bundle} {asks}{more}
    http-request return status 200 content-type text/plain string "Hello"
""", "cfg")
        return Process(["haproxy", "-f", conf], place.directory, port, None, self.keep)

    @staticmethod
    def keep(text):
        before = r"^(?:\[(?:ALERT|WARNING|NOTICE)\] +\(\d+\) : |127\.0\.0\.1:\d+ \[[^]]*\] )"
        told = [re.sub(before, "", line) for line in text.splitlines()]
        return plain(" / ".join(dict.fromkeys(line for line in told if re.search(r"SSL|rror|unable|inconsist|failure", line))))


class MutualServer(OpensslServer):
    def __init__(self, name, version, program):
        super().__init__(name, version)
        self.program = program

    def open(self, end, place):
        if end.depth or end.ciphers or end.newest or end.crl_leaf_only or end.clients != "require":
            raise NotOf("it has no such option")
        port = free_port()
        own = ["--key", end.key] if end.key else []
        own += ["--passphrase-file", place.file(end.passphrase + "\n", "txt")] if end.passphrase else []
        own += [word for crl in end.crls for word in ("--crl", crl)]
        argv = [self.program, "serve", "--listen", f"127.0.0.1:{port}", "--cert", end.cert, *own, "--cacert", end.ca, "--workers", "1",
                "--control", "none", "--home", place.directory / "no-home"]
        return Process(argv, place.directory, port, None, self.keep)

    @staticmethod
    def keep(text):
        return lines_with(re.sub(r"^\S+Z ", "", text, flags=re.M), r"refused|cause|mutual serve:|trouble")


class ListenServer(MutualServer):
    """mutual explain --listen: what it takes for the cause."""

    def open(self, end, place):
        if end.depth or end.ciphers or end.newest or end.crl_leaf_only or end.clients != "require" or end.passphrase:
            raise NotOf("it has no such option")
        port = free_port()
        own = ["--key", end.key] if end.key else []
        own += [word for crl in end.crls for word in ("--crl", crl)]
        argv = [self.program, "explain", "--listen", f"127.0.0.1:{port}", "--cert", end.cert, *own, "--cacert", end.ca,
                "--home", place.directory / "no-home"]
        return Process(argv, place.directory, port, None, self.keep)

    @staticmethod
    def keep(text):
        found = re.search(r"^ *cause: (\w+)", text, re.M)
        return found.group(1) if found else plain(text.replace("\n", " / ")) if "mutual" in text else "ok"
