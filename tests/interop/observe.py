#!/usr/bin/env python3
"""Let other people's clients and servers meet with every case of tests/data/causes/make.py, and write down what they say.

    tests/interop/observe.py MUTUAL [--only CASE] [--tools NAME,NAME] [--beside RECORD] > tests/data/causes/observed.txt

Each client judges the server's side of each case at a server that lets in anybody, and each server the client's side of it,
at a client that looks away: who refuses what. Then, for one case of each cause, all clients meet all servers: what is printed
at both ends. record.py reads what is written here.
"""
import argparse
import concurrent.futures
import dataclasses
import datetime
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "data/causes")]

import browsers  # noqa: E402
import make  # noqa: E402
import odd_servers  # noqa: E402
import record  # noqa: E402
import stack_clients  # noqa: E402
import stack_servers  # noqa: E402
import stacks  # noqa: E402
from peers import Workshop  # noqa: E402
from stacks import End, NotOf, Place  # noqa: E402

OLD = "openssl"  # the server that meets everybody in TLS 1.2, too
ASIDE = ("python-strict", "java25")  # which, as servers, are asked for their judgement alone
LAX = "DEFAULT:@SECLEVEL=0"  # suites and keys of those who look away
ALSO_FULL = ("completed_by_openssl",)  # what a client sends is seen only if it is asked for it
PLACES = ("cakey",)  # what no other program is asked
TWOFOLD = ("name_before_date", "purpose_of_ca_before_name")  # two faults, of which some programs tell one and some the other
PYTHONS = {"python": ("3.11", "3.12", "3.10"), "python-strict": ("3.13", "3.14")}  # 3.13 verifies as RFC 5280 has it


def version_of(*argv, pattern=r"\d+[\w.]*"):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, "PATH": f"{SBIN}:{os.environ.get('PATH', '')}"})
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(0) if found else "?"


def nss_version():
    return version_of("dpkg-query", "-W", "-f", "${Version}", "libnss3-tools", pattern=r"(?<=:)[\d.]+")


def pythons():
    """The interpreters of this machine by version."""
    found = {}
    places = [pathlib.Path("/usr/bin"), *sorted(pathlib.Path.home().glob(".pyenv/versions/*/bin"))]
    for place in places:
        for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
            program = place / f"python{version}"
            if program.exists():
                found.setdefault(version, program)
    return found


def javas():
    for java in sorted(pathlib.Path("/usr/lib/jvm").glob("*/bin/java")):
        if not java.parent.parent.is_symlink() and (java.parent / "javac").exists():
            yield java


def libraries(workshop):
    """(name, how its helper is started) of those that our small programs are written with."""
    yield "go", lambda: stacks.HelperStack("go", [*workshop.go(), "jobs"], crl=False, passphrases=False, ciphers=False)
    yield "node", lambda: stacks.HelperStack("node", [*workshop.node(), "jobs"], containers=True)
    yield "rustls", lambda: stacks.HelperStack("rustls", [*workshop.rustls(), "jobs"], passphrases=False, ciphers=False)
    interpreters = pythons()
    for name, versions in PYTHONS.items():
        here = next((interpreters[version] for version in versions if version in interpreters), None)
        if here:
            yield name, lambda here=here, name=name: stacks.HelperStack(name, [here, HERE / "peer.py", "jobs"])
    for version, java in {version_of(java, "--version", pattern=r"\d+"): java for java in javas()}.items():
        name = f"java{version}"
        yield name, lambda java=java, name=name: stacks.HelperStack(
            name, [java, *workshop.java()[1:], "jobs"], crl=False, containers=True, ciphers=False)


