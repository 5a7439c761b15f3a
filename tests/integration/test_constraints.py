"""Name constraints: no certificate is signed that a verifier would refuse, and the refusal says which name and why."""
import pytest

from made import files, names, openssl, subject, verify


@pytest.fixture
def bound(mutual, home):
    mutual("init", "Bound CA", "--permit", "DNS:internal.example", "--permit", "IP:10.0.0.0/8", "--permit",
           "email:example.com", "--permit", "URI:.example.com", "--exclude", "DNS:vip.internal.example").ok()
    return home


@pytest.mark.parametrize("profile, given, purpose", [
    ("server", ["internal.example"], "server"), ("server", ["api.internal.example", "10.1.2.3"], "server"),
    ("server", ["10.1.2.3"], "server"), ("client", ["Alice Example"], "client"),
    ("client", ["bob@example.com"], "client"), ("peer", ["spiffe://a.example.com/x"], "client"),
])
def test_what_is_permitted_is_issued_and_verifies(mutual, bound, tmp_path, profile, given, purpose):
    mutual("issue", profile, *given, "--out", "made").ok()
    verify(bound / "ca.crt", tmp_path / "made.crt", purpose)
    mutual("verify", "made.crt", "--purpose", purpose).ok()


def test_an_address_is_no_common_name_where_that_would_count_as_a_host(mutual, bound, tmp_path):
    result = mutual("issue", "server", "10.1.2.3").ok()
    assert 'issued "10.1.2.3"' in result.stdout
    assert subject(tmp_path / "10.1.2.3.crt") == "subject="
    assert names(tmp_path / "10.1.2.3.crt") == ["IP Address:10.1.2.3"]


@pytest.mark.parametrize("profile, given, said", [
    ("server", ["localhost"], "for DNS:localhost: its name constraints permit only DNS:internal.example"),
    ("server", ["a.internal.example", "--san", "b.example"], "for DNS:b.example:"),
    ("server", ["a.internal.example", "192.0.2.1"], "for IP:192.0.2.1: its name constraints permit only IP:10.0.0.0/8"),
    ("server", ["x.vip.internal.example"], "exclude DNS:vip.internal.example"),
    ("server", ["*.internal.example"], "stands for DNS:vip.internal.example, too"),
    ("server", ["a.internal.example", "::1"], "for IP:::1:"),
    ("client", ["bob@mail.example.com"], "permit only email:example.com"),
    ("client", ["spiffe://example.com/x"], "permit only URI:.example.com"),
    ("client", ["urn:uuid:1"], "cannot be applied"),
])
def test_what_is_not_is_refused_before_anything_is_made(mutual, bound, tmp_path, profile, given, said):
    mutual("issue", profile, *given).refused('the CA "Bound CA" may not issue for', said, "mutual inspect")
    assert files(tmp_path) == []
    assert mutual("list", "--json").ok().json_lines() == []


def test_a_request_is_held_to_them_too(mutual, bound, tmp_path):
    mutual("request", "www.example.org").ok()
    assert mutual("sign", "--json", "www.example.org.csr").json()["error"]["id"] == "name-constraint"
    assert not (tmp_path / "www.example.org.crt").exists()


@pytest.fixture
def hierarchy(tmp_path):
    """By openssl: a root bound to example.com, and an unbound CA under it."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key",
            "-subj", "/CN=root", "-addext", "nameConstraints=critical,permitted;DNS:example.com", "-out", "root.crt",
            cwd=tmp_path)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "issuing.key",
            "-subj", "/CN=issuing", "-out", "issuing.csr", cwd=tmp_path)
    (tmp_path / "ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
    openssl("x509", "-req", "-in", "issuing.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial",
            "-extfile", "ext", "-out", "issuing.crt", cwd=tmp_path)
    (tmp_path / "chain.crt").write_text((tmp_path / "issuing.crt").read_text() + (tmp_path / "root.crt").read_text())
    return tmp_path


def test_those_of_a_ca_above_count_where_its_certificate_is_at_hand(mutual, hierarchy):
    mutual("request", "www.example.org").ok()
    by = ("--cakey", "issuing.key", "--cacert")
    mutual("sign", "www.example.org.csr", *by, "chain.crt").refused('the CA "root" may not issue for DNS:www.example.org')
    mutual("sign", "www.example.org.csr", *by, "issuing.crt").ok()
    mutual("request", "www.example.com").ok()
    mutual("sign", "www.example.com.csr", *by, "chain.crt").ok()
    openssl("verify", "-CAfile", "root.crt", "-untrusted", "issuing.crt", "www.example.com.crt", cwd=hierarchy)


def test_those_of_a_ca_above_the_home_ca_count(mutual, ca, hierarchy):
    (ca / "ca.crt").write_bytes((hierarchy / "chain.crt").read_bytes())
    (ca / "ca.key").write_bytes((hierarchy / "issuing.key").read_bytes())
    mutual("issue", "server", "www.example.org").refused('the CA "root" may not issue for DNS:www.example.org')
    mutual("issue", "server", "www.example.com").ok()
