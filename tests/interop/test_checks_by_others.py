"""Everything that mutual makes, before judges who go by RFC 5280: openssl, GnuTLS, zlint, and mutual's own strict one."""
import json
import re

import pytest

from conftest import Mutual
from peers import need, run

pytestmark = pytest.mark.judged

CA_TYPES = ["p256", "p384", "p521", "rsa2048", "rsa3072", "ed25519", "ml-dsa-65"]
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


# What a CA that is bound to names may issue, and with what its policy adds.
BOUND = ["DNS:example.com", "IP:192.0.2.0/24", "IP:2001:db8::/32", "email:example.com", "URI:example.com"]
BOUND_LEAVES = [leaf for leaf in LEAVES if "example.com" in leaf[1][0] or "2001:db8" in leaf[1][0]]
POLICY = """
server:
  extensions:
    - {oid: 1.3.6.1.4.1.99999.1, critical: no, value: "ASN1:UTF8String:rack 7"}
client:
  longest_lifetime: 30d
  overlong: cut
  extensions:
    - {oid: 1.3.6.1.4.1.99999.2, critical: no, value: "DER:0C:01:78"}
"""


class Made:
    """One CA, and what it has issued: (profile, certificate) each."""

    def __init__(self, directory, key_type, *options, leaves=tuple(LEAVES), policy=None):
        self.directory, self.key_type = directory, key_type
        self.mutual = Mutual(directory / "home", directory)
        made = self.mutual("init", "Example CA", "--key-type", key_type, *options)
        if "needs OpenSSL" in made.stderr:
            pytest.skip(f"this OpenSSL has no {key_type}")
        made.ok()
        if policy is not None:
            (directory / "home/policy.yaml").write_text(policy)
        self.ca = directory / "home/ca.crt"
        self.leaves = [(profile, self.issue(profile, *names, *options)) for profile, names, options in leaves]
        run(need("openssl"), "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=theirs.example.com", "-keyout",
            "theirs.key", "-addext", "subjectAltName=DNS:theirs.example.com", "-out", "theirs.csr", cwd=directory)
        for profile in ("server", "client"):
            self.mutual("sign", "theirs.csr", "--profile", profile, "--out", f"theirs-{profile}.crt").ok()
            self.leaves.append((profile, directory / f"theirs-{profile}.crt"))
        renewed = self.issue("server", "renewed.example.com")
        self.mutual("renew", renewed, "--force").ok()
        self.leaves.append(("server", renewed))
        self.make_states()

    def make_states(self):
        """Each state in which a certificate can be, before the lists and the answers that tell of it."""
        self.states = {}
        for state in ("good", "bad", "held", "released", "gone"):
            self.states[state] = self.issue("client", f"{state}@example.com",
                                            *(["--lifetime", "1s"] if state == "gone" else []))
        for state, reason in [("bad", "keyCompromise"), ("held", "hold"), ("released", "hold"), ("gone", "superseded")]:
            self.mutual("revoke", self.states[state], "--reason", reason).ok()
        self.mutual("revoke", self.states["released"], "--release").ok()

    def issue(self, profile, *words):
        return self.directory / self.mutual("issue", profile, *words, "--json").ok().json()["cert"]

    def pem(self, der):
        """zlint reads lists in PEM only."""
        out = self.directory / f"{der.stem}.pem"
        run(need("openssl"), "crl", "-inform", "DER", "-in", der, "-out", out)
        return out

    def responder(self):
        """The certificate that signs the answers; made by the first."""
        if not (self.directory / "home/ocsp.crt").exists():
            self.mutual("ocsp", "request", self.states["good"], "--out", "first.req").ok()
            self.mutual("ocsp", "answer", "first.req").ok()
        return self.directory / "home/ocsp.crt"

    def understood_by(self, judge):
        """ML-DSA is new to all but the openssl that makes it."""
        if self.key_type.startswith("ml-dsa"):
            pytest.skip(f"{judge} knows no {self.key_type} everywhere yet")


