"""Revocation lists of ours in other people's hands."""
import pytest

from peers import need, run


@pytest.fixture
def revoked(mutual, ca, tmp_path):
    """Two clients, of whom bob is revoked; the list in all its forms."""
    mutual("crl", "--url", "http://pki.example.com/", "--deltas", "on", "--partitions", "2").ok()
    for name in ("alice", "bob"):
        mutual("issue", "client", name).ok()
    mutual("revoke", "bob", "--reason", "keyCompromise", "--at", "2026-01-01").ok()
    return ca


def test_certtool_reads_every_list_and_finds_the_signature_good(revoked):
    certtool = need("certtool")
    der, = (revoked / "public").glob("*.crt")
    lists = sorted((revoked / "public").glob("*.crl"))
    assert len(lists) == 6
    for path in lists:
        result = run(certtool, "--verify-crl", "--inder", "--load-ca-certificate", der, "--infile", path)
        assert "Verified" in result.stdout + result.stderr
    shown = run(certtool, "--crl-info", "--infile", revoked / "ca.crl").stdout
    assert "Revoked certificates (1)" in shown and "Version: 2" in shown and "error" not in shown.lower()


def test_certtool_refuses_what_is_revoked(revoked, tmp_path):
    verify = [need("certtool"), "--verify", "--load-ca-certificate", revoked / "ca.crt", "--load-crl", revoked / "ca.crl",
              "--infile"]
    run(*verify, tmp_path / "alice.crt")
    refused = run(*verify, tmp_path / "bob.crt", check=False)
    assert refused.returncode != 0 and "revoked" in refused.stdout + refused.stderr


@pytest.mark.parametrize("key_type", ["p384", "p521", "rsa2048", "ed25519"])
def test_openssl_takes_a_list_by_every_kind_of_key(mutual, tmp_path, key_type):
    home = tmp_path / "home"
    mutual("init", "--key-type", key_type, home=home).ok()
    mutual("issue", "client", "alice", home=home).ok()
    mutual("revoke", "alice", home=home).ok()
    result = run(need("openssl"), "verify", "-x509_strict", "-crl_check", "-CAfile", home / "ca.crt", "-CRLfile",
                 home / "ca.crl", tmp_path / "alice.crt", check=False)
    assert result.returncode != 0 and "certificate revoked" in result.stdout + result.stderr
