#!/usr/bin/env python3
"""Make the cases of tests/integration/test_causes.py: what goes wrong in mutual TLS, and what only looks as if.

    make.py DIR

The certificates come from the openssl command line, by fixed dates, and with few keys, so that it takes seconds. Each case is
a command line for `mutual explain`, the cause that it has to name first, and the exit status.
"""
import collections
import datetime
import json
import pathlib
import subprocess
import sys

AT = "2026-06-01T00:00:00Z"
START, END = "20260101000000Z", "20270101000000Z"  # of leaves
CA_START, CA_END = "20250101000000Z", "20350101000000Z"

CONFIG = """
[ca]
default_ca = it
[it]
database = {dir}/index.txt
new_certs_dir = {dir}/new
serial = {dir}/serial
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
crlnumber = {dir}/crlnumber
[any]
commonName = optional
organizationName = optional
[empty]
[req]
distinguished_name = empty
"""

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
LEAF = "basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
SERVER = f"{LEAF}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1"
CLIENT = f"{LEAF}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=DNS:alice"

Case = collections.namedtuple("Case", "name cause exit argv")


def changed(extensions, **values):
    """The same with some of them replaced, or (None) left out."""
    lines = [line for line in extensions.split("\n") if line.split("=")[0] not in values]
    return "\n".join(lines + [f"{name}={value}" for name, value in values.items() if value is not None])


class Maker:
    def __init__(self, directory, later=datetime.timedelta()):
        """All dates are `later` than they are written: programs that know no --at see by their own clock what is to be seen."""
        self.dir, self.later = pathlib.Path(directory).resolve(), later
        self.cases = []
        (self.dir / "new").mkdir(parents=True, exist_ok=True)
        self.write("index.txt", "")
        self.write("serial", "1000\n")
        self.write("crlnumber", "01\n")
        self.write("openssl.cnf", CONFIG.format(dir=self.dir))
        self.keys = set()
        # From 3.2 on, openssl no longer makes certificates of version 1.
        version = self.openssl("version").decode().split()[1]
        self.makes_v1 = tuple(map(int, version.split(".")[:2])) < (3, 2)

    def date(self, written):
        return (datetime.datetime.strptime(written, "%Y%m%d%H%M%SZ") + self.later).strftime("%Y%m%d%H%M%SZ")

    def path(self, name):
        return str(self.dir / name)

    def write(self, name, data):
        if isinstance(data, str):
            data = data.encode()
        (self.dir / name).write_bytes(data)
        return self.path(name)

    def read(self, name):
        return (self.dir / name).read_bytes()

    def join(self, name, *parts):
        return self.write(name, b"".join(self.read(part) for part in parts))

    def openssl(self, *words, **more):
        return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=True, cwd=self.dir, **more).stdout

    def key(self, name, *how):
        """A key, and a request with it, of which only the key counts."""
        if name not in self.keys:
            how = how or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
            self.openssl("genpkey", *how, "-out", f"{name}.key")
            self.openssl("req", "-new", "-key", f"{name}.key", "-subj", "/CN=x", "-out", f"{name}.csr", "-config", "openssl.cnf")
            self.keys.add(name)
        return self.path(f"{name}.key")

    def cert(self, name, subject, extensions, by=None, key="leaf", start=START, end=END, serial=None, md="sha256"):
        """NAME.crt; `by` is the name of the CA and that of its key, None: itself."""
        ca, ca_key = by if by else (None, key)
        self.write("index.txt", "")  # it would not give one number twice
        before = self.read("serial")
        if serial is not None:
            self.write("serial", serial + "\n")
        self.write("ext.cnf", (extensions or "") + "\n")
        words = ["ca", "-config", "openssl.cnf", "-batch", "-notext", "-in", f"{key}.csr", "-subj", subject, "-md", md,
                 "-startdate", self.date(start), "-enddate", self.date(end), "-out", f"{name}.crt", "-keyfile", f"{ca_key}.key"]
        words += ["-cert", f"{ca}.crt"] if ca else ["-selfsign"]
        if extensions is not None:
            words += ["-extfile", "ext.cnf"]
        self.openssl(*words)
        if serial is not None:
            self.write("serial", before)
        return self.path(f"{name}.crt")

    def crl(self, name, ca, key, revoke=(), last="20260501000000Z", due="20261201000000Z"):
        self.write("index.txt", "")
        for cert in revoke:
            self.openssl("ca", "-config", "openssl.cnf", "-batch", "-cert", f"{ca}.crt", "-keyfile", f"{key}.key", "-revoke", f"{cert}.crt")
        self.openssl("ca", "-config", "openssl.cnf", "-gencrl", "-cert", f"{ca}.crt", "-keyfile", f"{key}.key",
                     "-crl_lastupdate", self.date(last), "-crl_nextupdate", self.date(due), "-out", f"{name}.crl")
        self.write("index.txt", "")
        return self.path(f"{name}.crl")

    def case(self, name, cause, *argv, exit=None, at=AT):
        if exit is None:
            exit = 0 if cause == "ok" else 1
        argv = [word if word.startswith("--") or not (self.dir / word).exists() else self.path(word) for word in map(str, argv)]
        self.cases.append(Case(name, cause, exit, [*argv, "--at", at]))

    def sides(self, name, cause, *more, exit=None, at=AT, host="localhost", **files):
        """Both sides, all well but for what is said: cert, key, cacert, server_cert ...; None leaves one out."""
        given = {"cert": "alice.crt", "key": "leaf.key", "cacert": "root.crt", "server_cert": "localhost.crt", "server_key": "leaf.key",
                 "server_cacert": "root.crt", "host": host, **files}
        argv = []
        for option, value in given.items():
            if value is not None:
                argv += ["--" + option.replace("_", "-"), value]
        self.case(name, cause, *argv, *more, exit=exit, at=at)


