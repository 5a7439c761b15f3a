"""verify: a verdict in words, on standard output, with an exit status."""
import pathlib

import pytest

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
    mutual("verify", CERTS / "client.crt", "--cacert", CERTS / "ca.crt", "--crl", CERTS / "ca.crt").refused(
        "holds a certificate, not a certificate revocation list")
    verify(mutual, "client", "--purpose", "nonsense").refused("server or client", code=2)
    verify(mutual, "client", at=("--at", "tomorrow")).refused("is not a time", code=2)
