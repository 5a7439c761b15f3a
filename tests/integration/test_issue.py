"""mutual issue: a key and a certificate in one step."""
import shlex

import pytest

from made import KEY_TYPES, files, is_whole_pair, lifetime, names, openssl, serial, subject, text, verify

DAY = 86400
BACKDATED = 300  # seconds: notBefore lies before the moment of issue, for clocks that are slow


def test_a_server_for_localhost_has_all_its_addresses(mutual, ca, tmp_path):
    result = mutual("issue", "server", "localhost").ok()
    assert files(tmp_path) == ["localhost.crt", "localhost.key"]
    assert names(tmp_path / "localhost.crt") == ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"]
    assert subject(tmp_path / "localhost.crt") == "subject=CN = localhost"
    assert "localhost.crt" in result.stdout and "next: mutual serve" in result.stdout
    assert result.stderr == ""
    is_whole_pair(tmp_path / "localhost")


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("kind, purposes", [
    ("server", ["server"]), ("client", ["client"]), ("peer", ["server", "client"]),
])
def test_each_kind_passes_the_strict_rules_for_its_purposes_only(mutual, ca, tmp_path, kind, purposes, key_type):
    mutual("issue", kind, "one.example", "--key-type", key_type).ok()
    cert = tmp_path / "one.example.crt"
    for purpose in ("server", "client"):
        if purpose in purposes:
            verify(ca / "ca.crt", cert, purpose)
        else:
            with pytest.raises(AssertionError, match="purpose"):
                verify(ca / "ca.crt", cert, purpose)
    shown = text(cert)
    assert "CA:FALSE" in shown
    enciphers = key_type.startswith("rsa") and "server" in purposes
    assert ("Key Encipherment" in shown) == enciphers, "which only RSA key exchange needs, and of the server"
    is_whole_pair(tmp_path / "one.example")


def test_facts_as_json(mutual, ca, tmp_path):
    facts = mutual("issue", "client", "my-client", "--json").ok().json()
    assert (facts["cert"], facts["key"], facts["profile"], facts["problems"]) == (
        "my-client.crt", "my-client.key", "client", [])
    assert facts["serial"] == serial(tmp_path / "my-client.crt")
    assert facts["san"] == ["DNS:my-client"]
    listed = mutual("list", "--json").ok().json_lines()
    assert [(one["serial"], one["not_after"]) for one in listed] == [(facts["serial"], facts["not_after"])]


@pytest.mark.parametrize("options, seconds", [
    ([], 90 * DAY), (["--days", 1], DAY), (["--lifetime", "36h"], 36 * 3600), (["--lifetime", "1d12h"], 36 * 3600),
    (["--lifetime", "1s"], 1),
])
def test_lifetimes(mutual, ca, tmp_path, options, seconds):
    mutual("issue", "client", "a", *options).ok()
    assert lifetime(tmp_path / "a.crt") == seconds + BACKDATED


def test_nothing_outlives_the_ca(mutual, home, tmp_path):
    mutual("init", "--days", 2).ok()
    result = mutual("issue", "server", "a.example", "--days", 365).ok()
    assert "cut to the CA's own end" in result.stderr
    assert lifetime(tmp_path / "a.example.crt") <= 2 * DAY + BACKDATED
    verify(home / "ca.crt", tmp_path / "a.example.crt", "server")


@pytest.mark.parametrize("words, file, shown", [
    (["server", "*.example.org"], "_.example.org", ["DNS:*.example.org"]),
    (["server", "[2001:DB8::0:1]"], "[2001_DB8__0_1]", ["IP Address:2001:DB8:0:0:0:0:0:1"]),
    (["server", "API.Example.org", "--san", "api.example.org"], "API.Example.org", ["DNS:api.example.org"]),
    (["peer", "spiffe://example.org/a/b"], "spiffe___example.org_a_b", ["URI:spiffe://example.org/a/b"]),
    (["client", "alice@example.org"], "alice@example.org", ["email:alice@example.org"]),
    (["server", "a.example", "b.example", "10.0.0.1", "--san", "DNS:c.example", "--san", "URI:urn:x:y"], "a.example",
     ["DNS:a.example", "DNS:b.example", "IP Address:10.0.0.1", "DNS:c.example", "URI:urn:x:y"]),
    (["server", "_under.score.example"], "_under.score.example", ["DNS:_under.score.example"]),
    (["server", "xn--bcher-kva.example"], "xn--bcher-kva.example", ["DNS:xn--bcher-kva.example"]),
])
def test_names_of_all_kinds(mutual, ca, tmp_path, words, file, shown):
    mutual("issue", *words).ok()
    assert names(tmp_path / f"{file}.crt") == shown
    is_whole_pair(tmp_path / file)