def names(m):
    for name, cause, san, host in [
            ("name", "server_name_mismatch", "DNS:localhost", "api.example.com"), ("name_ok", "ok", "DNS:localhost", "localhost"),
            ("name_case", "ok", "DNS:LocalHost", "localhost"), ("name_dot", "ok", "DNS:localhost", "localhost."),
            ("ip", "server_ip_not_in_san", "DNS:localhost", "127.0.0.1"), ("ip_ok", "ok", "DNS:localhost,IP:127.0.0.1", "127.0.0.1"),
            ("ip6", "server_ip_not_in_san", "DNS:localhost,IP:127.0.0.1", "::1"), ("ip6_ok", "ok", "IP:::1", "::1"),
            ("ip_as_dns", "server_ip_written_as_dns", "DNS:localhost,DNS:127.0.0.1", "127.0.0.1"),
            ("ip_both_ways", "ok", "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1", "127.0.0.1"),
            ("wildcard", "server_wildcard_mismatch", "DNS:*.example.com", "a.b.example.com"),
            ("wildcard_bare", "server_wildcard_mismatch", "DNS:*.example.com", "example.com"),
            ("wildcard_ok", "ok", "DNS:*.example.com", "a.example.com"),
            ("wildcard_other", "server_name_mismatch", "DNS:*.example.com", "a.example.org")]:
        m.cert(f"n_{name}", "/CN=localhost", changed(SERVER, subjectAltName=san), by=("root", "root"))
        m.sides(name, cause, host=host, server_cert=f"n_{name}.crt")
    m.cert("n_cn", "/CN=localhost", changed(SERVER, subjectAltName=None), by=("root", "root"))
    m.sides("cn_only", "server_no_san", server_cert="n_cn.crt", exit=3)
    m.sides("cn_only_other_host", "server_name_mismatch", server_cert="n_cn.crt", host="other")
    m.case("cn_only_file", "server_no_san", "n_cn.crt", "root.crt", exit=3)


def time(m):
    leaf = {"start": "20250601000000Z", "end": "20260520000000Z"}
    m.cert("t_server", "/CN=localhost", SERVER, by=("root", "root"), **leaf)
    m.cert("t_client", "/CN=alice", CLIENT, by=("root", "root"), **leaf)
    m.sides("server_expired", "server_cert_expired", server_cert="t_server.crt")
    m.sides("client_expired", "client_cert_expired", cert="t_client.crt")
    m.sides("server_not_expired", "ok", server_cert="t_server.crt", cert="t_client.crt", at="2025-09-01")
    m.case("expired_file", "client_cert_expired", "t_client.crt", "leaf.key", "root.crt")
    m.sides("stale", "server_serves_stale_cert", "--other", "localhost.crt", server_cert="t_server.crt")
    m.cert("t_inter", "/CN=Issuing CA", CA, by=("root", "root"), key="inter", start=CA_START, end="20260520000000Z")
    m.cert("t_below", "/CN=localhost", SERVER, by=("t_inter", "inter"))
    m.join("t_below_chain.crt", "t_below.crt", "t_inter.crt")
    m.sides("intermediate_expired", "intermediate_expired", server_cert="t_below_chain.crt")
    m.cert("t_root", "/CN=Example Root", CA, key="root", start=CA_START, end="20260520000000Z")
    m.cert("t_end_leaf", "/CN=localhost", SERVER, by=("t_root", "root"), end="20260521000000Z")
    m.sides("root_and_leaf_expired", "ca_cert_expired", cacert="t_root.crt", server_cacert="t_root.crt", server_cert="t_end_leaf.crt")
    m.sides("root_expired", "ca_cert_expired", cacert="t_root.crt", server_cacert="t_root.crt")
    m.join("t_old_and_new.crt", "t_root.crt", "root.crt")
    m.sides("old_root_beside_new", "ok", cacert="t_old_and_new.crt", server_cacert="t_old_and_new.crt")
    late = {"start": "20260701000000Z", "end": "20270601000000Z"}
    m.cert("t_late", "/CN=localhost", SERVER, by=("root", "root"), **late)
    m.cert("t_late_client", "/CN=alice", CLIENT, by=("root", "root"), **late)
    m.cert("t_late_root", "/CN=Example Root", CA, key="root", start="20260701000000Z", end=CA_END)
    m.sides("server_early", "server_cert_not_yet_valid", server_cert="t_late.crt")
    m.sides("client_early", "client_cert_not_yet_valid", cert="t_late_client.crt")
    m.sides("root_early", "ca_cert_not_yet_valid", cacert="t_late_root.crt", server_cacert="t_late_root.crt")
    m.sides("clock", "clock_wrong", at="1970-01-02")
    m.sides("clock_ahead", "clock_wrong", at="2060-01-01")
    m.case("clock_file", "clock_wrong", "localhost.crt", "root.crt", at="1970-01-02")
    m.cert("t_soon", "/CN=localhost", SERVER, by=("root", "root"), start="20250601000000Z", end="20260605000000Z")
    m.cert("t_short", "/CN=localhost", SERVER, by=("root", "root"), start="20260531230000Z", end="20260601230000Z")
    m.sides("soon", "expires_soon", server_cert="t_soon.crt", exit=3)
    m.sides("short_lived", "ok", server_cert="t_short.crt")
    m.cert("t_ten_days", "/CN=localhost", SERVER, by=("root", "root"), start="20260531000000Z", end="20260610000000Z")
    m.sides("ten_days", "expires_soon", server_cert="t_ten_days.crt", exit=3)
    m.cert("t_fifteen_days", "/CN=localhost", SERVER, by=("root", "root"), start="20260601000000Z", end="20260616000000Z")
    m.sides("fifteen_days", "ok", server_cert="t_fifteen_days.crt")
    m.cert("t_ending", "/CN=Example Root", CA, key="root", start=CA_START, end="20261001000000Z")
    m.sides("outlives", "leaf_outlives_ca", cacert="t_ending.crt", server_cacert="t_ending.crt", exit=3)
    m.cert("t_ending_soon", "/CN=Example Root", CA, key="root", start=CA_START, end="20260610000000Z")
    m.sides("outlives_what_ends_soon", "leaf_outlives_ca", cacert="t_ending_soon.crt", server_cacert="t_ending_soon.crt", exit=3)
    m.cert("t_long", "/CN=localhost", SERVER, by=("root", "root"), start=START, end="20290101000000Z")
    m.cert("t_long_client", "/CN=alice", CLIENT, by=("root", "root"), start=START, end="20290101000000Z")
    m.sides("too_long", "validity_too_long", server_cert="t_long.crt", exit=3)
    m.sides("long_client", "ok", cert="t_long_client.crt")