CURL = r"\d\S+ .*?\S+SSL/\S+"
PROGRAMS = [  # name, command, its version, client, server
    ("openssl", "openssl", ("version", r"\d\S+"), stack_clients.OpensslClient, stack_servers.OpensslServer),
    ("curl", "curl", ("--version", CURL), stack_clients.CurlClient, None),
    ("wget", "wget", ("--version", r"\d[\d.]+"), stack_clients.WgetClient, None),
    ("gnutls", "gnutls-cli", ("--version", r"\d[\d.]+"), stack_clients.GnutlsClient, stack_servers.GnutlsServer),
    ("nss", "tstclnt", None, stack_clients.NssClient, None),
    ("chromium", "chromium", ("--version", r"\d[\d.]+"), functools.partial(stack_clients.BrowserClient, browsers.Chromium), None),
    ("firefox", "firefox-esr", ("--version", r"\d[\d.]+"), functools.partial(stack_clients.BrowserClient, browsers.Firefox), None),
    ("nginx", "nginx", ("-v", r"(?<=nginx/)\S+"), None, stack_servers.NginxServer),
    ("haproxy", "haproxy", ("-v", r"\d[\d.]+"), None, stack_servers.HaproxyServer)]
SBIN = "/usr/bin:/usr/sbin:/bin:/usr/local/bin"  # not what somebody has put before them


class Tools:
    """All that is here, or the `only` ones: by name, clients and servers."""

    def __init__(self, program, directory, only=None):
        self.helpers, self.clients, self.servers, self.versions = [], {}, {}, {}
        self.lax_client, self.lax_server = stack_clients.OpensslClient("openssl", ""), stack_servers.OpensslServer("openssl", "")
        for name, start in libraries(Workshop(directory)):
            if only is None or name in only:
                self.helpers.append(start())
                self.add(name, self.helpers[-1].version, self.helpers[-1], self.helpers[-1])
        for name, command, asked, client, server in PROGRAMS:
            if shutil.which(command, path=SBIN) and (only is None or name in only):
                version = version_of(command, asked[0], pattern=asked[1]) if asked else nss_version()
                version = re.sub(r" .*?(\S+SSL/\S+)", r" (\1)", version)
                self.add(name, version, client and client(name, version), server and server(name, version))
        if only is None or "mutual" in only:
            version = version_of(program, "--version", pattern=r"\d\S+")
            self.add("mutual", version, stack_clients.MutualClient("mutual", version, program),
                     stack_servers.MutualServer("mutual", version, program))
            self.clients["explain"] = stack_clients.ExplainClient("explain", version, program)
            self.servers["explain"] = stack_servers.ListenServer("explain", version, program)

    def add(self, name, version, client, server):
        self.versions[name] = version
        if client:
            self.clients[name] = client
        if server:
            self.servers[name] = server

    def close(self):
        for helper in self.helpers:
            helper.close()


# --- Cases ---

def is_whole(end):
    """False: its key, or what opens it, is not at hand, and no program could be started with it."""
    if end.cert is None or end.key is not None:
        return True
    if stacks.is_container(end.cert):
        return end.passphrase is not None or not end.cert.endswith(".p12")
    return b"PRIVATE KEY" in pathlib.Path(end.cert).read_bytes()


def ends_of(case):
    """(the client's End, the server's End) of a case that has both sides in full, and one fault, else None."""
    given = {}
    for option, value in zip(case.argv, case.argv[1:]):
        if option.startswith("--"):
            given.setdefault(option[2:], []).append(value)
    if case.name in TWOFOLD or "host" not in given or "server-cert" not in given or any(place in given for place in PLACES):
        return None

    def one(name):
        return given.get(name, [None])[0]

    passphrase = pathlib.Path(one("passphrase-file")).read_text(encoding="utf-8").strip() if one("passphrase-file") else None
    newest = one("tls-max")
    client = End(one("cacert"), one("cert"), one("key"), passphrase if one("cert") else None, tuple(given.get("crl", ())),
                 host=one("host"), newest=newest)
    clients = one("server-clients") or ("require" if one("server-cacert") else "none")
    server = End(one("server-cacert"), one("server-cert"), one("server-key"), None, tuple(given.get("server-crl", ())),
                 crl_leaf_only=one("server-crl-scope") == "leaf", clients=clients, depth=one("server-depth"),
                 ciphers=one("server-ciphers"))
    return (client, server) if is_whole(client) and is_whole(server) else None