def test_a_client_may_be_a_person(mutual, ca, tmp_path):
    mutual("issue", "client", "Ąžuolė Example").ok()
    assert subject(tmp_path / "Ąžuolė Example.crt") == "subject=CN = Ąžuolė Example"
    assert "Subject Alternative Name" not in text(tmp_path / "Ąžuolė Example.crt")
    verify(ca / "ca.crt", tmp_path / "Ąžuolė Example.crt", "client")


def test_a_name_too_long_for_a_common_name_is_an_alternative_name_alone(mutual, ca, tmp_path):
    long = "a" * 60 + ".example.org"
    mutual("issue", "server", long).ok()
    assert names(tmp_path / f"{long}.crt") == [f"DNS:{long}"]
    assert "Subject Alternative Name: critical" in text(tmp_path / f"{long}.crt")
    verify(ca / "ca.crt", tmp_path / f"{long}.crt", "server")


def test_no_name_leads_out_of_the_directory(mutual, ca, tmp_path):
    for name in ["../../a", "/etc/a", ".hidden", "-rf"]:
        mutual("issue", "client", "--", name).ok()
    assert files(tmp_path) == sorted(
        f"{name}{end}" for name in ["_._.._a", "_etc_a", "_hidden", "_rf"] for end in (".crt", ".key"))


def test_out_says_where(mutual, ca, tmp_path):
    (tmp_path / "deep").mkdir()
    mutual("issue", "client", "a", "--out", "deep/b").ok()
    assert files(tmp_path) == ["deep/b.crt", "deep/b.key"]


def test_files_that_are_there_are_left_alone_and_nothing_is_issued(mutual, ca, tmp_path):
    for taken in ("a.key", "a.crt"):
        (tmp_path / taken).write_text("mine")
        mutual("issue", "client", "a").refused(taken, "exists already", "--force")
        assert files(tmp_path) == [taken] and (tmp_path / taken).read_text() == "mine"
        (tmp_path / taken).unlink()
    assert mutual("list", "--json").ok().json_lines() == []