def chains(m):
    m.sides("two_tiers", "ok", server_cert="below_chain.crt", cert="below_client_chain.crt")
    m.sides("server_incomplete", "server_chain_incomplete", "--other", "inter.crt", server_cert="below.crt")
    m.sides("server_incomplete_blind", "server_chain_incomplete", server_cert="below.crt")
    m.sides("client_incomplete", "client_chain_incomplete", "--other", "inter.crt", cert="below_client.crt")
    m.join("c_root_inter.crt", "root.crt", "inter.crt")
    m.sides("completed_by_trust", "ok", server_cert="below.crt", cacert="c_root_inter.crt")
    m.sides("completed_by_openssl", "client_chain_incomplete", cert="below_client.crt", cacert="c_root_inter.crt", exit=3)
    m.cert("c_other_inter", "/CN=Other Issuing CA", CA, by=("root", "root"), key="other")
    m.join("c_wrong.crt", "below.crt", "c_other_inter.crt")
    m.join("c_more.crt", "below.crt", "inter.crt", "c_other_inter.crt")
    m.sides("wrong_intermediate", "server_chain_wrong_intermediate", server_cert="c_wrong.crt")
    m.join("c_wrong_client.crt", "below_client.crt", "c_other_inter.crt")
    m.sides("wrong_intermediate_of_client", "client_chain_incomplete", cert="c_wrong_client.crt")
    m.sides("one_intermediate_more", "ok", server_cert="c_more.crt")
    m.join("c_order.crt", "inter.crt", "below.crt")
    m.sides("order", "bundle_wrong_order", server_cert="c_order.crt")
    m.case("wrong_intermediate_without_root", "server_chain_wrong_intermediate", "c_wrong.crt", "leaf.key")
    m.case("one_intermediate_more_without_root", "ok", "c_more.crt", "leaf.key")
    m.join("c_needless.crt", "localhost.crt", "c_other_inter.crt")  # below a root: it may do without
    m.case("needless_intermediate_without_root", "ok", "c_needless.crt", "leaf.key")
    for name, parts in [("leaf-ca.crt", ["alice.crt"]), ("inter-ca.crt", ["inter.crt"]), ("both-ca.crt", ["inter.crt", "root.crt"]),
                        ("ca-of.crt", ["alice.crt"])]:
        m.join(name, *parts)
    m.case("ca_file_with_leaf", "trust_file_not_a_ca", "leaf-ca.crt", "localhost.crt")
    m.case("ca_file_by_no_name", "ok", "ca-of.crt", "localhost.crt")
    m.case("ca_file_with_intermediate", "trust_file_intermediate_only", "inter-ca.crt", "below_chain.crt", exit=3)
    m.case("ca_file_with_intermediate_and_root", "ok", "both-ca.crt", "below_chain.crt")
    m.case("ca_file_of_intermediate_beside_root", "ok", "inter-ca.crt", "root.crt", "below_chain.crt")
    m.case("leaf_beside_its_chain", "ok", "below.crt", "below_chain.crt", "leaf.key", "root.crt")
    m.case("leaf_beside_another_chain", "server_chain_incomplete", "below.crt", "below_client_chain.crt", "root.crt", exit=3)
    m.case("order_file", "bundle_wrong_order", "c_order.crt", "leaf.key")
    m.join("c_with_root.crt", "below.crt", "inter.crt", "root.crt")
    m.sides("root_sent_too", "ok", server_cert="c_with_root.crt")
    m.cert("c_other_root", "/CN=Other Root", CA, key="other", start=CA_START, end=CA_END)
    m.cert("c_other_server", "/CN=localhost", SERVER, by=("c_other_root", "other"))
    m.cert("c_other_client", "/CN=alice", CLIENT, by=("c_other_root", "other"))
    m.cert("c_inspector", "/CN=Corp TLS Inspection CA", CA, key="other", start=CA_START, end=CA_END)
    m.cert("c_inspected", "/CN=localhost", SERVER, by=("c_inspector", "other"))  # for tests/interop/odd_servers.py
    m.sides("server_untrusted", "server_untrusted_ca", server_cert="c_other_server.crt")
    m.sides("client_untrusted", "client_untrusted_ca", cert="c_other_client.crt")
    m.join("c_both_roots.crt", "c_other_root.crt", "root.crt")
    m.sides("one_root_more", "ok", cacert="c_both_roots.crt", server_cacert="c_both_roots.crt")
    m.sides("two_cas", "ok", cert="c_other_client.crt", server_cacert="c_other_root.crt")
    m.cert("c_self", "/CN=localhost", changed(SERVER, authorityKeyIdentifier=None))
    m.cert("c_self_client", "/CN=alice", changed(CLIENT, authorityKeyIdentifier=None))
    m.sides("server_self_signed", "server_self_signed", server_cert="c_self.crt")
    m.sides("client_self_signed", "client_self_signed", cert="c_self_client.crt")
    m.sides("self_signed_pinned", "ok", server_cert="c_self.crt", cacert="c_self.crt")
    m.cert("c_rekeyed", "/CN=Example Root", CA, key="other", start=CA_START, end=CA_END)
    m.sides("rekeyed", "ca_rekeyed_same_name", server_cacert="c_rekeyed.crt")
    m.sides("rekeyed_client_side", "ca_rekeyed_same_name", cacert="c_rekeyed.crt")
    m.join("c_overlap.crt", "c_rekeyed.crt", "root.crt")
    m.sides("rollover_overlap", "ok", cacert="c_overlap.crt", server_cacert="c_overlap.crt")
    m.cert("c_renewed", "/CN=Example Root", CA, key="root", start=START, end="20400101000000Z")
    m.sides("root_renewed_same_key", "ok", cacert="c_renewed.crt")
    m.case("rekeyed_files", "ca_rekeyed_same_name", "localhost.crt", "c_rekeyed.crt")
    m.sides("leaf_trusted", "trust_file_not_a_ca", cacert="localhost.crt")
    m.sides("leaf_trusted_by_server", "trust_file_not_a_ca", server_cacert="alice.crt")
    m.sides("intermediate_trusted", "trust_file_intermediate_only", server_cacert="inter.crt", cert="below_client_chain.crt")
    m.cert("c_same", "/CN=Example Root", changed(SERVER, authorityKeyIdentifier="none"), by=("root", "root"))
    m.sides("same_subject", "subject_equals_issuer", server_cert="c_same.crt")
    m.cert("c_same_aki", "/CN=Example Root", SERVER, by=("root", "root"))
    m.case("same_subject_alone", "subject_equals_issuer", "c_same_aki.crt", exit=3)
    m.sides("same_subject_with_key_id", "subject_equals_issuer", server_cert="c_same_aki.crt", exit=3)
    m.cert("c_no_ca_root", "/CN=Example Root", changed(CA, basicConstraints=None, keyUsage=None), key="root", start=CA_START, end=CA_END)
    m.sides("root_is_no_ca", "issuer_not_ca", cacert="c_no_ca_root.crt")
    m.cert("c_inter_twin", "/CN=Issuing CA", CA, by=("root", "root"), key="other")
    m.join("c_twin_chain.crt", "below.crt", "c_inter_twin.crt")
    m.sides("wrong_intermediate_of_same_name", "server_chain_wrong_intermediate", server_cert="c_twin_chain.crt")
    m.cert("c_no_id", "/CN=localhost", changed(SERVER, authorityKeyIdentifier="none"), by=("inter", "inter"))
    m.join("c_no_id_chain.crt", "c_no_id.crt", "c_inter_twin.crt")
    m.sides("wrong_intermediate_without_key_id", "server_chain_wrong_intermediate", server_cert="c_no_id_chain.crt")
    for name, cause, extensions in [("not_ca", "issuer_not_ca", changed(CA, basicConstraints="critical,CA:FALSE", keyUsage="critical,digitalSignature")),
                                    ("no_certsign", "ca_no_keycertsign", changed(CA, keyUsage="critical,digitalSignature,cRLSign")),
                                    ("ca_eku", "ca_eku_forbids", CA + "\nextendedKeyUsage=clientAuth"),
                                    ("ca_eku_ok", "ok", CA + "\nextendedKeyUsage=serverAuth,clientAuth"),
                                    ("name_constraint", "name_constraint_violation", CA + "\nnameConstraints=critical,permitted;DNS:example.com"),
                                    ("name_constraint_ok", "ok", CA + "\nnameConstraints=critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0"),
                                    ("critical", "unknown_critical_extension", CA + "\n1.2.3.4=critical,ASN1:UTF8String:x"),
                                    ("not_critical", "ok", CA + "\n1.2.3.4=ASN1:UTF8String:x")]:
        m.cert(f"c_{name}", "/CN=Issuing CA", extensions, by=("root", "root"), key="inter", start=CA_START, end=CA_END)
        m.join(f"c_{name}_chain.crt", "below.crt", f"c_{name}.crt")
        m.sides(name, cause, server_cert=f"c_{name}_chain.crt")
        m.case(f"{name}_without_root", cause, f"c_{name}_chain.crt", "leaf.key")
    m.cert("c_tight", "/CN=Example Root", changed(CA, basicConstraints="critical,CA:TRUE,pathlen:0"), key="root", start=CA_START, end=CA_END)
    m.sides("pathlen", "pathlen_exceeded", server_cert="below_chain.crt", cacert="c_tight.crt")
    m.sides("pathlen_ok", "ok", cacert="c_tight.crt", server_cacert="c_tight.crt")
    m.cert("c_low", "/CN=Lower CA", CA, by=("inter", "inter"), key="other", start=CA_START, end=CA_END)
    m.cert("c_deep", "/CN=alice", CLIENT, by=("c_low", "other"))
    m.join("c_deep_chain.crt", "c_deep.crt", "c_low.crt", "inter.crt")
    m.sides("depth", "verify_depth_exceeded", "--server-depth", 1, cert="c_deep_chain.crt")
    m.sides("depth_ok", "ok", "--server-depth", 2, cert="c_deep_chain.crt")
    if not m.makes_v1:
        return
    m.cert("c_v1_inter", "/CN=Issuing CA", None, by=("root", "root"), key="inter", start=CA_START, end=CA_END)
    m.join("c_v1_chain.crt", "below.crt", "c_v1_inter.crt")
    m.sides("v1_intermediate", "issuer_is_v1", server_cert="c_v1_chain.crt")
    m.case("v1_intermediate_without_root", "issuer_is_v1", "c_v1_chain.crt", "leaf.key")
    m.cert("c_v1_root", "/CN=Example Root", None, key="root", start=CA_START, end=CA_END)
    m.sides("v1_root", "issuer_is_v1", cacert="c_v1_root.crt", server_cacert="c_v1_root.crt", exit=3)


