"""Other people's clients and servers as they are by default, for observe.py: what each accepts, and the words in which it refuses.

An End is the files and settings of one side. A client calls a port of this machine under any host name and gives a Said; a
server gives its port, or the words with which it did not start, and what it logged of a meeting. Here are those that live in our
helpers; stack_clients.py and stack_servers.py have those that are programs.
"""
import dataclasses
import itertools
import pathlib
import queue
import re
import subprocess
import threading
import time
import typing

from peers import WAIT, blocks

QUIET_S = 0.04  # a log is taken to be complete when it has been silent for so long


@dataclasses.dataclass
class End:
    """One side of a meeting."""
    ca: typing.Optional[str] = None
    cert: typing.Optional[str] = None
    key: typing.Optional[str] = None
    passphrase: typing.Optional[str] = None
    crls: tuple = ()
    crl_leaf_only: bool = False
    host: str = "localhost"   # that a client asks for
    clients: str = "require"  # what a server asks of them: require, request, none; any: whoever comes is let in
    depth: typing.Optional[str] = None
    ciphers: typing.Optional[str] = None
    newest: typing.Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Said:
    fine: bool
    status: str  # of HTTP, or ""
    words: str


class NotOf(Exception):
    """This stack has no such thing: a CRL in Go, a PKCS#12 file in nginx."""


# --- Words ---

PATTERNS = [(re.compile(pattern), by) for pattern, by in [
    (r"\x1b\[[0-9;]*m", ""),
    (r"\b[0-9A-F]{12,16}:error:", "error:"),                                              # openssl's threads
    (r":\.\./[\w/.-]+\.c:\d+:", ":"),                                                     # and its source
    (r"(?:file:)?(?<![:/\w.])/[^ '\"`:,;()]*/(?=[\w.-]+)", ""),                           # directories
    (r"\s*\(_ssl\.c:\d+\)", ""),
    (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00| UTC)?", "DATE"),
    (r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d (?:[A-Z]{3,4} )?\d{4}", "DATE"),
    (r"\w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT", "DATE"),
    (r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d(?:\.\d+)?", "DATE"),
    (r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?: UTC)?)?", "DATE"),
    (r"verified for [0-9]+|time: \d+|UnixTime\(\d+\)", "TIME"),
    (r"(?<![:\w])\d{8,10}\b", "TIME"),
    (r"\(\d+ seconds? (?:ago|from now)\)", "(TIME)"),
    (r"\d+ (?:months|days|hours|minutes|years)", "N days"),
    (r"((?:127\.0\.0\.1|localhost|\[::1?\]|[\w.-]*example\.\w+|https://[\w.-]+)):\d{4,5}\b", r"\1:PORT"),
    (r"\bport \d{4,5}\b", "port PORT"),
    (r"\|:\d{4,5}\b", "|:PORT"),
    (r"port=\d{4,5}", "port=PORT"),
    (r"0x[0-9a-f]{6,}", "ADDRESS"),
    (r"after \d+ ms", "after N ms"),
    (r"\b\d+#\d+: \*\d+ ", ""),
    (r"\b(?:[0-9a-fA-F]{2}:){15,}[0-9a-fA-F]{2}\b", "HEX"),
    (r"\b[0-9a-fA-F]{32,}\b", "HEX"),
    (r"pid[= ]\d+", "pid"),
    (r"\s+", " "),
]]
LONGEST = 400


def plain(text):
    """What would read otherwise on another day or in another place is taken out."""
    for pattern, by in PATTERNS:
        text = pattern.sub(by, text)
    return text.strip()[:LONGEST].strip()


def lines_with(text, *patterns):
    """The lines that say something, each once, on one line."""
    told = [line.strip() for line in text.splitlines() if any(re.search(pattern, line) for pattern in patterns)]
    return plain(" / ".join(dict.fromkeys(told)))


def http(text):
    """The status and body of an answer that stands in a text, or None."""
    found = re.search(r"HTTP/[\d.]+ (\d{3})[^\n]*\n(?:[^\n]+\n)*\r?\n(.*)", text, re.S)
    return found and (found.group(1), found.group(2))


def answered(status, body):
    if status.startswith("2"):
        return Said(True, status, "")
    body = re.sub(r"</html>.*|\n---\n.*", "", body, flags=re.S)
    body = re.sub(r"<head>.*?</head>|<[^>]*>", " ", body, flags=re.S)
    return Said(False, status, plain(re.sub(r"( / )+", " ", body)))


def execute(argv, directory, input=None, env=None):
    done = subprocess.run([str(word) for word in argv], cwd=directory, input=input, text=True, errors="replace", check=False,
                          stdin=subprocess.DEVNULL if input is None else None, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=WAIT, start_new_session=True, env=env)
    return done.returncode, done.stdout


class Place:
    """A directory for files that are made on the way, and what runs there until it is left."""

    def __init__(self, directory):
        self.directory, self.numbers, self.running = pathlib.Path(directory), itertools.count(), {}

    def leave(self):
        for running in self.running.values():
            running.close()
        self.running = {}

    def file(self, text, suffix="pem"):
        path = self.directory / f"made-{next(self.numbers)}.{suffix}"
        path.write_text(text, encoding="utf-8")
        return path

    def join(self, *paths):
        return self.file("".join(pathlib.Path(path).read_text() for path in paths))

    def behind(self, cert):
        """The chain behind a leaf, which openssl's programs want by itself."""
        try:
            certs = blocks(pathlib.Path(cert))
        except (UnicodeDecodeError, OSError):
            return []
        return ["-cert_chain", self.file("".join(certs[1:]))] if len(certs) > 1 else []

    def pkcs12(self, end):
        """As Java wants it."""
        if is_container(end.cert):
            return end.cert
        if end.key is None:
            raise NotOf("Java takes no PEM")
        out = self.directory / f"made-{next(self.numbers)}.p12"
        code, _ = execute(["openssl", "pkcs12", "-export", "-in", end.cert, "-inkey", end.key, "-name", "own",
                           "-passin", f"pass:{end.passphrase or ''}", "-passout", "pass:secret", "-out", out], self.directory)
        if code != 0:
            raise NotOf("Java takes no PEM, and openssl makes no PKCS#12 file of these")
        return str(out)


def is_container(path):
    return path is not None and path.endswith((".p12", ".jks"))


def pem_only(end):
    if is_container(end.cert):
        raise NotOf("it takes PEM only")


def is_address(host):
    return ":" in host or host.replace(".", "").isdigit()


# --- Helpers that live as long as the run: peer.go, peer.js, peer.py, Peer.java, rustls ---

class Helper:
    """Jobs go in by one line each, answers and log lines come out in any order."""

    def __init__(self, argv, env=None):
        self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, start_new_session=True, env=env)
        self.numbers, self.answers, self.logs = itertools.count(), {}, {}
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            parts = line.decode(errors="replace").rstrip("\n").replace("\r", "").split("\t", 2)
            if len(parts) == 3 and parts[0] == "log":
                self.logs.setdefault(parts[1], []).append(parts[2])
            elif len(parts) == 3:
                self.answers.pop(parts[1]).put((parts[0], parts[2]))

    def tell(self, number, **job):
        fields = "\t".join(f"{name}={value}" for name, value in job.items() if value not in (None, ""))
        self.process.stdin.write(f"id={number}\t{fields}\n".encode())
        self.process.stdin.flush()

    def ask(self, **job):
        number = str(next(self.numbers))
        answer = self.answers[number] = queue.Queue()
        self.tell(number, **job)
        return number, *answer.get(timeout=WAIT)

    def job(self, end, java, place):
        if end.crl_leaf_only:
            raise NotOf("it looks up all or none")
        job = {"ca": end.ca, "max": end.newest, "crl": ",".join(end.crls), "host": end.host, "clients": end.clients}
        if end.cert is not None:
            if java:
                job["pfx"] = place.pkcs12(end)
                job["pass"] = end.passphrase if is_container(end.cert) else "secret"
            elif is_container(end.cert):
                job["pfx"], job["pass"] = end.cert, end.passphrase
            else:
                job["cert"], job["key"], job["pass"] = end.cert, end.key or end.cert, end.passphrase
        if end.ciphers:
            job["ciphers"] = end.ciphers
        return job

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