# What each has made is made once: its tests stay together, in one of the processes that share the work.
@pytest.fixture(scope="module", params=[
    pytest.param(name, marks=pytest.mark.xdist_group(f"checks-{name}")) for name in [*CA_TYPES, "bound"]])
def made(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    if request.param != "bound":
        return Made(directory, request.param)
    words = [word for name in BOUND for word in ("--permit", name)]
    return Made(directory, "p256", *words, "--exclude", "DNS:a.vip.example.com", leaves=BOUND_LEAVES, policy=POLICY)


def purposes(profile):
    return ["server", "client"] if profile == "peer" else [profile]


def test_openssl_finds_nothing(made):
    for profile, cert in made.leaves:
        for purpose in purposes(profile):
            run(need("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-purpose", f"ssl{purpose}",
                "-CAfile", made.ca, cert)


def test_gnutls_finds_nothing(made):
    made.understood_by("GnuTLS")
    usages = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}
    for profile, cert in made.leaves:
        for purpose in purposes(profile):
            run(need("certtool"), "--verify", "--load-ca-certificate", made.ca, "--infile", cert,
                "--verify-purpose", usages[purpose])


def zlint_errors(path):
    """What zlint's lints of RFC 5280 have to say that is more than a remark."""
    told = json.loads(run(need("zlint"), "-includeSources", "RFC5280", path).stdout)
    assert any(lint["result"] == "pass" for lint in told.values()), told
    # Some versions run lints of the CA/Browser Forum (e_cab_...) on lists all the same: it wants no holds in public PKI.
    return {name: lint for name, lint in told.items()
            if lint["result"] in ("error", "fatal") and not name.startswith("e_cab_")}


def test_zlint_finds_nothing(made):
    for cert in [made.ca, made.responder(), *(cert for _, cert in made.leaves)]:
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
    listed = run(need("openssl"), "crl", "-in", crl, "-noout", "-text").stdout
    assert "Certificate Hold" in listed and "Key Compromise" in listed and "Superseded" in listed
    for cert in [cert for profile, cert in made.leaves[1:] if profile == "client"]:
        run(need("openssl"), "verify", "-x509_strict", "-crl_check_all", "-CRLfile", crl, "-CAfile", made.ca, cert)
        told = made.mutual("verify", "--strict", "--crl", crl, cert, "--json").ok().json()
        assert told["not_strict"] == []
    assert made.mutual("verify", "--strict", "--crl", crl, made.leaves[0][1], "--json").json()["id"] == "revoked"
    for state in ("bad", "held"):  # the one that has expired is on the list for one list more, or no longer
        refused = run(need("openssl"), "verify", "-no_check_time", "-crl_check", "-CRLfile", crl, "-CAfile", made.ca,
                      made.states[state], check=False)
        assert refused.returncode != 0 and "certificate revoked" in refused.stderr
    assert zlint_errors(crl) == {}
    made.understood_by("GnuTLS")
    run(need("certtool"), "--verify-crl", "--load-ca-certificate", made.ca, "--infile", crl)


def test_strict_judges_accept_the_responders_certificate(made):
    cert = made.responder()
    run(need("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-purpose", "ocsphelper", "-CAfile",
        made.ca, cert)
    told = made.mutual("verify", "--strict", cert, "--json").ok().json()
    assert told["not_strict"] == []
    made.understood_by("GnuTLS")
    run(need("certtool"), "--verify", "--load-ca-certificate", made.ca, "--infile", cert, "--verify-purpose",
        "1.3.6.1.5.5.7.3.9")


SAID = {"good": "good", "bad": "revoked", "held": "revoked", "released": "good", "gone": "revoked"}


def test_openssl_believes_the_answers_strictly(made):
    """To its own requests, which name the CA by one hash or another; and to one about a number that nobody has."""
    openssl = need("openssl")
    certs = [word for state in SAID for word in ("-cert", made.states[state])]
    for digest in ("-sha1", "-sha256"):
        issuer = ["-issuer", made.ca, digest]
        run(openssl, "ocsp", *issuer, *certs, "-serial", "0x1234", "-reqout", "openssl.req", cwd=made.directory)
        made.mutual("ocsp", "answer", "openssl.req", "--force").ok()
        done = run(openssl, "ocsp", "-respin", "openssl.resp", *issuer, *certs, "-serial", "0x1234", "-no_nonce", "-CAfile",
                   made.ca, "-x509_strict", "-check_ss_sig", cwd=made.directory)
        assert "Response verify OK" in done.stderr and "WARNING" not in done.stderr
        states = re.findall(r": (good|revoked|unknown)$", done.stdout, re.M)
        assert states == [*SAID.values(), "unknown"]
        # ... and with the responder's certificate brought along, as if the answer had it not.
        run(openssl, "ocsp", "-respin", "openssl.resp", *issuer, *certs, "-no_nonce", "-CAfile", made.ca, "-verify_other",
            made.responder(), "-no_intern", "-x509_strict", cwd=made.directory)


def test_ocsptool_believes_the_answers(made):
    made.understood_by("GnuTLS")
    for state, said in SAID.items():
        made.mutual("ocsp", "request", made.states[state], "--out", f"{state}.req", "--force").ok()
        made.mutual("ocsp", "answer", f"{state}.req", "--force").ok()
        for trusted in (["--load-trust", made.ca], ["--load-signer", made.responder()]):
            done = run(need("ocsptool"), "--verify-response", "--load-response", f"{state}.resp", *trusted, cwd=made.directory)
            assert "Verifying OCSP Response: Success" in done.stdout
        assert f"Certificate Status: {said}" in done.stdout



def test_partitions_and_deltas_pass_before_all_of_them(made):
    openssl = need("openssl")
    made.mutual("crl", "--url", "http://pki.example.com/", "--partitions", "2", "--deltas", "on").ok()
    states = {state: made.issue("client", f"{state}-now@example.com") for state in ("stays", "goes", "waits", "returns")}
    for state, reason in [("goes", "keyCompromise"), ("waits", "hold"), ("returns", "hold")]:
        made.mutual("revoke", states[state], "--reason", reason).ok()
    made.mutual("crl").ok()
    made.mutual("revoke", states["returns"], "--release").ok()  # which the delta lists tell as removeFromCRL
    lists = sorted((made.directory / "home/public").glob("*.crl"))
    assert len(lists) == 6
    pems = [made.pem(crl) for crl in lists]
    texts = [run(openssl, "crl", "-in", pem, "-noout", "-text", "-CAfile", made.ca) for pem in pems]
    assert all("verify OK" in text.stderr for text in texts)
    assert any("Remove From CRL" in text.stdout for text in texts)
    every = made.directory / "every.pem"
    every.write_text("".join(pem.read_text() for pem in pems))
    words = [word for crl in lists for word in ("--crl", crl)]
    for state, id in [("stays", "ok"), ("goes", "revoked"), ("waits", "revoked"), ("returns", "ok")]:
        told = made.mutual("verify", "--strict", states[state], *words, "--json").json()
        assert (told["id"], told["not_strict"]) == (id, [])
        judged = run(openssl, "verify", "-x509_strict", "-crl_check", "-use_deltas", "-extended_crl", "-CRLfile", every,
                     "-CAfile", made.ca, states[state], check=False)
        assert (judged.returncode == 0) == (id == "ok"), judged
    for path in [*states.values(), *pems]:
        assert zlint_errors(path) == {}, path
    made.understood_by("GnuTLS")
    for pem in pems:
        run(need("certtool"), "--verify-crl", "--load-ca-certificate", made.ca, "--infile", pem)
