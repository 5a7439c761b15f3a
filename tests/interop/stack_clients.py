"""Clients that are a command, each called anew."""
import pathlib
import re
import shutil
import subprocess
import threading

import browsers
from peers import REQUEST, WAIT, Files, nss_database
from stacks import NotOf, Said, answered, execute, http, is_address, is_container, lines_with, pem_only, plain


class CommandClient:
    """A command for each call."""

    hosts = None  # the only ones that it can be sent to here; None: any

    def __init__(self, name, version):
        self.name, self.version = name, version

    def call(self, port, end, place):
        if self.hosts is not None and end.host not in self.hosts:
            raise NotOf("it cannot be told to go here for that name")
        code, text = execute(self.argv(port, end, place), place.directory, self.input(end))
        return self.read(code, text)

    def input(self, end):
        return None

    def close(self):
        pass


class OpensslClient(CommandClient):
    def argv(self, port, end, place):
        trust = ["-CAfile", place.join(end.ca, *end.crls) if end.crls else end.ca, "-verify_return_error"] if end.ca else []
        name = ["-verify_hostname", end.host, "-servername", end.host]
        if is_address(end.host):
            name = ["-verify_ip", end.host, "-noservername"]
        crl = ["-crl_check" if end.crl_leaf_only else "-crl_check_all"] if end.crls else []
        own = ["-cert", end.cert, "-key", end.key or end.cert, *place.behind(end.cert)] if end.cert else []
        if end.cert:
            own += ["-pass", f"pass:{end.passphrase or ''}"]
        name = name if end.ca else ["-servername", end.host]
        return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", *trust, *name, *crl,
                *own, *(["-tls1_2"] if end.newest == "1.2" else []), *(["-cipher", end.ciphers] if end.ciphers else [])]

    def input(self, end):
        return REQUEST

    def read(self, code, text):
        if found := http(text):
            return answered(*found)
        return Said(False, "", lines_with(text, r"verify error", r"error:[0-9A-F]{8}", r"errno=[1-9]",
                                          r"^(?:Could not|unable to|Unable|Error |error )"))


class CurlClient(CommandClient):
    def argv(self, port, end, place):
        own = []
        if end.cert:
            own = ["--cert", end.cert + (f":{end.passphrase}" if end.passphrase else "")]
            own += ["--cert-type", "P12"] if is_container(end.cert) else ["--key", end.key or end.cert]
        if end.crl_leaf_only:
            raise NotOf("it looks up all or none")
        host = f"[{end.host}]" if ":" in end.host else end.host
        crl = ["--crlfile", place.join(*end.crls)] if end.crls else []
        return ["curl", "-sS", "--max-time", "20", "--noproxy", "*", "--connect-to", f"::127.0.0.1:{port}", "-w", "\nHTTP %{http_code}",
                "--cacert", end.ca, *crl, *own, *(["--tls-max", "1.2"] if end.newest == "1.2" else []), f"https://{host}:{port}/"]

    def read(self, code, text):
        body, _, status = text.rpartition("\nHTTP ")
        if code == 0:
            return answered(status.strip()[:3], body)
        return Said(False, "", lines_with(text, r"^curl: "))


class WgetClient(CommandClient):
    hosts = ("localhost", "127.0.0.1")

    def argv(self, port, end, place):
        pem_only(end)
        if end.passphrase or end.crl_leaf_only:
            raise NotOf("it has no such option")
        own = ["--certificate", end.cert, "--private-key", end.key or end.cert] if end.cert else []
        crl = ["--crl-file", place.join(*end.crls)] if end.crls else []
        return ["wget", "--progress=dot", "-O", "-", "--tries=1", "--no-proxy", "--inet4-only", "--timeout=20",
                "--ca-certificate", end.ca, *crl, *own,
                *(["--secure-protocol=TLSv1_2"] if end.newest == "1.2" else []), f"https://{end.host}:{port}/"]

    def read(self, code, text):
        if code == 0:
            return Said(True, "200", "")
        status = re.search(r"ERROR (\d{3}):", text)
        return Said(False, status.group(1) if status else "", lines_with(text, r"rror|ERROR|nable|annot|ailed|requested host"))