def since(moment):
    """How long ago that was, in whole seconds: a moment as --at takes it."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
    return now - datetime.datetime.fromisoformat(moment.rstrip("Z"))


def corpora(directory):
    """Every case once, with its files moved so that the moment at which it is to be judged is now."""
    first = make.make(directory / "as-written")
    moments = {case.argv[case.argv.index("--at") + 1] for case in first}
    for number, moment in enumerate(sorted(moments)):
        for case in make.make(directory / f"at-{number}", since(moment)):
            if case.argv[case.argv.index("--at") + 1] == moment:
                yield case


# --- Meetings ---

def meet(client, port, end, place):
    try:
        return client.call(port, end, place)
    except NotOf:
        return None


def judged_by_clients(tools, client_end, server_end, place):
    """{client: Said} at a server that lets in anybody; those that have no such setting are left out. None: none can be asked."""
    ciphers = f"{server_end.ciphers}:@SECLEVEL=0" if server_end.ciphers else LAX
    lax = End(cert=server_end.cert, key=server_end.key, ciphers=ciphers, newest=server_end.newest, clients="none")
    try:
        server = tools.lax_server.open(lax, place)
    except NotOf:
        return None
    try:
        if server.port is None:
            return None
        said = {name: meet(tool, server.port, client_end, place) for name, tool in tools.clients.items() if name != "explain"}
        return {name: what for name, what in said.items() if what is not None}
    finally:
        server.close()


def judged_by_servers(tools, client_end, server_end, place):
    """The same of the servers, which a client calls that believes any of them."""
    lax = End(cert=client_end.cert, key=client_end.key, passphrase=client_end.passphrase, newest=client_end.newest, ciphers=LAX)
    said, loads = {}, True
    for name, tool in tools.servers.items():
        if name == "explain":
            continue
        try:
            server = tool.open(server_end, place)
        except NotOf:
            continue
        try:
            if server.port is None:
                said[name] = stacks.Said(False, "", server.words)
                continue
            mark = server.mark()
            seen = tools.lax_client.call(server.port, lax, place)
            if re.search(r"(?:^| / )(?:Could not|[Uu]nable to load|error setting|Error )", seen.words):
                loads = False  # the client has not come that far
                continue
            said[name] = stacks.Said(seen.fine, seen.status, "" if seen.fine else server.since(mark))
        finally:
            server.close()
    return said if loads else None


def meet_all(tools, server_name, client_end, server_end, place):
    """All clients at one server: {client: (Said, words of the server)}, or the server's words if it does not start."""
    server = tools.servers[server_name].open(server_end, place)
    try:
        if server.port is None:
            return server.words
        met = {}
        for name, client in tools.clients.items():
            if {"explain", "mutual"} == {name, server_name}:
                continue  # it asks itself
            mark = server.mark()
            said = meet(client, server.port, client_end, place)
            if said is not None:
                met[name] = said, "" if said.fine and server_name != "explain" else server.since(mark)
        return met
    finally:
        server.close()


def full(tools, seen, client_end, server_end, place):
    """Everybody with everybody, and at some servers again in TLS 1.2 if they are those who refuse."""
    for name in (name for name in tools.servers if name not in ASIDE):
        try:
            met = meet_all(tools, name, client_end, server_end, place)
        except NotOf:
            continue
        if isinstance(met, str):
            seen.unstarted[name] = met
        else:
            seen.meetings.update({(client, name): said for client, said in met.items()})
    refused = any(not said.fine for said in (seen.servers or {}).values())
    if refused and OLD in tools.servers and OLD not in seen.unstarted and not client_end.newest:
        met = meet_all(tools, OLD, client_end, dataclasses.replace(server_end, newest="1.2"), place)
        for client, (said, _) in met.items():
            if client not in ("explain", "mutual") and said != seen.meetings[client, OLD][0]:
                seen.meetings[client, f"{OLD}@tls1.2"] = said, ""