def test_force_replaces_both(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    before = (tmp_path / "a.key").read_bytes()
    mutual("issue", "client", "a", "--force").ok()
    assert (tmp_path / "a.key").read_bytes() != before
    is_whole_pair(tmp_path / "a")
    assert files(tmp_path) == ["a.crt", "a.key"]
    assert len(mutual("list", "--json").ok().json_lines()) == 2


def test_the_new_key_may_have_a_passphrase(mutual, ca, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    mutual("issue", "client", "a", "--encrypt-key", "--passphrase-file", "secret").ok()
    openssl("pkey", "-in", tmp_path / "a.key", "-passin", "pass:correct horse", "-noout")
    mutual("issue", "client", "b", "--encrypt-key").refused("passphrase")
    assert files(tmp_path) == ["a.crt", "a.key", "secret"]


@pytest.mark.parametrize("words, code, said", [
    (["server", ""], 1, "it is empty"),
    (["server", "Alice Example"], 1, "a space"),
    (["server", "bücher.example"], 1, "xn--"),
    (["server", "a..b"], 1, "a..b"),
    (["server", "-a.example"], 2, "-a"),
    (["server", "a.example-"], 1, "a.example-"),
    (["server", "*"], 1, "wildcard"),
    (["server", "*.com"], 1, "*.example.com"),
    (["server", "f*.example.com"], 1, "f*.example.com"),
    (["server", "a.*.com"], 1, "a.*.com"),
    (["server", "1.2.3"], 1, "looks like an IP address"),
    (["server", "1.2.3.256"], 1, "looks like an IP address"),
    (["server", "10.0.0.0/8"], 1, "10.0.0.0/8"),
    (["server", "a." * 127 + "aa"], 1, "253"),
    (["server", "a" * 64 + ".example"], 1, "cannot be used as a name"),
    (["server", "IP:a.example"], 1, "not an IP address"),
    (["server", "a.example", "--san", "email:x"], 1, "local-part@domain"),
    (["server", "a@b@c"], 1, "local-part@domain"),
    (["server", "https://"], 1, "no host"),
    (["server", "a\nb"], 1, "a\\x0ab"),
    (["client", "a\x1b]0;b"], 1, "\\x1b"),
    (["client", "x y" * 22], 1, "64 characters"),
    (["client", b"\xff\xfe".decode(errors="surrogateescape")], 1, "UTF-8"),
    (["machine", "a"], 2, "server, client or peer"),
    (["ca", "a"], 2, "server, client or peer"),
    (["server"], 2, "NAME"),
    ([], 2, "server|client|peer"),
    (["server", "a", "--days", 1, "--lifetime", "1d"], 2, "one of them"),
    (["server", "a", "--days", 0], 2, "--days"),
    (["server", "a", "--lifetime", "90"], 2, "90d"),
    (["server", "a", "--lifetime", "-1d"], 2, "-1d"),
    (["server", "a", "--lifetime", "200y"], 2, "36500"),
    (["server", "a", "--key-type", "rsa1024"], 2, "rsa2048"),
    (["server", "a", "--out", ""], 2, "--out"),
    (["server", "a", "--out", "none/a"], 1, "none/a"),
])
def test_what_cannot_be_issued_is_refused_in_words_and_leaves_nothing(mutual, ca, tmp_path, words, code, said):
    result = mutual("issue", *words).refused(said, "hint: ", code=code)
    assert "\x1b" not in result.stderr and result.stdout == ""
    assert files(tmp_path) == []
    assert mutual("list", "--json").ok().json_lines() == []


def test_nobody_gets_the_cas_own_name(mutual, home, tmp_path):
    """OpenSSL takes a certificate whose issuer has its own name for a self-signed one."""
    mutual("init", "localhost").ok()
    mutual("issue", "server", "localhost").refused('"localhost" is the name of the CA itself', "--san")
    mutual("issue", "server", "www", "localhost").ok()
    verify(home / "ca.crt", tmp_path / "www.crt", "server")


def test_the_next_command_can_be_pasted_into_a_shell(mutual, ca, tmp_path):
    result = mutual("issue", "client", "Zoë O'Neil; rm *").ok()
    line = result.stdout[result.stdout.index("next: ") + len("next: "):].strip()
    assert shlex.split(line) == ["mutual", "get", "--cert", "Zoë O'Neil; rm _.crt", "--key", "Zoë O'Neil; rm _.key",
                                 "https://localhost:3000"]


def test_without_a_ca_the_hint_is_to_make_one(mutual, tmp_path):
    mutual("issue", "server", "a").refused("there is no CA in", "mutual init")
    assert files(tmp_path) == []


def test_a_directory_is_not_replaced(mutual, ca, tmp_path):
    (tmp_path / "a.crt").mkdir()
    mutual("issue", "client", "a", "--force").refused("a.crt", "directory")
    assert files(tmp_path) == []


def test_a_home_whose_files_do_not_fit_together_issues_nothing(mutual, ca, tmp_path):
    mutual("init", home=tmp_path / "other").ok()
    (ca / "ca.key").write_bytes((tmp_path / "other/ca.key").read_bytes())
    mutual("issue", "client", "a", home=ca).refused("ca.crt", "ca.key", "belong")


def test_a_leaf_in_the_cas_place_issues_nothing(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    (ca / "ca.crt").write_bytes((tmp_path / "a.crt").read_bytes())
    (ca / "ca.key").write_bytes((tmp_path / "a.key").read_bytes())
    mutual("issue", "client", "b").refused("is not a CA")
    assert files(tmp_path) == ["a.crt", "a.key"]
