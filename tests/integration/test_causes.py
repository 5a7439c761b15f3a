"""Every cause that can be seen in files has a case, and what only looks like one has a near miss."""
import json
import pathlib
import subprocess
import sys

import pytest

from conftest import BINARY, ROOT, WAIT, environment

sys.path.insert(0, str(ROOT / "tests/data/causes"))
import make  # noqa: E402  the corpus is made by a script that can be run by itself
import record  # noqa: E402

# Which programs of observed.txt stand for a line of the table of peers, as the client and as the server.
STACKS = {"OpenSSL (curl, nginx, haproxy)": (["openssl", "curl"], ["openssl", "nginx", "haproxy"]), "Go": (["go"], ["go"]),
          "Java": (["java17", "java21", "java25"], ["java17", "java21", "java25"]), "Node.js": (["node"], ["node"]),
          "Python 3.13 and later": (["python-strict"], ["python-strict"]), "GnuTLS": (["gnutls"], ["gnutls"]),
          "rustls": (["rustls"], ["rustls"]), "browsers": (["chromium", "firefox"], [])}

# Where one program does otherwise than those with which it shares a line, or notices later than when it is asked.
ODD = {
    ("name_dot", "client", "openssl"): "the dot at the end of a host is taken off by curl, Go, Java and Node.js, not by this and Python",
    ("name_dot", "client", "python-strict"): "the same",
    ("leaf_trusted", "client", "curl"): "curl takes whatever is in its file for an anchor, others with OpenSSL do not",
    ("depth", "server", "openssl"): "s_server counts for itself",
    ("key_mismatch", "client", "gnutls"): "it notices when it has to sign, and this server asked for no certificate",
    ("p12_nokey", "client", "java17"): "it has nothing to send, and this server asked for nothing",
    ("p12_nokey", "client", "java25"): "the same",
    ("jks", "client", "java17"): "that keystore is none but for its first bytes",
    ("jks", "client", "java25"): "the same",
    ("der", "client", "openssl"): "the command line opens whatever it is given, the library does not",
    ("small_key", "client", "node"): "before 24 Node.js itself asks for less; Debian's, with the system's OpenSSL, does not",
    ("small_key", "server", "node"): "the same",
    ("too_long", "client", "chromium"): "it is Safari that refuses it; these two ask so much of public CAs only",
    ("too_long", "client", "firefox"): "the same",
    ("root_is_no_ca", "client", "chromium"): "it takes name and key of what it trusts, and Firefox looks into it",
    ("server_ku", "client", "firefox"): "Chromium asks for it, Firefox does not",
    ("serials", "client", "chromium"): "Firefox keeps in mind what it has seen, Chromium does not",
    ("self_signed_pinned", "client", "chromium"): "Firefox takes a leaf for an anchor, Chromium does not",
    ("leaf_trusted", "client", "firefox"): "the same, the other way round",
    ("joined", "server", "rustls"): "it takes the first block, and comes without the second",
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make.make(tmp_path_factory.mktemp("causes"))


def explain(*words):
    return subprocess.run([BINARY, "explain", *words], capture_output=True, text=True, timeout=WAIT, check=False,
                          env=environment(pathlib.Path("/nowhere")))


# What Debian 13's programs do otherwise.
ODD_NEWER = {**ODD, ("ip6_ok", "client", "node"): "it takes ::1 for a name when it is asked in this way",
             **{("sha1", "server", tool): "OpenSSL 3.5 loads one's own of any kind, 3.0 did not"
                for tool in ("openssl", "nginx", "haproxy", "node", "python-strict")}}

# That a client completes its chain is seen when a server asks for it; those that judged one side alone did not.
UNSEEN = ("completed_by_openssl",
          "cas_closed")  # which nobody opened who had no passphrase


def predicted_otherwise(seen, case, told, odd):
    """What the table of peers says of programs that did not do so when they were asked."""
    if case.name in UNSEEN:
        return
    for peer in told.get("peers", ()):
        for side, tools in zip(("client", "server"), STACKS.get(peer["who"], ())):
            for tool in tools:
                accepted = seen.verdicts.get((case.name, side, tool))
                if accepted is not None and accepted != (peer[f"as_{side}"] == "ok") and (case.name, side, tool) not in odd:
                    yield f"{case.name}: as the {side} {tool} {'accepts' if accepted else 'refuses'}: {peer[f'as_{side}']}"


def test_each_case_is_told_by_its_cause_and_nothing_else_is(cases):
    """All in one, so that the corpus is made once."""
    wrong, seen, newer, browsers = [], record.read(), record.read(record.NEWER), record.read(record.BROWSERS)
    for case in cases:
        done = explain(*case.argv, "--json")
        told = json.loads(done.stdout) if done.stdout else {"cause": done.stderr}
        if (told["cause"], done.returncode) != (case.cause, case.exit):
            wrong.append(f"{case.name}: {told['cause']} ({done.returncode}), not {case.cause} ({case.exit}): {told.get('what')}")
        wrong.extend(predicted_otherwise(seen, case, told, ODD))
        wrong.extend(predicted_otherwise(newer, case, told, ODD_NEWER))
        wrong.extend(predicted_otherwise(browsers, case, told, ODD))
    assert not wrong, "\n".join(wrong)


def test_the_words_of_a_verdict(cases):
    """The sentence first, then whose move it is, the commands, the id; no key, no colour, no mark."""
    case = next(case for case in cases if case.name == "client_untrusted")
    done = explain(*case.argv)
    first, rest = done.stdout.split("\n", 1)
    assert first.endswith(".") and "alice" in first and "Other Root" in first and "Example Root" in first
    order = [rest.index(word) for word in ("whose move   the client's owner", "do           mutual issue", "or           openssl",
                                           "\ncause: client_untrusted_ca\n", "checked, in this order", "good: ", "as the client")]
    assert order == sorted(order) and done.stderr == ""
    assert done.stdout.isascii() and "\x1b" not in done.stdout and "PRIVATE" not in done.stdout


def test_every_cause_that_files_can_show_has_a_case(cases):
    live = {"server_clock_wrong", "client_issuer_not_in_ca_list", "tls_terminating_proxy", "tls_intercepted", "not_authorized",
            "alpn_mismatch", "sni_missing", "sni_unknown", "not_tls", "starttls_needed", "connection_refused", "connection_timed_out",
            "host_not_found", "connection_cut_off", "server_limit_reached"}
    odd = {"ok", "email_not_in_san", "bad_date", "chain_too_complex", "policy_not_allowed", "certificate_altered", "no_purpose",
           "key_unsound", "serial_not_conforming", "certificate_malformed", "name_constraints_in_leaf", "name_constraints_malformed",
           "san_malformed", "crl_number_missing", "crl_malformed", "other", "key_identifier_missing"}
    known = {cause["id"] for cause in json.loads(explain("--list", "--json").stdout)}
    shown = {case.cause for case in cases}
    old = {"cert_is_v1", "issuer_is_v1"} if "cert_is_v1" not in shown else set()  # which OpenSSL 3.2 no longer makes
    assert known - live - odd - old - shown == set()