def purposes(m):
    for name, cause, side, extensions in [
            ("server_eku", "server_cert_no_serverauth", "server", changed(SERVER, extendedKeyUsage="clientAuth")),
            ("client_eku", "client_cert_no_clientauth", "client", changed(CLIENT, extendedKeyUsage="serverAuth")),
            ("server_no_eku", "ok", "server", changed(SERVER, extendedKeyUsage=None)),
            ("client_no_eku", "ok", "client", changed(CLIENT, extendedKeyUsage=None)),
            ("client_both", "ok", "client", changed(CLIENT, extendedKeyUsage="serverAuth,clientAuth")),
            ("client_ku", "client_ku_no_signature", "client", changed(CLIENT, keyUsage="critical,keyEncipherment")),
            ("client_no_ku", "ok", "client", changed(CLIENT, keyUsage=None)),
            ("client_no_san", "ok", "client", changed(CLIENT, subjectAltName=None)),
            ("critical_leaf", "unknown_critical_extension", "client", CLIENT + "\n1.2.3.4=critical,ASN1:UTF8String:x"),
            ("damaged_san", "certificate_malformed", "client", changed(CLIENT, subjectAltName="DER:04:02:ff:ff")),
            ("no_aki", "ca_not_strict_profile", "client", changed(CLIENT, authorityKeyIdentifier="none"))]:
        m.cert(f"p_{name}", "/CN=localhost" if side == "server" else "/CN=alice", extensions, by=("root", "root"))
        m.sides(name, cause, exit=3 if name == "no_aki" else None, **{"server_cert" if side == "server" else "cert": f"p_{name}.crt"})
    m.cert("p_server_ku", "/CN=localhost", changed(SERVER, keyUsage="critical,keyEncipherment"), by=("root", "root"), key="rsa")
    for name, cause, source in [("of-client.crt", "client_cert_no_clientauth", "p_client_eku.crt"),
                                ("of-server.crt", "server_cert_no_serverauth", "p_server_eku.crt"),
                                ("of-client-2.crt", "ok", "p_client_both.crt")]:
        m.join(name, source)
        m.case(f"{name}_alone", cause, name)
    for name, cause, subject, exit in [("user", "ok", "/CN=alice", None), ("host", "server_no_san", "/CN=www.example.com", 3)]:
        for purposes in (None, "serverAuth,clientAuth"):
            name += "_both" if purposes else "_any"
            m.cert(f"p_{name}", subject, changed(CLIENT, extendedKeyUsage=purposes, subjectAltName=None), by=("root", "root"))
            m.case(f"{name}_alone", cause, f"p_{name}.crt", exit=exit)
    m.case("client_ku_alone", "client_ku_no_signature", "p_client_ku.crt")
    m.case("critical_alone", "unknown_critical_extension", "p_critical_leaf.crt")
    m.case("ca_without_certsign_alone", "ca_no_keycertsign", "c_no_certsign.crt")
    m.sides("server_ku", "server_ku_no_signature", server_cert="p_server_ku.crt", server_key="rsa.key", exit=3)


