"""home/policy.yaml: what is issued, and that there is no way round it; mutual policy and mutual sign --dry-run."""
import hashlib
import json
import os
import re

import pytest

from made import files, lifetime, names, openssl, text, verify

DAY = 86400

POLICY = """\
# What our servers and people may have.
server:
  names:
    - DNS:*.internal.example
    - .dev.example
    - 10.0.0.0/8
  wildcards: no
  keys: [p256, ed25519, rsa3072+]
  default_lifetime: 7d
  longest_lifetime: 30d
  extensions:
    - oid: 1.3.6.1.4.1.99999.1
      value: ASN1:UTF8String:it's rack 7
client:
  names: ["CN:* Example", 'email:*@example.com']
  longest_lifetime: 10d
  overlong: cut
"""


@pytest.fixture
def policy(ca):
    (ca / "policy.yaml").write_text(POLICY)
    return ca / "policy.yaml"


def test_what_it_allows_is_issued_as_it_says(mutual, ca, policy, tmp_path):
    mutual("issue", "server", "api.internal.example", "a.b.dev.example", "10.1.2.3", "--out", "made").ok()
    assert lifetime(tmp_path / "made.crt") == pytest.approx(7 * DAY, abs=600)
    assert "1.3.6.1.4.1.99999.1" in text(tmp_path / "made.crt") and "it's rack 7" in text(tmp_path / "made.crt")
    verify(ca / "ca.crt", tmp_path / "made.crt", "server")
    mutual("issue", "server", "dev.example", "--days", 30, "--key-type", "rsa3072").ok()
    mutual("issue", "client", "Alice Example").ok()
    mutual("issue", "peer", "anything.example").ok()  # of which it says nothing


@pytest.mark.parametrize("words, said, line", [
    (["server", "evil.example"], "the name DNS:evil.example for a server certificate", 3),
    (["server", "a.b.internal.example"], "DNS:a.b.internal.example", 3),
    (["server", "dev.example", "11.0.0.1"], "IP:11.0.0.1", 3),
    (["server", "dev.example", "--san", "a@example.com"], "email:a@example.com", 3),
    (["server", "*.dev.example"], "DNS:*.dev.example", 7),
    (["server", "dev.example", "--key-type", "p384"], "the key EC P-384", 8),
    (["server", "dev.example", "--key-type", "rsa2048"], "the key RSA 2048", 8),
    (["server", "dev.example", "--days", "31"], "the lifetime 31 days", 10),
    (["server", "localhost", "--days", "31"], "nor 3 more things that were asked for", 3),
    (["client", "Mallory"], "DNS:mallory", 15),
    (["client", "Mallory M"], "CN:Mallory M", 15),
])
def test_what_it_does_not_allow_is_refused_with_the_rules_place(mutual, policy, tmp_path, words, said, line):
    mutual("issue", *words).refused("the policy does not allow", said, f"{policy}:{line}:")
    assert files(tmp_path) == []
    assert mutual("list", "--json").ok().json_lines() == []


def test_an_overlong_lifetime_can_be_cut(mutual, policy, tmp_path):
    result = mutual("issue", "client", "Alice Example", "--days", 90).ok()
    assert f"the lifetime is cut to 10 days by the policy, {policy}:16:3" in result.stderr
    assert lifetime(tmp_path / "Alice Example.crt") == pytest.approx(10 * DAY, abs=600)
    assert "cut" not in mutual("issue", "client", "Bob Example").ok().stderr


def test_requests_are_held_to_it(mutual, policy, tmp_path):
    mutual("request", "evil.example").ok()
    mutual("sign", "evil.example.csr").refused("DNS:evil.example", f"{policy}:3:3")
    assert not (tmp_path / "evil.example.crt").exists()


