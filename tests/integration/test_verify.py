"""verify: a verdict in words, on standard output, with an exit status."""
import pathlib

import pytest

from made import openssl

CERTS = pathlib.Path(__file__).resolve().parents[1] / "data/certs"
AT = ("--at", "2026-06-01")


def verify(mutual, leaf, *words, trust="ca", at=AT):
    return mutual("verify", CERTS / f"{leaf}.crt", "--cacert", CERTS / f"{trust}.crt", *at, *words)


def refused(result, *words):
    """The verdict is what was asked for: it stands on standard output, and nothing on standard error."""
    assert result.code == 1 and result.stderr == "", result
    assert result.stdout.startswith("refused: "), result
    assert "  hint " in result.stdout, result
    for word in words:
        assert word in result.stdout, f"{word!r} is not in {result!r}"


def test_what_mutual_issues_is_good_by_the_home_ca(ca, mutual):
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    said = mutual("verify", "localhost.crt", "--host", "::1").ok().stdout
    assert said.startswith('good: "localhost" is valid as a TLS server\'s for ::1, by the trusted CA "my-ca"')
    mutual("verify", "my-client.crt", "--purpose", "client").ok()
    refused(mutual("verify", "my-client.crt", "--purpose", "server"), "it is for TLS client")
    refused(mutual("verify", "localhost.crt", "--host", "example.com"), "DNS:localhost", "server_name_mismatch")
    refused(mutual("verify", "my-client.crt", "--at", "2525-01-01"), "expired on")


def test_without_a_ca_the_way_to_one_is_told(mutual):
    mutual("verify", CERTS / "client.crt").refused("there is no CA", "--cacert", "mutual init")


@pytest.mark.parametrize("leaf, words, expected", [
    ("expired", (), ("expired on 2026-05-20 00:00 UTC, 12 days ago", "client_cert_expired")),
    ("future", (), ("valid only from 2027-01-01", "client_cert_not_yet_valid")),
    ("stranger", (), ('issued by "Other Root", which is not among the trusted CAs', "client_untrusted_ca")),
    ("under-intermediate", (), ('issued by "Test Issuing CA", by its name an intermediate CA, which was not sent', "client_chain_incomplete")),
    ("self-signed", (), ("is signed by itself", "server_self_signed")),
    ("weak-key", (), ("is too weak: RSA 1024", "key_too_small")),
    ("weak-signature", (), ("ecdsa-with-SHA1", "signature_too_weak")),
    ("server", ("--purpose", "client"), ("it is for TLS server", "client_cert_no_clientauth")),
    ("server", ("--host", "192.0.2.7"), ("not for the address 192.0.2.7", "server_ip_not_in_san")),
    ("revoked", ("--crl", CERTS / "ca.crl"), ('"mallory"', "was revoked on", "client_cert_revoked")),
    ("client", ("--crl", CERTS / "ca-stale.crl"), ("out of date", "crl_expired")),
    ("under-not-a-ca", ("--untrusted", CERTS / "not-a-ca.crt"), ("is no CA itself", "issuer_not_ca")),
])
def test_each_refusal_says_why_and_what_to_do(mutual, leaf, words, expected):
    refused(verify(mutual, leaf, *words), *expected)


def test_a_ca_made_anew_under_the_same_name_is_told(mutual):
    refused(verify(mutual, "client", trust="new-ca"), "has another key", "ca_rekeyed_same_name")


def test_a_chain_file_brings_its_own_intermediates(mutual, tmp_path):
    chain = tmp_path / "chain.crt"
    chain.write_text((CERTS / "under-intermediate.crt").read_text() + (CERTS / "intermediate.crt").read_text())
    said = mutual("verify", chain, "--cacert", CERTS / "ca.crt", *AT).ok().stdout
    assert [line for line in said.splitlines() if '"Test Issuing CA"' in line]
    chain.write_text((CERTS / "intermediate.crt").read_text() + (CERTS / "under-intermediate.crt").read_text())
    assert "[bundle_wrong_order]" in mutual("verify", chain, "--cacert", CERTS / "ca.crt", *AT).ok().stdout