class HelperStack:
    """A library behind one of our small programs."""

    def __init__(self, name, argv, crl=True, containers=False, passphrases=True, ciphers=True):
        self.name, self.helper, self.crl, self.containers = name, Helper(argv), crl, containers
        self.passphrases, self.ciphers = passphrases, ciphers
        self.java = name.startswith("java")
        self.version = self.helper.ask(op="version")[2]

    def fits(self, end):
        if is_container(end.cert) and not self.containers:
            raise NotOf("it takes PEM only")
        if end.passphrase and not self.passphrases:
            raise NotOf("it opens no encrypted key")
        if (end.crls and not self.crl) or (end.ciphers and not self.ciphers) or end.depth:
            raise NotOf("it has no such setting")

    def call(self, port, end, place):
        self.fits(end)
        _, kind, text = self.helper.ask(op="client", port=port, **self.helper.job(end, self.java, place))
        if kind == "answer":
            return answered(text[:3], text[4:])
        return Said(False, "", "" if text.endswith("no answer") else plain(text))  # that is our own word for silence

    def open(self, end, place):
        self.fits(end)
        return HelperServer(self.helper, self.helper.job(end, self.java, place))

    def close(self):
        self.helper.close()


class HelperServer:
    def __init__(self, helper, job):
        self.helper, self.port, self.words = helper, None, ""
        self.number, kind, text = helper.ask(op="server", **job)
        if kind == "port":
            self.port = int(text)
        else:
            self.words = plain(text)

    def mark(self):
        return len(self.helper.logs.get(self.number, ()))

    def since(self, mark):
        last = None
        while last != (last := self.mark()):
            time.sleep(QUIET_S)
        return plain(" / ".join(dict.fromkeys(self.helper.logs.get(self.number, [])[mark:])))

    def close(self):
        if self.port is not None:
            self.helper.tell(self.number, op="stop")