class GnutlsClient(CommandClient):
    def argv(self, port, end, place):
        if end.passphrase:
            raise NotOf("it asks for it")
        pem_only(end)
        own = ["--x509certfile", end.cert, "--x509keyfile", end.key or end.cert] if end.cert else []
        crl = ["--x509crlfile", place.join(*end.crls)] if end.crls else []
        sni = ["--disable-sni"] if is_address(end.host) else ["--sni-hostname", end.host]
        return ["gnutls-cli", "--x509cafile", end.ca, *crl, *own, *sni, "--verify-hostname", end.host,
                *(["--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2"] if end.newest == "1.2" else []), "-p", port, "127.0.0.1"]

    def call(self, port, end, place):
        process = subprocess.Popen([str(word) for word in self.argv(port, end, place)], text=True, errors="replace", cwd=place.directory,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        timer = threading.Timer(10, process.kill)
        timer.start()
        try:
            process.stdin.write(REQUEST)
            process.stdin.flush()
            text = process.stdout.read()  # its input stays open: it leaves at the end of it
        except BrokenPipeError:
            text = process.stdout.read()
        process.wait()
        timer.cancel()
        if found := http(text):
            return answered(*found)
        return Said(False, "", lines_with(text, r"Status: The", r"^\*\*\*", r"[Ee]rror", r"Received alert", r"^\|<1>"))


class NssClient(CommandClient):
    def __init__(self, name, version):
        super().__init__(name, version)
        self.databases = {}

    def database(self, end, place):
        pem_only(end)
        if end.crls or end.passphrase:
            raise NotOf("it keeps lists and keys in its database")
        which = (place.directory, end.ca, end.cert, end.key)
        if which not in self.databases:
            try:
                own = (pathlib.Path(end.cert), pathlib.Path(end.key or end.cert)) if end.cert else (None, None)
                self.databases[which] = nss_database(Files(pathlib.Path(end.ca), *own), place.directory)
            except (AssertionError, UnicodeDecodeError, OSError):
                self.databases[which] = None
        if self.databases[which] is None:
            raise NotOf("it keeps keys and CAs in its database, which takes no such file")
        return self.databases[which]

    def argv(self, port, end, place):
        database = self.database(end, place)
        own = ["-n", pathlib.Path(end.cert).stem] if end.cert else []
        name = [] if is_address(end.host) else ["-a", end.host]
        return ["tstclnt", "-4", "-h", "127.0.0.1", *name, "-p", port, "-d", f"sql:{database}", "-W", database / "passphrase",
                "-V", f"tls1.2:tls{end.newest or '1.3'}", *own]

    def call(self, port, end, place):
        argv, request = self.argv(port, end, place), place.file(REQUEST)
        with open(request, encoding="ascii") as stdin:  # a file, for tstclnt does not see the end of a pipe
            text = subprocess.run([str(word) for word in argv], stdin=stdin, text=True, errors="replace", check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT, start_new_session=True).stdout
        if found := http(text):
            return answered(*found)
        return Said(False, "", lines_with(text, r"ERROR|rror"))


class BrowserClient(NssClient):
    """A browser for each pair of files, which stays until its place is left: it meets all servers of a case."""

    def __init__(self, kind, name, version):
        super().__init__(name, version)
        self.kind = kind

    def browser(self, end, place):
        which = (self.name, end.ca, end.cert, end.key, end.newest)
        if which not in place.running:
            home = pathlib.Path(browsers.new_home(place.directory))
            shutil.copytree(self.database(end, place), home / self.kind.database)
            place.running[which] = self.kind(home, end.newest)
        return place.running[which]

    def call(self, port, end, place):
        host = f"[{end.host}]" if ":" in end.host else end.host
        try:
            page = self.browser(end, place).open(f"https://{host}:{port}/")
        except browsers.Silent:
            place.leave()
            return Said(False, "", "")
        return answered(str(page.status), page.text) if page.status else Said(False, "", page.error)


class MutualClient(CommandClient):
    hosts = ("localhost",)

    def __init__(self, name, version, program):
        super().__init__(name, version)
        self.program = program

    def argv(self, port, end, place):
        if end.crls or end.newest:
            raise NotOf("it has no such option")
        own = ["--cert", end.cert] if end.cert else []
        own += ["--key", end.key] if end.key else []
        own += ["--passphrase-file", place.file(end.passphrase + "\n", "txt")] if end.passphrase else []
        return [self.program, "get", f"https://{end.host}:{port}/", "--cacert", end.ca, *own, "-i", "--home", place.directory / "no-home"]

    def read(self, code, text):
        if code == 0:
            return Said(True, "200", "")
        status = re.search(r"^HTTP/\S+ (\d{3})", text, re.M)
        return Said(False, status.group(1) if status else "", lines_with(text, r"^mutual", r"cause: "))


class ExplainClient(MutualClient):
    """Not a client to talk with: what it takes for the cause is what counts."""

    hosts = None

    def argv(self, port, end, place):
        own = ["--cert", end.cert] if end.cert else []
        own += ["--key", end.key] if end.key else []
        own += ["--passphrase-file", place.file(end.passphrase + "\n", "txt")] if end.passphrase else []
        own += [word for crl in end.crls for word in ("--crl", crl)] + (["--tls-max", "1.2"] if end.newest else [])
        host = f"[{end.host}]" if ":" in end.host else end.host
        return [self.program, "explain", f"https://{host}:{port}/", "--connect", f"127.0.0.1:{port}", "--cacert", end.ca, *own,
                "--home", place.directory / "no-home"]

    def read(self, code, text):
        found = re.search(r"^cause: (\w+)", text, re.M)
        return Said(code == 0, "", found.group(1) if found else "ok" if code == 0 else plain(text))