def test_the_homes_own_files_given_by_name_are_no_way_round_it(mutual, ca, policy, tmp_path):
    mutual("request", "evil.example").ok()
    (tmp_path / "link.crt").symlink_to(ca / "ca.crt")
    for cert in (ca / "ca.crt", "link.crt"):
        mutual("sign", "evil.example.csr", "--cacert", cert, "--cakey", ca / "ca.key").refused("DNS:evil.example", policy.name)


def test_a_server_without_files_is_held_to_it(mutual, policy):
    mutual("serve", "--listen", "localhost:0").refused("DNS:localhost", f"{policy}:3:3")


@pytest.mark.parametrize("bad, said", [
    ("server:\n  nmes: []\n", ":2:3: there is no key \"nmes\" in server"),
    ("server: [\n", ":2:1: this is not YAML"),
    ("", ":1:1: there is nothing in it"),
    ("server:\n  names:\n    - a\n    - \x1b[2J\n", ":4:"),
    ("server: " + "[" * 200000, ":1:74: brackets are nested too deeply"),
], ids=["unknown key", "no YAML", "empty", "control character", "deep"])
def test_a_mistake_in_it_stops_all_issuing(mutual, ca, policy, tmp_path, bad, said):
    mutual("request", "a.internal.example").ok()
    before = files(tmp_path)
    policy.write_text(bad)
    for words in (["issue", "server", "a.internal.example"], ["issue", "peer", "b"], ["sign", "a.internal.example.csr"],
                  ["sign", "a.internal.example.csr", "--dry-run"], ["serve", "--listen", "localhost:0"], ["policy"],
                  ["policy", policy]):
        result = mutual(*words).refused(str(policy), said)
        assert "\x1b" not in result.stderr
    assert files(tmp_path) == before
    assert mutual("list", "--json").ok().json_lines() == []


@pytest.mark.parametrize("spoil", [
    lambda path: path.unlink() or path.symlink_to("nowhere"), lambda path: path.unlink() or path.mkdir(),
    lambda path: path.write_bytes(b"# " + b"x" * (1 << 20)), lambda path: path.write_bytes(os.urandom(4096)),
    lambda path: path.write_bytes("server: {}".encode("utf-16")),
])
def test_one_that_cannot_be_read_stops_all_issuing(mutual, policy, spoil):
    spoil(policy)
    mutual("issue", "peer", "a").refused("policy.yaml", "hint: ")
    assert mutual("list", "--json").ok().json_lines() == []


# --- mutual policy ---

def without_remarks(shown):
    return re.sub(r" *#.*", "", shown)


def test_what_is_shown_could_be_the_file(mutual, policy, tmp_path):
    shown = mutual("policy").ok().stdout
    assert str(policy) in shown and "- '.dev.example'  # line 5" in shown
    assert "default_lifetime: 10d  # line 16" in shown, "no longer than the longest"
    assert "overlong: refuse  # built in" in shown
    (tmp_path / "again.yaml").write_text(shown)
    again = mutual("policy", "again.yaml").ok().stdout
    assert without_remarks(again) == without_remarks(shown)
    policy.write_text(shown)
    mutual("issue", "server", "evil.example").refused("DNS:evil.example")
    mutual("issue", "server", "dev.example").ok()


def test_without_a_file_the_built_in_rules_are_shown(mutual, ca):
    shown = mutual("policy").ok().stdout
    assert f"there is no {ca}/policy.yaml" in shown
    assert shown.count("default_lifetime: 90d  # built in") == 3
    facts = mutual("policy", "--json").ok().json()
    assert facts["file"] is None and facts["server"]["names"] is None and facts["server"]["keys"] is None


def test_a_policy_as_json(mutual, policy):
    facts = mutual("policy", "--json").ok().json()
    assert facts["file"] == str(policy)
    server = facts["server"]
    assert server["names"] == [{"pattern": "DNS:*.internal.example", "line": 4}, {"pattern": ".dev.example", "line": 5},
                               {"pattern": "10.0.0.0/8", "line": 6}]
    assert [key["type"] for key in server["keys"]] == ["p256", "ed25519", "rsa3072+"]
    assert (server["wildcards"], server["default_lifetime_s"], server["longest_lifetime_s"], server["overlong"]) == (
        False, 7 * DAY, 30 * DAY, "refuse")
    assert server["extensions"] == [{"oid": "1.3.6.1.4.1.99999.1", "critical": False,
                                     "value": "ASN1:UTF8String:it's rack 7", "line": 12}]


