"""Everything that mutual makes, before judges who go by RFC 5280: openssl, GnuTLS, zlint, and mutual's own strict one."""
import json

import pytest

from conftest import Mutual
from peers import need, run

CA_TYPES = ["p256", "p384", "p521", "rsa2048", "rsa3072", "ed25519"]
LEAVES = [  # profile, names, options
    ("server", ["localhost"], []),
    ("server", ["*.example.com"], ["--san", "example.com"]),
    ("server", ["a-name-that-is-longer.than-the-sixty-four-characters.of-a-common-name.example.com"], []),
    ("server", ["my_host.example.com"], ["--san", "192.0.2.7", "--san", "2001:db8::7"]),
    ("server", ["xn--bcher-kva.example"], ["--key-type", "rsa2048"]),
    ("server", ["2001:db8::8"], ["--key-type", "p384"]),
    ("peer", ["node-1.example.com"], ["--key-type", "p521"]),
    ("peer", ["node-2.example.com"], ["--key-type", "rsa2048"]),
    ("client", ["my-client"], []),
    ("client", ["my-other-client"], ["--key-type", "rsa3072"]),
    ("client", ["Alice Example"], []),
    ("client", ["alice@example.com"], ["--key-type", "ed25519"]),
    ("client", ["spiffe://example.com/service"], ["--days", "1"]),
]


class Made:
    """One CA, and what it has issued: (profile, certificate) each."""

    def __init__(self, directory, key_type):
        self.directory = directory
        self.mutual = Mutual(directory / "home", directory)
        self.mutual("init", "Example CA", "--key-type", key_type).ok()
        self.ca = directory / "home/ca.crt"
        self.leaves = [(profile, self.issue(profile, *names, *options)) for profile, names, options in LEAVES]
        run(need("openssl"), "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=theirs", "-keyout", "theirs.key",
            "-addext", "subjectAltName=DNS:theirs.example.com", "-out", "theirs.csr", cwd=directory)
        for profile in ("server", "client"):
            self.mutual("sign", "theirs.csr", "--profile", profile, "--out", f"theirs-{profile}.crt").ok()
            self.leaves.append((profile, directory / f"theirs-{profile}.crt"))

    def issue(self, profile, *words):
        return self.directory / self.mutual("issue", profile, *words, "--json").ok().json()["cert"]

    def pem(self, der):
        """zlint reads lists in PEM only."""
        out = self.directory / f"{der.stem}.pem"
        run(need("openssl"), "crl", "-inform", "DER", "-in", der, "-out", out)
        return out


@pytest.fixture(scope="module", params=CA_TYPES)
def made(request, tmp_path_factory):
    return Made(tmp_path_factory.mktemp(request.param), request.param)


def purposes(profile):
    return ["server", "client"] if profile == "peer" else [profile]


def test_openssl_finds_nothing(made):
    for profile, cert in made.leaves:
        for purpose in purposes(profile):
            run(need("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-purpose", f"ssl{purpose}",
                "-CAfile", made.ca, cert)


def test_gnutls_finds_nothing(made):
    usages = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}
    for profile, cert in made.leaves:
        for purpose in purposes(profile):
            run(need("certtool"), "--verify", "--load-ca-certificate", made.ca, "--infile", cert,
                "--verify-purpose", usages[purpose])


def zlint_errors(path):
    """What zlint's lints of RFC 5280 have to say that is more than a remark."""
    told = json.loads(run(need("zlint"), "-includeSources", "RFC5280", path).stdout)
    assert any(lint["result"] == "pass" for lint in told.values()), told
    return {name: lint for name, lint in told.items() if lint["result"] in ("error", "fatal")}


def test_zlint_finds_nothing(made):
    for cert in [made.ca, *(cert for _, cert in made.leaves)]:
        assert zlint_errors(cert) == {}, cert


def test_zlint_finds_what_is_wrong(made):
    """So that the test above can fail: a certificate by hand, which zlint does not like."""
    run(need("openssl"), "req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=x", "-keyout", "x.key",
        "-set_serial", "0", "-out", "x.crt", cwd=made.directory)
    assert zlint_errors(made.directory / "x.crt") != {}


def test_mutual_itself_finds_nothing_strictly(made):
    for profile, cert in made.leaves:
        for purpose in purposes(profile):
            told = made.mutual("verify", "--strict", cert, "--purpose", purpose, "--json").ok().json()
            assert told["good"] and told["not_strict"] == [], cert


def test_a_list_passes_before_all_of_them(made):
    """The complete one: for every certificate, with one on it."""
    made.mutual("revoke", made.leaves[0][1], "--reason", "superseded").ok()
    crl = made.directory / "home/ca.crl"
    for cert in [cert for profile, cert in made.leaves[1:] if profile == "client"]:
        run(need("openssl"), "verify", "-x509_strict", "-crl_check_all", "-CRLfile", crl, "-CAfile", made.ca, cert)
        told = made.mutual("verify", "--strict", "--crl", crl, cert, "--json").ok().json()
        assert told["not_strict"] == []
    assert made.mutual("verify", "--strict", "--crl", crl, made.leaves[0][1], "--json").json()["id"] == "revoked"
    run(need("certtool"), "--verify-crl", "--load-ca-certificate", made.ca, "--infile", crl)
    assert zlint_errors(crl) == {}


def test_partitions_and_deltas_pass_before_all_of_them(made):
    made.mutual("crl", "--url", "http://pki.example.com/", "--partitions", "2", "--deltas", "on").ok()
    good, bad = made.issue("client", "stays"), made.issue("client", "goes")
    made.mutual("revoke", bad, "--reason", "keyCompromise").ok()
    lists = sorted((made.directory / "home/public").glob("*.crl"))
    assert len(lists) == 6
    for crl in lists:
        pem = made.pem(crl)
        run(need("certtool"), "--verify-crl", "--load-ca-certificate", made.ca, "--infile", pem)
        run(need("openssl"), "crl", "-in", pem, "-noout", "-CAfile", made.ca)
    words = [word for crl in lists for word in ("--crl", crl)]
    assert made.mutual("verify", "--strict", good, *words, "--json").ok().json()["not_strict"] == []
    assert made.mutual("verify", "--strict", bad, *words, "--json").json()["id"] == "revoked"
    for cert in (good, bad):
        assert zlint_errors(cert) == {}
    for crl in lists:
        assert zlint_errors(made.pem(crl)) == {}
