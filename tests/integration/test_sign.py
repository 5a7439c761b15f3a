"""mutual sign: a certificate for a request, from any CA; and nothing in the request is believed but its names."""
import os

import pytest

from made import files, is_whole_pair, lifetime, names, openssl, public_key, subject, text, verify

DAY = 86400


def request(tmp_path, name="my", subj="/CN=my-client", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), **extensions):
    """A request made by openssl: NAME.csr and NAME.key."""
    more = [word for ext, value in extensions.items() for word in ("-addext", f"{ext}={value}")]
    openssl("req", "-new", "-newkey", *key, "-nodes", "-keyout", tmp_path / f"{name}.key", "-subj", subj, "-utf8",
            *more, "-out", tmp_path / f"{name}.csr")
    os.chmod(tmp_path / f"{name}.key", 0o600)


@pytest.fixture
def openssl_ca(tmp_path):
    """The CA of the recipe that people know: `openssl req -x509`."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "ca.key", "-subj", "/CN=their-ca",
            "-days", 30, "-out", tmp_path / "ca.crt")
    return tmp_path


@pytest.mark.parametrize("profile, purposes", [
    ("server", ["server"]), ("client", ["client"]), ("peer", ["server", "client"])])
def test_a_request_of_mutual_becomes_a_certificate_of_each_kind(mutual, ca, tmp_path, profile, purposes):
    mutual("request", "one.example", "--san", "10.0.0.1").ok()
    result = mutual("sign", "one.example.csr", "--profile", profile).ok()
    assert "one.example.crt" in result.stdout and "key" not in result.stdout
    for purpose in purposes:
        verify(ca / "ca.crt", tmp_path / "one.example.crt", purpose)
    assert names(tmp_path / "one.example.crt") == ["DNS:one.example", "IP Address:10.0.0.1"]
    is_whole_pair(tmp_path / "one.example")
    listed = mutual("list", "--json").ok().json_lines()
    assert [(one["name"], one["kind"]) for one in listed] == [("one.example", profile)]


def test_a_request_with_a_common_name_alone_gets_it_as_an_alternative_name(mutual, ca, tmp_path):
    """Hand-made requests have no SAN; certificates without one are refused nearly everywhere."""
    request(tmp_path, subj="/C=LT/O=Example/CN=www.example.org")
    mutual("sign", "my.csr").ok()
    assert names(tmp_path / "my.crt") == ["DNS:www.example.org"]
    assert subject(tmp_path / "my.crt") == "subject=CN = www.example.org"


def test_a_person_is_a_client_and_no_server(mutual, ca, tmp_path):
    request(tmp_path, subj="/CN=Ąžuolė Example")
    mutual("sign", "my.csr").refused("Ąžuolė Example", "--profile client")
    mutual("sign", "my.csr", "--profile", "client").ok()
    assert subject(tmp_path / "my.crt") == "subject=CN = Ąžuolė Example"


def test_a_common_name_beside_other_names_is_no_second_unchecked_name(mutual, ca, tmp_path):
    request(tmp_path, subj="/CN=bank.example", subjectAltName="DNS:mine.example")
    result = mutual("sign", "my.csr").ok()
    assert "\"bank.example\" is not among the alternative names" in result.stderr
    assert names(tmp_path / "my.crt") == ["DNS:mine.example"] and "bank" not in text(tmp_path / "my.crt")


def test_extensions_in_the_request_are_not_believed(mutual, ca, tmp_path):
    request(tmp_path, subj="/CN=a.example", subjectAltName="DNS:a.example", basicConstraints="critical,CA:TRUE",
            keyUsage="keyCertSign,cRLSign", extendedKeyUsage="clientAuth,codeSigning")
    mutual("sign", "my.csr").ok()
    shown = text(tmp_path / "my.crt")
    assert "CA:FALSE" in shown and "CA:TRUE" not in shown
    assert "Certificate Sign" not in shown and "Code Signing" not in shown and "Client" not in shown
    verify(ca / "ca.crt", tmp_path / "my.crt", "server")


def test_any_ca_can_sign_and_nothing_is_recorded(mutual, ca, openssl_ca, tmp_path):
    request(tmp_path, subj="/CN=a.example")
    mutual("sign", "my.csr", "--cacert", "ca.crt", "--cakey", "ca.key", "--days", 5).ok()
    openssl("verify", "-CAfile", tmp_path / "ca.crt", "-purpose", "sslserver", tmp_path / "my.crt")
    assert lifetime(tmp_path / "my.crt") == pytest.approx(5 * DAY, abs=600)
    assert mutual("list", "--json").ok().json_lines() == []


def test_a_v1_ca_can_sign(mutual, tmp_path):
    """The recipe with `openssl x509 -req -signkey` makes a CA without any extension."""
    request(tmp_path, "ca", subj="/CN=old-ca", key=("rsa:2048",))
    openssl("x509", "-req", "-in", tmp_path / "ca.csr", "-signkey", tmp_path / "ca.key", "-days", 30,
            "-out", tmp_path / "ca.crt")
    if "Version: 1 " not in openssl("x509", "-in", tmp_path / "ca.crt", "-noout", "-text"):
        pytest.skip("this openssl makes no v1 certificates")
    request(tmp_path)
    mutual("sign", "my.csr", "--profile", "client", "--cacert", "ca.crt", "--cakey", "ca.key").ok()
    openssl("verify", "-CAfile", tmp_path / "ca.crt", "-purpose", "sslclient", tmp_path / "my.crt")


def test_a_ca_key_with_a_passphrase(mutual, openssl_ca, tmp_path):
    openssl("rsa", "-in", "ca.key", "-aes256", "-passout", "pass:secret", "-traditional", "-out", "locked.key",
            cwd=tmp_path)
    (tmp_path / "secret").write_text("secret\n")
    request(tmp_path)
    signing = ("sign", "my.csr", "--profile", "client", "--cacert", "ca.crt", "--cakey", "locked.key")
    mutual(*signing, prefix=("setsid", "--wait")).refused("locked.key", "passphrase")
    mutual(*signing, "--passphrase-file", "secret").ok()


def test_from_standard_input_to_standard_output(mutual, ca, tmp_path):
    request(tmp_path)
    der = openssl("req", "-in", "my.csr", "-outform", "DER", "-out", "my.der", cwd=tmp_path)
    assert der == ""
    for given in ("my.csr", "my.der"):
        result = mutual("sign", "-", "--profile", "client", input=(tmp_path / given).read_bytes()).ok()
        assert result.stdout.startswith("-----BEGIN CERTIFICATE-----\n")
        (tmp_path / "my.crt").write_text(result.stdout)
        assert public_key(tmp_path / "my.crt", "x509") == public_key(tmp_path / "my.key", "pkey")
        assert 'signed "my-client"' in result.stderr


def test_what_controls_a_terminal_is_shown_and_not_sent(mutual, ca, tmp_path):
    """Whoever lays requests into a directory gives them their names."""
    mutual("request", "my-client").ok()
    os.rename(tmp_path / "my-client.csr", tmp_path / "\x1b[31m\x9b2J.csr")
    signed = mutual("sign", "\x1b[31m\x9b2J.csr").ok()
    assert "\\x1b[31m\\xc2\\x9b2J.crt" in signed.stdout and "\x1b" not in signed.stdout + signed.stderr
    for command in ("inspect", "verify"):
        shown = mutual(command, "\x1b[31m\x9b2J.crt")
        assert "\x1b" not in shown.stdout + shown.stderr, command


def test_a_request_that_was_altered_is_refused(mutual, ca, tmp_path):
    request(tmp_path)
    openssl("req", "-in", "my.csr", "-outform", "DER", "-out", "my.der", cwd=tmp_path)
    data = (tmp_path / "my.der").read_bytes()
    (tmp_path / "my.der").write_bytes(data.replace(b"my-client", b"my-friend"))
    mutual("sign", "my.der", "--profile", "client").refused("not signed by the key", "mutual request")
    (tmp_path / "my.der").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    mutual("sign", "my.der", "--profile", "client").refused("not signed by the key")
    assert mutual("list", "--json").ok().json_lines() == []


@pytest.mark.parametrize("extensions, said", [
    ({"subjectAltName": "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:alice@example.org"}, "not issued here"),
    ({"subjectAltName": "RID:1.2.3.4"}, "not issued here"),
    ({"subjectAltName": "DNS:a b"}, "a space"),
    ({"subjectAltName": "DNS:*"}, "wildcard"),
    ({"subjectAltName": "DNS:a.example,email:x"}, "local-part@domain"),
])
def test_names_that_are_not_issued_are_refused_not_dropped(mutual, ca, tmp_path, extensions, said):
    request(tmp_path, **extensions)
    mutual("sign", "my.csr").refused(said, "hint: ")
    assert "my.crt" not in files(tmp_path)


def test_a_request_without_a_name_is_refused(mutual, ca, tmp_path):
    request(tmp_path, subj="/O=Example")
    mutual("sign", "my.csr").refused("has no name", "mutual request")


@pytest.mark.parametrize("key", [("rsa:1024",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-192")])
def test_a_weak_key_is_not_certified(mutual, ca, tmp_path, key):
    request(tmp_path, key=key)
    mutual("sign", "my.csr", "--profile", "client").refused("too weak", "p256")


def test_an_expired_ca_refuses_and_says_when_it_expired(mutual, tmp_path):
    request(tmp_path, "ca", subj="/CN=past-ca")
    (tmp_path / "db").mkdir()
    (tmp_path / "db/index.txt").write_text("")
    (tmp_path / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=db/index.txt\nnew_certs_dir=db\nrand_serial=yes\npolicy=p\n"
        "default_md=sha256\n[p]\ncommonName=supplied\n[x]\nbasicConstraints=critical,CA:TRUE\n")
    openssl("ca", "-config", "ca.cnf", "-selfsign", "-keyfile", "ca.key", "-in", "ca.csr", "-out", "ca.crt", "-batch",
            "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-extensions", "x", "-notext", cwd=tmp_path)
    request(tmp_path)
    mutual("sign", "my.csr", "--cacert", "ca.crt", "--cakey", "ca.key").refused("past-ca", "expired on 2021-01-01")


def test_a_ca_bound_to_servers_signs_no_client(mutual, openssl_ca, tmp_path):
    openssl("req", "-x509", "-key", tmp_path / "ca.key", "-subj", "/CN=servers-only", "-addext",
            "extendedKeyUsage=serverAuth", "-days", 30, "-out", tmp_path / "ca.crt")
    request(tmp_path)
    by = ("--cacert", "ca.crt", "--cakey", "ca.key")
    mutual("sign", "my.csr", "--profile", "client", *by).refused("servers-only", "may not issue client certificates")
    mutual("sign", "my.csr", "--profile", "server", *by).ok()


def test_a_ca_that_strict_verifiers_refuse_signs_with_a_warning(mutual, openssl_ca, tmp_path):
    request(tmp_path)
    result = mutual("sign", "my.csr", "--profile", "client", "--cacert", "ca.crt", "--cakey", "ca.key").ok()
    assert "warning: the CA in ca.crt: as a CA it lacks keyUsage" in result.stderr


def test_a_place_that_cannot_be_written_costs_no_certificate(mutual, ca, tmp_path):
    request(tmp_path)
    mutual("sign", "my.csr", "--profile", "client", "--out", "none/my.crt").refused("none/my.crt", "hint: ")
    assert mutual("list", "--json").ok().json_lines() == []


def test_an_output_file_is_not_overwritten(mutual, ca, tmp_path):
    request(tmp_path)
    (tmp_path / "my.crt").write_text("mine")
    mutual("sign", "my.csr", "--profile", "client").refused("my.crt", "exists already")
    assert (tmp_path / "my.crt").read_text() == "mine"
    assert mutual("list", "--json").ok().json_lines() == []
    mutual("sign", "my.csr", "--profile", "client", "--force").ok()
    mutual("sign", "my.csr", "--profile", "client", "--out", "other.crt").ok()
    is_whole_pair(tmp_path / "my")


@pytest.mark.parametrize("make, said", [
    (lambda p: p.write_bytes(b""), "empty"),
    (lambda p: p.write_bytes(os.urandom(1000)), "bad"),
    (lambda p: p.write_bytes(b"\0" * (17 << 20)), "too large"),
    (lambda p: p.write_text("Hello World\n"), "bad"),
    (lambda p: p.mkdir(), "directory"),
    (lambda p: p.symlink_to("loop") or p.with_name("loop").symlink_to("bad"), "bad"),
    (lambda p: None, "bad"),
    (lambda p: p.write_bytes(p.with_name("my.csr").read_bytes()[:200]), "cut off"),
    (lambda p: p.write_bytes(p.with_name("my.key").read_bytes()), "not a certificate request"),
    (lambda p: p.write_bytes(p.with_name("ca.crt").read_bytes()), "a certificate, not a certificate request"),
])
def test_a_file_that_is_no_request_is_told_for_what_it_is(mutual, openssl_ca, tmp_path, make, said):
    request(tmp_path)
    make(tmp_path / "bad")
    result = mutual("sign", "bad", "--cacert", "ca.crt", "--cakey", "ca.key").refused(said, "hint: ")
    assert result.stdout == "" and "bad.crt" not in files(tmp_path)


@pytest.mark.parametrize("words, code, said", [
    (["sign"], 2, "FILE.csr"),
    (["sign", "a", "b"], 1, "there is no CA in"),
    (["sign", "my.csr", "--cacert", "ca.crt"], 1, "name the file of its key with --cakey"),
    (["sign", "my.csr", "--cakey", "ca.key"], 2, "--cakey needs --cacert"),
    (["sign", "my.csr", "--cacert", "ca.crt", "--cakey", "my.key"], 1, "belong"),
    (["sign", "my.csr", "--cacert", "ca.key", "--cakey", "ca.key"], 1, "ca.key"),
    (["sign", "my.csr", "--cacert", "my.csr", "--cakey", "ca.key"], 1, "my.csr"),
    (["sign", "my.csr", "--cacert", "none", "--cakey", "ca.key"], 1, "none"),
    (["sign", "my.csr", "--profile", "root"], 2, "server, client or peer"),
    (["sign", "my.csr", "--profile", ""], 2, "server, client or peer"),
    (["sign", "my.csr", "--out", ""], 1, "hint: "),
    (["sign", "my.csr"], 1, "there is no CA in"),
])
def test_what_cannot_be_signed_with_is_refused(mutual, openssl_ca, tmp_path, words, code, said):
    request(tmp_path)
    before = files(tmp_path)
    mutual(*words).refused(said, code=code)
    assert files(tmp_path) == before