def test_a_file_can_be_checked_before_it_takes_its_place(mutual, ca, tmp_path):
    (tmp_path / "new.yaml").write_text("server:\n  names: [a.example]\n  nams: []\n")
    mutual("policy", "new.yaml").refused("new.yaml:3:3: there is no key \"nams\"", "the keys there are: names")
    assert mutual("policy", "--json", "new.yaml").json()["error"]["id"] == "policy-file"
    mutual("policy", "none.yaml").refused("none.yaml")
    assert mutual("policy", "-", input="server: {names: [a.example]}").ok().stdout.count("a.example") == 1
    mutual("policy", "a", "b").refused("\"b\"", code=2)


def test_a_path_that_is_no_text_is_shown_all_the_same(mutual, ca, policy, tmp_path):
    strange = os.path.join(os.fsencode(tmp_path), b"a\xff\x1b[2J")
    os.rename(ca, strange)
    home = os.fsdecode(strange)
    mutual("request", "evil.example").ok()
    for words in (["policy"], ["sign", "evil.example.csr", "-n"]):
        result = mutual(*words, "--home", home)
        assert "a\\xff\\x1b[2J/policy.yaml" in result.stdout and "\x1b" not in result.stdout + result.stderr
        assert "a\\xff\\x1b[2J/policy.yaml" in mutual(*words, "--home", home, "--json").stdout.replace("\\\\", "\\")
    os.unlink(os.path.join(strange, b"policy.yaml"))
    assert "\x1b" not in mutual("policy", "--home", home).ok().stdout


# --- mutual sign --dry-run ---

def test_a_dry_run_says_yes_by_which_rules_and_shows_the_certificate(mutual, ca, policy, tmp_path):
    mutual("request", "www.dev.example").ok()
    before, trail = files(tmp_path, ca), mutual("audit").ok().stdout
    result = mutual("sign", "www.dev.example.csr", "--dry-run").ok()
    assert result.stdout.startswith('yes: "www.dev.example" would be signed as a server certificate\n')
    assert f'DNS:www.dev.example: allowed by server.names[1], ".dev.example" ({policy}:5:7)' in result.stdout
    assert f'EC P-256: allowed by server.keys[0], "p256" ({policy}:8:10)' in result.stdout
    assert f"7 days: allowed by server.default_lifetime, \"7 days\" ({policy}:9:3)" in result.stdout
    assert "subject      CN=www.dev.example" in result.stdout and "issuer       CN=my-ca" in result.stdout
    assert "1.3.6.1.4.1.99999.1: it's rack 7" in result.stdout
    for never in ("BEGIN", "SHA-256     ", "serial  "):
        assert never not in result.stdout
    assert files(tmp_path, ca) == before and mutual("audit").ok().stdout == trail
    assert mutual("list", "--json").ok().json_lines() == []


def test_a_dry_run_shows_what_is_then_signed(mutual, policy, tmp_path):
    mutual("request", "www.dev.example", "--san", "10.0.0.1").ok()
    promised = mutual("sign", "www.dev.example.csr", "-n", "--json").ok().json()
    assert (promised["would_sign"], promised["error"], promised["policy"]) == (True, None, str(policy))
    mutual("sign", "www.dev.example.csr").ok()
    signed = mutual("inspect", "--json", "www.dev.example.crt").ok().json()["objects"][0]
    certificate = promised["certificate"]
    for changes in ("not_before", "not_after"):
        del certificate[changes]
    assert certificate and certificate == {name: signed[name] for name in certificate}
    assert not {"serial", "sha256", "sha1"} & set(certificate)