def test_the_hand_made_recipe_is_good_with_warnings(mutual):
    said = verify(mutual, "recipe-v1", "--host", "localhost", trust="recipe-ca", at=("--at", "2030-01-01")).ok().stdout
    assert said.startswith("good: ")
    assert "[cert_is_v1]" in said and "[server_no_san]" in said


def test_json_has_the_verdict_and_the_chain(mutual):
    good = verify(mutual, "client", "--json").ok().json()
    assert good["good"] is True and good["id"] == "ok"
    assert [cert["common_name"] for cert in good["chain"]] == ["alice", "Test CA"]
    bad = verify(mutual, "expired", "--json")
    assert bad.code == 1
    assert bad.json()["good"] is False and bad.json()["id"] == "expired"
    assert bad.json()["cause"] == "client_cert_expired" and bad.json()["depth"] == 0


def test_what_cannot_be_judged_is_an_error(mutual, tmp_path):
    (tmp_path / "empty").write_text("")
    mutual("verify", "empty", "--cacert", CERTS / "ca.crt").refused("empty is empty")
    mutual("verify", CERTS / "client.crt", "--cacert", CERTS / "ca.crt", "--host", "").refused("host name is empty")
    for more in ((), ("--strict",)):
        verify(mutual, "server", "--host", ".example.com", *more).refused("begins with a dot")
    mutual("verify", CERTS / "client.crt", "--cacert", CERTS / "ca.crt", "--crl", CERTS / "ca.crt").refused(
        "holds a certificate, not a certificate revocation list")
    verify(mutual, "client", "--purpose", "nonsense").refused("server or client", code=2)
    verify(mutual, "client", at=("--at", "tomorrow")).refused("is not a time", code=2)


# --- Strictly, by RFC 5280 ---

@pytest.fixture(scope="module")
def openssl_ca(tmp_path_factory):
    """A CA that openssl keeps, with lists that have numbers; and what it signs."""
    return OpensslCa(tmp_path_factory.mktemp("openssl-ca"))