def observe(tools, case, place, wanted_full):
    ends = ends_of(case)
    if ends is None:
        return None
    seen = record.Seen(case.name, case.cause)
    seen.clients = judged_by_clients(tools, *ends, place)
    seen.servers = judged_by_servers(tools, *ends, place)
    if wanted_full:
        full(tools, seen, *ends, place)
    return seen


# --- What is in no file ---

def observe_live(tools, corpus, place, name, cause, server_name, start):
    """All clients at one server that has something the matter with it."""
    seen = record.Seen(name, cause)
    client_end = End(str(corpus / "root.crt"), str(corpus / "alice.crt"), str(corpus / "leaf.key"))
    server = start()
    try:
        for client_name, client in tools.clients.items():
            mark = server.mark()
            said = meet(client, server.port, client_end, place)
            if said is not None:
                seen.meetings[client_name, server_name] = said, "" if said.fine else server.since(mark)
    finally:
        server.close()
    return seen


def observe_strangers(tools, corpus, place, name, cause, client):
    """What is no client of any server here, at all of them."""
    seen = record.Seen(name, cause)
    server_end = End(str(corpus / "root.crt"), str(corpus / "localhost.crt"), str(corpus / "leaf.key"))
    for server_name, tool in tools.servers.items():
        server = tool.open(server_end, place)
        try:
            mark = server.mark()
            said = client.call(server.port, None, place)
            seen.meetings[client.name, server_name] = said, server.since(mark)
        finally:
            server.close()
    return seen


def observe_all_live(tools, corpus, place, wanted):
    for name, cause, server_name, start in odd_servers.servers(corpus, place):
        if wanted(name):
            yield observe_live(tools, corpus, place, name, cause, server_name, start)
    for name, cause, client in [("live_plain_client", "not_tls", odd_servers.PlainClient()),
                                ("live_old_client", "tls_version_mismatch", odd_servers.OldClient(tools.lax_client))]:
        if wanted(name):
            yield observe_strangers(tools, corpus, place, name, cause, client)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("program", metavar="MUTUAL")
    options.add_argument("--only", metavar="CASE", action="append")
    options.add_argument("--tools", type=lambda text: text.split(","))
    options.add_argument("--beside", metavar="RECORD", type=pathlib.Path, help="write only what is not in that one")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="observe-") as scratch:
        scratch = pathlib.Path(scratch)
        tools = Tools(str(pathlib.Path(given.program).resolve()), scratch, given.tools)
        cases = [case for case in corpora(scratch) if not given.only or case.name in given.only]
        first, lock = {}, threading.Lock()
        for case in cases:
            if case.cause != "ok" and ends_of(case):
                first.setdefault(case.cause, case.name)

        def one(case):
            place = Place(scratch / f"place-{case.name}")
            place.directory.mkdir()
            began = time.monotonic()
            try:
                return observe(tools, case, place, case.name in (first.get(case.cause), *ALSO_FULL))
            finally:
                place.leave()
                shutil.rmtree(place.directory, ignore_errors=True)
                with lock:
                    print(f"{case.name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            seen = [one for one in pool.map(one, cases) if one is not None]
        (scratch / "live").mkdir()
        make.make(scratch / "now", since(make.AT))
        live = Place(scratch / "live")
        seen += observe_all_live(tools, scratch / "now", live, lambda name: not given.only or name in given.only)
        live.leave()
        tools.close()
    text = record.written(tools.versions, seen)
    sys.stdout.write(record.beside(text, record.read(given.beside)) if given.beside else text)


if __name__ == "__main__":
    main()