def test_a_dry_run_says_no_and_why(mutual, ca, policy, tmp_path):
    mutual("request", "evil.example").ok()
    before = files(tmp_path, ca)
    result = mutual("sign", "evil.example.csr", "--dry-run", "--days", 31)
    assert result.code == 1
    assert result.stdout.startswith('no: "evil.example" would not be signed as a server certificate\n')
    assert f"DNS:evil.example: not listed in server.names ({policy}:3:3)" in result.stdout
    assert f'31 days: refused by server.longest_lifetime, "at most 30 days" ({policy}:10:3)' in result.stdout
    assert "subject" not in result.stdout and "the policy does not allow" in result.stderr
    told = mutual("sign", "evil.example.csr", "--dry-run", "--json")
    assert told.code == 1 and told.stderr == ""
    facts = told.json()
    assert (facts["would_sign"], facts["certificate"], facts["error"]["id"]) == (False, None, "policy-denied")
    assert [(one["kind"], one["allowed"], one["line"]) for one in facts["rules"]] == [
        ("name", False, 3), ("key", True, 8), ("lifetime", True, 9)]
    assert files(tmp_path, ca) == before


def test_a_dry_run_finds_what_no_policy_says(mutual, home, tmp_path):
    mutual("init", "--permit", "DNS:internal.example").ok()
    mutual("request", "evil.example").ok()
    result = mutual("sign", "evil.example.csr", "-n")
    assert result.code == 1 and "no: " in result.stdout and "its name constraints permit only" in result.stderr
    assert 'DNS:evil.example: allowed by server.names, "all names" (built in)' in result.stdout
    assert mutual("sign", "evil.example.csr", "-n", "--json").json()["error"]["id"] == "name-constraint"


@pytest.mark.parametrize("key", [["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], ["ed25519"]])
def test_a_dry_run_by_any_ca(mutual, tmp_path, key):
    openssl("req", "-x509", "-newkey", *key, "-nodes", "-keyout", "ca.key", "-subj", "/CN=their-ca", "-days", 30,
            "-out", "ca.crt", cwd=tmp_path)
    mutual("request", "a.example").ok()
    before = files(tmp_path)
    by = ("--cacert", "ca.crt", "--cakey", "ca.key")
    promised = mutual("sign", "a.example.csr", "-n", "--json", *by).ok().json()["certificate"]
    assert files(tmp_path) == before
    mutual("sign", "a.example.csr", *by).ok()
    assert names(tmp_path / "a.example.crt") == ["DNS:a.example"] and promised["names"] == ["DNS:a.example"]
    assert promised["signature"] == mutual("inspect", "--json", "a.example.crt").json()["objects"][0]["signature"]


def test_a_dry_run_needs_no_free_name_for_the_result(mutual, ca, tmp_path):
    mutual("request", "a.example").ok()
    (tmp_path / "a.example.crt").write_text("mine")
    mutual("sign", "a.example.csr", "-n").ok()
    assert (tmp_path / "a.example.crt").read_text() == "mine"


def test_the_trail_tells_with_which_policy_a_certificate_was_issued(mutual, ca):
    mutual("issue", "client", "a").ok()
    (ca / "policy.yaml").write_text("client:\n  names: ['DNS:*']\n")
    mutual("issue", "client", "b").ok()
    mutual("issue", "client", "c").ok()
    (ca / "policy.yaml").unlink()
    mutual("issue", "client", "d").ok()
    entries = [json.loads(line) for line in mutual("audit", "--json").ok().stdout.splitlines()]
    assert [entry["action"] for entry in entries] == ["ca", "issue", "policy", "issue", "issue", "policy", "issue"]
    digest = hashlib.sha256(b"client:\n  names: ['DNS:*']\n").hexdigest().upper()
    assert [entry["sha256"] for entry in entries if entry["action"] == "policy"] == [digest, ""]