def algorithms(m):
    m.key("rsa1024", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    m.key("k1", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1")
    m.key("ed", "-algorithm", "ED25519")
    m.cert("a_small", "/CN=alice", CLIENT, by=("root", "root"), key="rsa1024")
    m.cert("a_rsa", "/CN=alice", CLIENT, by=("root", "root"), key="rsa")
    m.cert("a_k1", "/CN=localhost", SERVER, by=("root", "root"), key="k1")
    m.cert("a_ed", "/CN=localhost", SERVER, by=("root", "root"), key="ed")
    m.cert("a_sha1", "/CN=localhost", SERVER, by=("root", "root"), md="sha1")
    m.cert("a_sha1_root", "/CN=Example Root", CA, key="root", start=CA_START, end=CA_END, md="sha1")
    m.sides("small_key", "key_too_small", cert="a_small.crt", key="rsa1024.key")
    m.sides("rsa2048", "ok", cert="a_rsa.crt", key="rsa.key")
    m.sides("secp256k1", "unsupported_key_type", server_cert="a_k1.crt", server_key="k1.key")
    m.sides("ed25519", "ok", server_cert="a_ed.crt", server_key="ed.key")
    m.sides("sha1", "signature_too_weak", server_cert="a_sha1.crt")
    m.sides("sha1_root", "ok", cacert="a_sha1_root.crt")
    if m.makes_v1:
        m.cert("a_v1", "/CN=localhost", None, by=("root", "root"))
        m.cert("a_v1_client", "/CN=alice", None, by=("root", "root"))
        m.sides("v1_server", "cert_is_v1", server_cert="a_v1.crt", exit=3)
        m.sides("v1_client", "cert_is_v1", cert="a_v1_client.crt", exit=3)
    m.sides("ciphers", "no_shared_cipher", "--server-ciphers", "ECDHE-RSA-AES128-GCM-SHA256", "--tls-max", "1.2")
    m.sides("ciphers_ok", "ok", "--server-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
    m.sides("ciphers_unknown", "no_shared_cipher", "--server-ciphers", "ECDHE_ECDSA_AES128:NOSUCH")
    m.sides("ciphers_unknown_12", "no_shared_cipher", "--server-ciphers", "NOSUCH", "--tls-max", "1.2")
    m.sides("ciphers_one_unknown", "ok", "--server-ciphers", "NOSUCH:ECDHE-ECDSA-AES128-GCM-SHA256")
    m.sides("ciphers_of_other_keys", "no_shared_cipher", "--server-ciphers", "aRSA", exit=3)
    m.sides("ciphers_13", "tls_version_mismatch", "--server-ciphers", "TLS_AES_128_GCM_SHA256", "--tls-max", "1.2")
    m.cert("a_lax", "/CN=Example Root", changed(CA, keyUsage=None), key="root", start=CA_START, end=CA_END)
    m.sides("lax_ca", "ca_not_strict_profile", cacert="a_lax.crt", server_cacert="a_lax.crt", exit=3)
    m.cert("a_twin", "/CN=alice", CLIENT, by=("root", "root"), serial="77")
    m.cert("a_twin_server", "/CN=localhost", SERVER, by=("root", "root"), serial="77")
    m.sides("serials", "duplicate_serial", cert="a_twin.crt", server_cert="a_twin_server.crt", exit=3)
    m.cert("a_same_number", "/CN=localhost", SERVER, by=("inter", "inter"), serial="77")
    m.join("a_same_number_chain.crt", "a_same_number.crt", "inter.crt")
    m.sides("serials_of_two_cas", "ok", cert="a_twin.crt", server_cert="a_same_number_chain.crt")


def revocation(m):
    m.crl("r_empty", "root", "root")
    m.crl("r_alice", "root", "root", revoke=["alice"])
    m.crl("r_localhost", "root", "root", revoke=["localhost"])
    m.crl("r_old", "root", "root", due="20260520000000Z")
    m.crl("r_future", "root", "root", last="20260701000000Z")
    m.crl("r_inter", "inter", "inter")
    m.crl("r_inter_alice", "inter", "inter", revoke=["below_client"])
    m.crl("r_revokes_inter", "root", "root", revoke=["inter"])
    m.crl("r_other", "c_other_root", "other")
    m.crl("r_rekeyed", "c_rekeyed", "other")
    m.sides("revoked", "client_cert_revoked", "--server-crl", "r_alice.crl")
    m.sides("server_revoked", "server_cert_revoked", "--crl", "r_localhost.crl")
    m.sides("not_revoked", "ok", "--server-crl", "r_localhost.crl", "--crl", "r_alice.crl")
    m.sides("crl_expired", "crl_expired", "--server-crl", "r_old.crl")
    m.sides("crl_future", "crl_not_yet_valid", "--server-crl", "r_future.crl")
    m.sides("crl_ok", "ok", "--server-crl", "r_empty.crl", "--crl", "r_empty.crl")
    chain = {"cert": "below_client_chain.crt"}
    m.sides("crl_of_inter_only", "crl_missing", "--server-crl", "r_inter.crl", **chain)
    m.sides("crl_of_root_only", "crl_missing", "--server-crl", "r_empty.crl", **chain)
    m.sides("crl_leaf_scope", "ok", "--server-crl", "r_inter.crl", "--server-crl-scope", "leaf", **chain)
    m.sides("crl_both", "ok", "--server-crl", "r_inter.crl", "--server-crl", "r_empty.crl", **chain)
    m.sides("crl_inter_revoked", "intermediate_revoked", "--server-crl", "r_inter.crl", "--server-crl", "r_revokes_inter.crl", **chain)
    m.sides("crl_inter_client", "client_cert_revoked", "--server-crl", "r_inter_alice.crl", "--server-crl", "r_empty.crl", **chain)
    m.sides("crl_wrong_issuer", "crl_wrong_issuer", "--server-crl", "r_other.crl")
    m.sides("crl_bad_signature", "crl_bad_signature", "--server-crl", "r_rekeyed.crl")
    m.case("crl_expired_file", "crl_expired", "r_old.crl")
    m.case("crl_file", "ok", "r_empty.crl", "root.crt")
    m.case("crl_old_beside_new", "ok", "r_old.crl", "r_empty.crl", "root.crt", "alice.crt")
    m.case("crl_file_names_client", "client_cert_revoked", "r_alice.crl", "root.crt", "alice.crt", "localhost.crt")
    m.case("crl_file_names_server", "server_cert_revoked", "r_localhost.crl", "root.crt", "alice.crt", "localhost.crt")
    m.case("crl_file_names_intermediate", "intermediate_revoked", "r_revokes_inter.crl", "root.crt", "below_client_chain.crt")
    m.case("crl_file_names_another", "ok", "r_localhost.crl", "root.crt", "alice.crt")
    m.case("crl_file_of_another_ca", "crl_wrong_issuer", "r_other.crl", "root.crt", "alice.crt", exit=3)
    m.case("crl_file_of_another_ca_too", "ok", "r_other.crl", "r_empty.crl", "root.crt", "alice.crt")


def mutual_half(m):
    m.sides("not_sent", "client_cert_not_sent", "--server-clients", "require", cert=None, key=None)
    m.sides("not_sent_unknown", "client_cert_not_sent", cert=None, key=None)
    m.sides("not_sent_optional", "client_cert_not_sent", "--server-clients", "request", cert=None, key=None, exit=3)
    m.sides("plain_tls", "ok", "--server-clients", "none", cert=None, key=None)
    m.sides("does_not_ask", "server_does_not_ask", "--server-clients", "none", server_cacert=None, exit=3)
    m.sides("asks", "ok", "--server-clients", "require")


def files(m):
    key, cert = m.read("leaf.key"), m.read("alice.crt")
    m.join("f_one.pem", "alice.crt", "leaf.key")
    m.sides("key_mismatch", "key_mismatch", key="other.key")
    m.sides("server_key_mismatch", "key_mismatch", server_key="other.key")
    m.case("key_mismatch_files", "key_mismatch", "alice.crt", "other.key")
    m.case("pair", "ok", "alice.crt", "leaf.key")
    m.case("pair_and_root", "ok", "alice.crt", "leaf.key", "root.crt", "localhost.crt")
    for name in ("my-server", "my-client"):
        m.key(name)
        m.cert(name, f"/CN={name}", SERVER if "server" in name else CLIENT, by=("root", "root"), key=name)
    m.case("two_pairs_of_like_names", "ok", "my-server.crt", "my-server.key", "my-client.crt", "my-client.key")
    m.case("one_pair_and_another_cert", "ok", "my-server.crt", "my-client.crt", "my-client.key")
    m.case("key_of_neither", "key_mismatch", "my-server.crt", "other.key")
    m.sides("ca_key_mismatch", "ca_key_mismatch", "--cakey", "other.key")
    m.sides("ca_key", "ok", "--cakey", "root.key")
    m.sides("ca_key_of_old_ca", "ca_key_mismatch", "--cakey", "other.key", "--other", "c_rekeyed.crt")
    m.sides("ca_key_of_issuing_ca", "ok", "--cakey", "inter.key", cert="below_client_chain.crt")
    m.sides("cert_for_both", "cert_key_swapped", cert="alice.crt", key="alice.crt")
    m.sides("one_file_for_both", "ok", cert="f_one.pem", key="f_one.pem")
    m.openssl("pkey", "-in", "leaf.key", "-aes256", "-passout", "pass:secret", "-out", "f_locked.key")
    m.write("pass.txt", "secret\n")
    m.write("wrong.txt", "wrong\n")
    m.sides("encrypted", "key_encrypted", key="f_locked.key")
    m.sides("wrong_passphrase", "key_wrong_passphrase", "--passphrase-file", "wrong.txt", key="f_locked.key")
    m.sides("passphrase", "ok", "--passphrase-file", "pass.txt", key="f_locked.key")
    m.case("encrypted_file", "key_encrypted", "f_locked.key", exit=3)
    export = ["pkcs12", "-export", "-inkey", "leaf.key", "-in", "alice.crt", "-passout", "pass:secret"]
    m.openssl(*export, "-out", "f_new.p12")
    try:
        m.openssl(*export, "-legacy", "-out", "f_legacy.p12")
    except subprocess.CalledProcessError:  # not every openssl can still make one; this one is of another CA
        m.write("f_legacy.p12", (pathlib.Path(__file__).parents[1] / "keys/test-client-of-old.p12").read_bytes())
    m.openssl(*export, "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-out", "f_3des.p12")
    m.openssl("pkcs12", "-export", "-nokeys", "-in", "alice.crt", "-passout", "pass:secret", "-out", "f_nokey.p12")
    for name, cause, words in [("p12", "ok", ("f_new.p12", "pass.txt")), ("p12_3des", "ok", ("f_3des.p12", "pass.txt")),
                               ("p12_legacy", "pkcs12_legacy", ("f_legacy.p12", "pass.txt")),
                               ("p12_wrong", "pkcs12_wrong_password", ("f_new.p12", "wrong.txt")),
                               ("p12_nokey", "pkcs12_no_key", ("f_nokey.p12", "pass.txt"))]:
        m.sides(name, cause, "--passphrase-file", words[1], cert=words[0], key=None)
    m.case("p12_legacy_file", "pkcs12_legacy", "f_legacy.p12")
    m.case("p12_file", "ok", "f_new.p12", exit=3)
    m.case("p12_nokey_file", "pkcs12_no_key", "f_nokey.p12", "--passphrase-file", "pass.txt", exit=3)
    m.openssl("pkcs12", "-export", "-nokeys", "-in", "root.crt", "-passout", "pass:secret", "-out", "f_trust.p12")
    m.case("p12_of_cas", "ok", "f_trust.p12", "--passphrase-file", "pass.txt")
    m.write("f_store.jks", b"\xfe\xed\xfe\xed\0\0\0\2" + bytes(60))
    m.sides("jks", "jks_keystore", cert="f_store.jks", key=None)
    m.case("jks_alone", "jks_keystore", "f_store.jks", exit=3)
    m.case("jks_with_ca", "jks_keystore", "f_store.jks", "root.crt", exit=3)
    m.case("jks_beside_a_pair", "ok", "f_store.jks", "alice.crt", "leaf.key", "root.crt")
    m.case("jks_beside_an_old_pair", "client_cert_expired", "f_store.jks", "t_client.crt", "leaf.key", "root.crt")
    m.openssl("crl2pkcs7", "-nocrl", "-certfile", "alice.crt", "-out", "f_bundle.pem")
    m.openssl("crl2pkcs7", "-nocrl", "-certfile", "alice.crt", "-outform", "DER", "-out", "f_bundle.p7b")
    m.sides("bundle_of_pkcs7", "wrong_file", cert="f_bundle.pem")
    m.sides("bundle_of_pkcs7_trusted", "wrong_file", cacert="f_bundle.pem")
    m.sides("bundle_in_der", "file_is_der", cert="f_bundle.p7b")
    m.case("bundle_by_name", "ok", "f_bundle.p7b", "leaf.key", "root.crt")
    m.sides("cas_closed", "ok", server_cacert="f_trust.p12", exit=3)
    m.cert("p_over_and_else", "/CN=elsewhere", changed(SERVER, subjectAltName="DNS:elsewhere"), by=("root", "root"), start="20250601000000Z", end="20260520000000Z")
    m.sides("name_before_date", "server_name_mismatch", server_cert="p_over_and_else.crt")
    m.cert("p_ca_for_clients", "/CN=Issuing CA", CA + "\nextendedKeyUsage=clientAuth", by=("root", "root"), key="inter", start=CA_START, end=CA_END)
    m.join("p_two_faults.crt", "below.crt", "p_ca_for_clients.crt")
    m.sides("purpose_of_ca_before_name", "ca_eku_forbids", server_cert="p_two_faults.crt", host="elsewhere")
    m.cert("p_inter_cross", "/CN=Issuing CA", CA, by=("c_other_root", "other"), key="inter", start=CA_START, end=CA_END)
    m.join("p_cross_first.crt", "below.crt", "p_inter_cross.crt", "inter.crt")
    m.join("p_cross_last.crt", "below.crt", "inter.crt", "p_inter_cross.crt")
    m.sides("cross_certificate_first", "server_chain_wrong_intermediate", server_cert="p_cross_first.crt")
    m.sides("cross_certificate_last", "ok", server_cert="p_cross_last.crt")
    m.sides("no_key_given", "ok", key=None, exit=3)
    m.sides("no_key_given_expired", "client_cert_expired", cert="t_client.crt", key=None)
    m.sides("no_server_key_given", "ok", server_key=None)
    m.sides("p12_closed", "ok", cert="f_new.p12", key=None, exit=3)
    m.sides("p12_closed_server", "ok", server_cert="f_new.p12", server_key=None, exit=3)
    m.openssl("x509", "-in", "alice.crt", "-outform", "DER", "-out", "f_der.crt")
    m.openssl("x509", "-in", "alice.crt", "-outform", "DER", "-out", "f_cert.der")
    m.sides("der", "file_is_der", cert="f_der.crt")
    m.case("der_file", "file_is_der", "f_der.crt")
    m.case("der_by_name", "ok", "f_cert.der")
    m.write("f_request.crt", m.read("leaf.csr"))
    m.sides("csr", "csr_not_certificate", cert="f_request.crt")
    m.case("csr_named_crt", "csr_not_certificate", "f_request.crt")
    m.case("csr_file", "ok", "leaf.csr", "leaf.key")
    m.case("csr_and_ca", "ok", "leaf.csr", "leaf.key", "root.crt")
    m.write("other.pem", m.read("other.csr"))
    m.case("csr_for_the_pair", "csr_not_certificate", "other.pem", "other.key", "root.crt")
    m.case("csr_by_no_name", "ok", "other.pem")
    m.sides("swapped", "cert_key_swapped", cert="leaf.key", key="alice.crt")
    m.write("swap.crt", key)
    m.write("swap.key", cert)
    m.case("swapped_files", "cert_key_swapped", "swap.crt", "swap.key")
    m.openssl("pkey", "-in", "leaf.key", "-pubout", "-out", "f_public.key")
    m.sides("public_key", "public_key_not_private", key="f_public.key")
    m.case("public_key_file", "public_key_not_private", "f_public.key")
    m.write("f_public.pem", m.read("f_public.key"))
    m.case("public_key_as_such", "ok", "f_public.pem")
    m.write("f_joined.crt", m.read("below.crt").rstrip(b"\n") + m.read("inter.crt"))
    m.sides("joined", "pem_blocks_joined", server_cert="f_joined.crt")
    m.write("f_no_newline.crt", cert.rstrip(b"\n"))
    m.sides("no_last_newline", "ok", cert="f_no_newline.crt")
    m.write("f_utf16.crt", b"\xff\xfe" + cert.decode().encode("utf-16-le"))
    m.sides("utf16", "pem_wrong_encoding", cert="f_utf16.crt")
    m.write("f_bom.crt", b"\xef\xbb\xbf" + cert)
    m.sides("bom", "pem_wrong_encoding", cert="f_bom.crt", exit=3)
    m.write("f_cr.crt", cert.replace(b"\n", b"\r"))
    m.sides("cr_only", "pem_wrong_encoding", cert="f_cr.crt")
    m.write("f_crlf.crt", cert.replace(b"\n", b"\r\n"))
    m.sides("crlf", "ok", cert="f_crlf.crt")
    m.write("f_text.crt", b"subject=CN = alice\nBag Attributes: none\n\n" + cert + b"\n\n")
    m.sides("text_around", "ok", cert="f_text.crt")
    m.write("f_cut.crt", cert[:len(cert) // 2])
    m.sides("cut_off", "pem_damaged", cert="f_cut.crt")
    m.write("f_empty.crt", b"")
    m.sides("empty", "pem_damaged", cert="f_empty.crt")
    m.write("f_garbled.crt", cert[:200] + b"!!!!" + cert[204:])
    m.sides("garbled", "pem_damaged", cert="f_garbled.crt")
    middle = cert.index(b"\n", len(cert) // 2) + 9
    m.write("f_altered.crt", cert[:middle] + (b"A" if cert[middle:middle + 1] != b"A" else b"B") + cert[middle + 1:])
    m.sides("altered", "pem_damaged", cert="f_altered.crt", key=None)
    m.write("f_json.crt", cert.replace(b"\n", b"\\n"))
    m.sides("written_out", "pem_damaged", cert="f_json.crt")
    m.write("f_page.crt", b"<!DOCTYPE html><html><body>404</body></html>\n")
    m.sides("html", "wrong_file", cert="f_page.crt")
    m.sides("absent", "file_unreadable", cert="f_absent.crt")
    m.sides("one_file", "ok", cert="f_one.pem", key=None)
    m.case("one_file_alone", "ok", "f_one.pem")


GROUPS = (names, time, chains, purposes, algorithms, revocation, mutual_half, files)


def make(directory, later=datetime.timedelta(), groups=GROUPS):
    m = Maker(directory, later)
    for name in ("root", "inter", "leaf", "other"):
        m.key(name)
    m.key("rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    m.cert("root", "/CN=Example Root", CA, key="root", start=CA_START, end=CA_END)
    m.cert("inter", "/CN=Issuing CA", CA, by=("root", "root"), key="inter", start=CA_START, end=CA_END)
    m.cert("localhost", "/CN=localhost", SERVER, by=("root", "root"))
    m.cert("alice", "/CN=alice", CLIENT, by=("root", "root"))
    m.cert("below", "/CN=localhost", SERVER, by=("inter", "inter"))
    m.cert("below_client", "/CN=alice", CLIENT, by=("inter", "inter"))
    m.join("below_chain.crt", "below.crt", "inter.crt")
    m.join("below_client_chain.crt", "below_client.crt", "inter.crt")
    m.sides("all_well", "ok")
    m.sides("without_host", "ok", host=None)
    m.case("client_alone", "ok", "--cert", "alice.crt", "--key", "leaf.key")
    for group in groups:
        group(m)
    return m.cases


if __name__ == "__main__":
    print(json.dumps([case._asdict() for case in make(sys.argv[1])], indent=1))
