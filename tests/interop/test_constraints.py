"""Name constraints: mutual refuses to sign what other people's verifiers would refuse, and nothing that they accept."""
import pytest

from peers import need, run

pytestmark = pytest.mark.judged

PERMITTED = ["DNS:internal.example", "IP:10.0.0.0/8", "IP:fd00::/8", "email:example.com", "email:.example.org",
             "URI:.example.com", "URI:example.net"]
EXCLUDED = ["DNS:vip.internal.example", "IP:10.6.0.0/16"]

GOOD = ["DNS:internal.example", "DNS:a.b.internal.example", "DNS:*.b.internal.example", "IP:10.255.0.1", "IP:fd12::1",
        "email:a@example.com", "email:a@mail.example.org", "URI:spiffe://a.example.com/x", "URI:https://example.net/"]
BAD = ["DNS:localhost", "DNS:notinternal.example", "DNS:internal.example.evil", "DNS:vip.internal.example",
       "DNS:a.vip.internal.example", "DNS:*.vip.internal.example", "IP:11.0.0.1", "IP:10.6.7.8", "IP:fe80::1",
       "email:a@mail.example.com", "email:a@example.org", "URI:https://example.com/", "URI:https://a.example.net/"]


# What some accept and should not: a host of e-mail or of a URI without a dot in front is that host alone
# [RFC 5280 4.2.1.10], which Go takes for all hosts below, too; and GnuTLS lets pass each URI.
LAX = {"go": ["email:a@mail.example.com", "URI:https://a.example.net/"],
       "certtool": ["URI:https://example.com/", "URI:https://a.example.net/"]}

JUDGES = {
    "openssl": lambda workshop: [need("openssl"), "verify", "-x509_strict", "-CAfile"],
    "certtool": lambda workshop: [need("certtool"), "--verify", "--load-ca-certificate"],
    "go": lambda workshop: [*workshop.go(), "verify"],
}


@pytest.fixture
def bound(mutual, home):
    limits = [word for name in PERMITTED for word in ("--permit", name)]
    mutual("init", "Bound CA", *limits, *[word for name in EXCLUDED for word in ("--exclude", name)]).ok()
    return home


@pytest.mark.parametrize("judge", JUDGES)
def test_every_verifier_agrees_with_mutual_about_every_name(mutual, bound, tmp_path, workshop, judge):
    command = JUDGES[judge](workshop)
    run(need("openssl"), "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        "made.key", "-subj", "/O=Example", "-out", "made.csr", cwd=tmp_path)
    found = {}
    for name in GOOD + BAD:
        (tmp_path / "san").write_text(
            f"subjectAltName={name}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
            "basicConstraints=CA:FALSE\n")
        run("openssl", "x509", "-req", "-in", "made.csr", "-CA", bound / "ca.crt", "-CAkey", bound / "ca.key",
            "-set_serial", "7", "-extfile", "san", "-out", "made.crt", cwd=tmp_path)
        last = ["--infile", "made.crt"] if judge == "certtool" else ["made.crt"]
        theirs = run(*command, bound / "ca.crt", *last, cwd=tmp_path, check=False).returncode == 0
        ours = mutual("issue", "client", name, "--out", "ours", "--force").code == 0
        found[name] = (ours, theirs)
    assert found == {name: (name in GOOD, name in GOOD + LAX.get(judge, [])) for name in GOOD + BAD}