class OpensslCa:
    CONFIGURATION = """
[ca]
default_ca = this
[this]
database = index.txt
new_certs_dir = .
certificate = {name}.crt
private_key = {name}.key
crlnumber = crlnumber
crl_extensions = list
rand_serial = yes
policy = any
default_md = sha256
default_crl_days = 3650
unique_subject = no
[any]
commonName = supplied
[list]
authorityKeyIdentifier = keyid:always
[leaf]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = email:alice@example.com,email:a.l@example.com,IP:2001:db8::1
[issuer]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""

    def __init__(self, at):
        self.at = at
        (at / "index.txt").write_text("")
        (at / "crlnumber").write_text("01\n")
        (at / "extensions").write_text("basicConstraints=critical,CA:TRUE\n")
        for name in ("root", "other"):
            openssl("req", "-new", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days",
                    "3650", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt",
                    "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=at)
        self.request("issuing")
        self.request("alice")
        self.sign("root", "issuing", "issuer")
        self.sign("issuing", "alice", "leaf")
        for name in ("root", "issuing"):
            self.run(name, "-gencrl", "-out", f"{name}.crl")

    def request(self, name):
        openssl("req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.at)

    def run(self, ca, *words):
        (self.at / f"{ca}.conf").write_text(self.CONFIGURATION.format(name=ca))
        openssl("ca", "-batch", "-notext", "-config", f"{ca}.conf", *words, cwd=self.at)

    def sign(self, ca, name, extensions, out=None, days=("-days", "365")):
        self.run(ca, "-in", f"{name}.csr", "-extensions", extensions, *days, "-out", f"{out or name}.crt")


def strict(mutual, ca, leaf, *words):
    return mutual("verify", ca.at / f"{leaf}.crt", "--strict", *words)


def test_what_mutual_issues_is_good_strictly(ca, mutual):
    for words in (["server", "localhost"], ["client", "my-client"], ["peer", "node", "--key-type", "rsa2048"],
                  ["client", "Alice Example"], ["server", "my_host.example.com"]):
        name = mutual("issue", *words, "--json").ok().json()["cert"]
        said = mutual("verify", name, "--strict").ok().stdout
        assert said.startswith("good: ") and "strictly by RFC 5280" in said
        assert "not strict" not in mutual("verify", name).ok().stdout


def test_what_strict_would_refuse_is_a_warning_without_it(mutual):
    how = {"trust": "recipe-ca", "at": ("--at", "2030-01-01")}
    said = verify(mutual, "recipe-v1", "--host", "localhost", **how).ok().stdout
    assert said.startswith("good: ") and "  not strict " in said
    told = verify(mutual, "recipe-v1", "--json", **how).ok().json()
    assert told["good"] and not told["strict"] and told["not_strict"][0]["id"] == "cert-version"
    refused(verify(mutual, "recipe-v1", "--host", "localhost", "--strict", **how), "name in its CN does not count",
            "server_no_san (RFC 9525 2)")
    refused(verify(mutual, "recipe-v1", "--strict", **how), "not an X.509 v3 certificate", "cert_is_v1 (RFC 5280 4.1.2.1)")


def test_a_list_without_a_number_is_refused_strictly(mutual):
    verify(mutual, "client", "--crl", CERTS / "ca.crl").ok()
    refused(verify(mutual, "client", "--crl", CERTS / "ca.crl", "--strict"), "has no number",
            "crl_number_missing (RFC 5280 5.2.3)")


def test_every_certificate_in_cacert_is_an_anchor_strictly(mutual, openssl_ca, tmp_path):
    at = openssl_ca.at
    for anchor in ("issuing", "alice"):
        strict(mutual, openssl_ca, "alice", "--cacert", at / f"{anchor}.crt").ok()
    refused(mutual("verify", at / "alice.crt", "--cacert", at / "issuing.crt"), "trust_file_intermediate_only")
    many = tmp_path / "many.crt"
    many.write_text("".join((at / f"{name}.crt").read_text() for name in ("other", "alice", "root")))
    (tmp_path / "between.crt").write_text("".join((at / f"{name}.crt").read_text() for name in ("other", "issuing")))
    strict(mutual, openssl_ca, "alice", "--cacert", at / "root.crt", "--untrusted", "between.crt").ok()
    strict(mutual, openssl_ca, "alice", "--cacert", at / "root.crt", "--untrusted", at / "other.crt", "--untrusted",
           at / "issuing.crt").ok()
    told = strict(mutual, openssl_ca, "alice", "--cacert", many, "--json").ok().json()
    assert [one["common_name"] for one in told["chain"]] == ["alice"]
    refused(strict(mutual, openssl_ca, "issuing", "--cacert", at / "other.crt"), "not among the trusted CAs")
    # A leaf where a CA should be, without --strict: a mistake that is told before anything is judged.
    mutual("verify", at / "alice.crt", "--cacert", at / "alice.crt").refused("is not a CA")


def test_names_are_asked_for(mutual, openssl_ca):
    trust = ("--cacert", openssl_ca.at / "issuing.crt")
    said = strict(mutual, openssl_ca, "alice", *trust, "--email", "alice@example.com", "--email", "a.l@EXAMPLE.com").ok()
    assert "for alice@example.com and a.l@EXAMPLE.com" in said.stdout
    refused(strict(mutual, openssl_ca, "alice", *trust, "--email", "alice@example.com", "--email", "bob@example.com"),
            "not for the e-mail address bob@example.com: it is for email:alice@example.com", "email_not_in_san")
    refused(strict(mutual, openssl_ca, "alice", *trust, "--host", "2001:db8::1"), "it is for TLS client")
    strict(mutual, openssl_ca, "alice", *trust, "--host", "2001:db8:0::1", "--purpose", "client").ok()
    refused(strict(mutual, openssl_ca, "alice", *trust, "--host", "2001:db8::2", "--purpose", "client"), "IP:2001:db8::1")
    strict(mutual, openssl_ca, "alice", *trust, "--email", "alice").refused("--email", "alice@example.com", code=2)
    strict(mutual, openssl_ca, "alice", *trust, "--email", "").refused("--email", code=2)


def test_depth_is_counted_in_cas_between(mutual, openssl_ca):
    trust = ("--cacert", openssl_ca.at / "root.crt", "--untrusted", openssl_ca.at / "issuing.crt")
    for more in ((), ("--strict",)):
        mutual("verify", openssl_ca.at / "alice.crt", *trust, "--depth", "1", *more).ok()
        refused(mutual("verify", openssl_ca.at / "alice.crt", *trust, "--depth", "0", *more), "longer than is allowed")
    for depth in ("-1", "x", "", "99999"):
        strict(mutual, openssl_ca, "alice", *trust, f"--depth={depth}").refused("--depth", code=2)


def test_the_second_of_its_end_is_within_its_time(mutual, openssl_ca):
    openssl_ca.sign("issuing", "alice", "leaf", "short", ("-startdate", "20260101000000Z", "-enddate", "20260201120000Z"))
    openssl_ca.sign("root", "issuing", "issuer", "issuing-then", ("-startdate", "20260101000000Z", "-enddate", "20270101000000Z"))
    trust = ("--cacert", openssl_ca.at / "issuing-then.crt")
    for at in ("2026-02-01T12:00:00Z", "2026-02-01T13:00:00+01:00", "2026-02-01T12:00:00.999Z", "2026-01-01T00:00:00Z"):
        strict(mutual, openssl_ca, "short", *trust, "--at", at).ok()
    refused(strict(mutual, openssl_ca, "short", *trust, "--at", "2026-02-01T12:00:01Z"), "expired on 2026-02-01 12:00 UTC")
    refused(strict(mutual, openssl_ca, "short", *trust, "--at", "2025-12-31T23:59:59.999Z"), "valid only from")


def test_another_way_round_a_failing_one_is_found(mutual, openssl_ca):
    """The issuing CA has two certificates: one by a CA that signs it away, one by the root."""
    openssl_ca.sign("other", "issuing", "issuer", "crossed", ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z"))
    at = openssl_ca.at
    for order in (("crossed", "issuing"), ("issuing", "crossed")):
        words = [word for name in order for word in ("--untrusted", at / f"{name}.crt")]
        strict(mutual, openssl_ca, "alice", "--cacert", at / "other.crt", "--cacert", at / "root.crt", *words).ok()
    refused(strict(mutual, openssl_ca, "alice", "--cacert", at / "other.crt", "--untrusted", at / "crossed.crt"),
            'the intermediate CA certificate "issuing" expired on 2021-01-01')


def test_lists_are_asked_for_each_certificate_but_the_anchor(mutual, openssl_ca):
    at = openssl_ca.at
    lists = ("--crl", at / "issuing.crl", "--crl", at / "root.crl")
    strict(mutual, openssl_ca, "alice", "--cacert", at / "root.crt", "--untrusted", at / "issuing.crt", *lists).ok()
    strict(mutual, openssl_ca, "alice", "--cacert", at / "issuing.crt", *lists[:2]).ok()
    refused(strict(mutual, openssl_ca, "alice", "--cacert", at / "root.crt", "--untrusted", at / "issuing.crt", *lists[:2]),
            'no revocation list from "root"', "crl_missing")


def test_explain_shows_the_chain_as_built_and_the_first_thing_wrong(mutual, openssl_ca):
    at = openssl_ca.at
    said = strict(mutual, openssl_ca, "alice", "--cacert", at / "root.crt", "--untrusted", at / "issuing.crt",
                  "--explain").ok().stdout
    shown = said[said.index("  explained "):]
    assert [word for word in ("0  CN=alice", "1  CN=issuing", "2  CN=root", "trusted: the chain ends here")
            if word not in shown] == []
    assert "wrong here" not in said
    said = verify(mutual, "under-expired-intermediate", "--untrusted", CERTS / "expired-intermediate.crt", "--explain").stdout
    shown = said[said.index("  explained "):]
    assert shown.index("1  CN=Old Issuing CA") < shown.index("wrong here: the intermediate CA certificate") < \
        shown.index("2  CN=Test CA")
    said = strict(mutual, openssl_ca, "alice", "--cacert", at / "root.crt", "--explain").stdout
    assert "its issuer CN=issuing is not among the certificates given" in said
