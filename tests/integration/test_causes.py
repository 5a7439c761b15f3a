"""Every cause that can be seen in files has a case, and what only looks like one has a near miss."""
import json
import pathlib
import subprocess
import sys

import pytest

from conftest import BINARY, ROOT, WAIT, environment

sys.path.insert(0, str(ROOT / "tests/data/causes"))
import make  # noqa: E402  the corpus is made by a script that can be run by itself


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make.make(tmp_path_factory.mktemp("causes"))


def explain(*words):
    return subprocess.run([BINARY, "explain", *words], capture_output=True, text=True, timeout=WAIT, check=False,
                          env=environment(pathlib.Path("/nowhere")))


def test_each_case_is_told_by_its_cause_and_nothing_else_is(cases):
    """All in one, so that the corpus is made once."""
    wrong = []
    for case in cases:
        done = explain(*case.argv, "--json")
        told = json.loads(done.stdout) if done.stdout else {"cause": done.stderr}
        if (told["cause"], done.returncode) != (case.cause, case.exit):
            wrong.append(f"{case.name}: {told['cause']} ({done.returncode}), not {case.cause} ({case.exit}): {told.get('what')}")
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
