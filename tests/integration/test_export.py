"""`mutual export`: a certificate and its key for other programs."""
import os
import ssl
import stat

import pytest

from door import Door
from made import openssl
from terminal import answer

UNLOCK = ("--passphrase-file", "secret")


@pytest.fixture
def place(mutual, ca, tmp_path):
    mutual("issue", "client", "my-client").ok()
    (tmp_path / "secret").write_text("correct horse\n")
    (tmp_path / "other").write_text("battery staple\n")
    return tmp_path


def inside(path, passphrase="secret"):
    """What openssl finds in a container: algorithms and names on one side, the PEM blocks on the other."""
    said = openssl("pkcs12", "-in", path, "-passin", f"file:{passphrase}", "-nodes", cwd=path.parent)
    return said, [block.split("-----")[0] for block in said.split("-----BEGIN ")[1:]]



def test_a_container_has_key_certificate_and_ca_under_its_name(mutual, place):
    said = mutual("export", "my-client", "--p12", "c.p12", *UNLOCK).ok().stdout
    assert "c.p12" in said and "my-client" in said
    text, blocks = inside(place / "c.p12")
    assert sorted(blocks) == ["CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"]
    assert text.count("friendlyName: my-client") == 2 and "my-ca" in text
    assert stat.S_IMODE((place / "c.p12").stat().st_mode) == 0o600
    shown = openssl("asn1parse", "-inform", "DER", "-in", "c.p12", cwd=place)
    assert "sha256" in shown and "sha1" not in shown


@pytest.mark.parametrize("words, has, has_not", [
    ([], ["PBES2", "aes-256-cbc", "hmacWithSHA256"], ["pbeWithSHA1"]),
    (["--legacy"], ["pbeWithSHA1And3-KeyTripleDES-CBC"], ["RC2", "aes"]),
])
def test_the_algorithms_are_those_of_today_or_those_of_old(mutual, place, words, has, has_not):
    result = mutual("export", "my-client", "--p12", "c.p12", *UNLOCK, *words).ok()
    assert ("protect little" in result.stderr) == bool(words)
    outer = openssl("asn1parse", "-inform", "DER", "-in", "c.p12", cwd=place)
    octets = [line for line in outer.split("\n") if "OCTET STRING" in line][0]
    offset = octets.split(":")[0].strip()
    shown = openssl("asn1parse", "-inform", "DER", "-in", "c.p12", "-strparse", offset, cwd=place)
    for word in has:
        assert word in shown
    for word in has_not:
        assert word not in shown
    assert ("sha1" in outer) == bool(words)
    inside(place / "c.p12")


@pytest.mark.parametrize("words", [[], ["--legacy"]])
def test_what_export_writes_every_command_reads(mutual, ca, place, words):
    mutual("export", "my-client", "--p12", "c.p12", *UNLOCK, *words).ok()
    (place / "my-client.key").unlink()
    with Door(place, home=ca) as door:
        assert mutual("get", "--cert", "c.p12", *UNLOCK, door.url).ok().stdout == "Hello World"
    mutual("export", "--cert", "c.p12", *UNLOCK, "--p12", "again.p12", home="/nowhere").ok()
    assert sorted(inside(place / "again.p12")[1]) == ["CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"], "the CA came along"


def test_a_bundle_is_key_and_certificate_for_whoever_serves_or_asks(mutual, ca, place):
    mutual("export", "my-client", "--pem-bundle", "c.pem").ok()
    bundle = place / "c.pem"
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    assert bundle.read_text() == (place / "my-client.key").read_text() + (place / "my-client.crt").read_text()
    ssl.create_default_context().load_cert_chain(bundle)
    with Door(place, home=ca) as door:
        assert mutual("get", "--cert", "c.pem", door.url).ok().stdout == "Hello World"
    mutual("export", "my-client", "--pem-bundle", "locked.pem", "--encrypt-key", *UNLOCK).ok()
    assert "ENCRYPTED" in (place / "locked.pem").read_text()
    openssl("pkey", "-in", "locked.pem", "-passin", "file:secret", "-noout", cwd=place)


def test_der_is_the_certificate_and_needs_no_key(mutual, place):
    (place / "my-client.key").unlink()
    mutual("export", "my-client", "--der", "c.der").ok()
    assert (place / "c.der").read_bytes() == ssl.PEM_cert_to_DER_cert((place / "my-client.crt").read_text())
    assert stat.S_IMODE((place / "c.der").stat().st_mode) == 0o644


def test_all_forms_at_once_or_none(mutual, place):
    (place / "there").write_text("mine")
    forms = ("--p12", "c.p12", "--pem-bundle", "c.pem", "--der")
    mutual("export", "my-client", *forms, "there", *UNLOCK).refused("there exists already", "--force")
    mutual("export", "my-client", *forms, "no/such/place", *UNLOCK).refused("no/such/place")
    assert not (place / "c.p12").exists() and not (place / "c.pem").exists()
    told = mutual("export", "my-client", *forms, "there", *UNLOCK, "--force", "--json", "--friendly-name", "x y").ok().json()
    assert told == {"name": "my-client", "p12": "c.p12", "pem_bundle": "c.pem", "der": "there", "friendly_name": "x y",
                    "chain_length": 2, "has_ca": True}


def test_a_ca_that_is_not_known_is_missed(mutual, place):
    mutual("init", "strange", home=place / "strange").ok()
    mutual("issue", "client", "stranger", home=place / "strange").ok()
    result = mutual("export", "stranger", "--p12", "s.p12", *UNLOCK).ok()
    assert "not inside: name it with --cacert" in result.stderr and "no CA" in result.stdout
    assert sorted(inside(place / "s.p12")[1]) == ["CERTIFICATE", "PRIVATE KEY"]
    result = mutual("export", "stranger", "--p12", "s.p12", *UNLOCK, "--force", "--cacert", "strange/ca.crt").ok()
    assert result.stderr == "" and len(inside(place / "s.p12")[1]) == 3


def test_a_ca_of_the_same_name_is_not_taken_for_the_issuer(mutual, ca, place):
    """As in the hand-made recipe: no key identifiers, so only the signature tells."""
    for name in ("one", "two"):
        openssl("req", "-new", "-x509", "-nodes", "-days", "9", "-subj", "/CN=my-ca", "-newkey", "rsa:2048", "-keyout",
                f"{name}.key", "-out", f"{name}.crt", cwd=place)
    openssl("req", "-new", "-key", "my-client.key", "-subj", "/CN=x", "-out", "x.csr", cwd=place)
    openssl("x509", "-req", "-in", "x.csr", "-CA", "two.crt", "-CAkey", "two.key", "-CAcreateserial", "-out", "x.crt",
            cwd=place)
    mutual("export", "--cert", "x.crt", "--key", "my-client.key", "--cacert", "one.crt", "--cacert", "two.crt", "--p12",
           "x.p12", *UNLOCK).ok()
    text, blocks = inside(place / "x.p12")
    assert len(blocks) == 3
    assert "".join((place / "two.crt").read_text().split("\n")[1:-2]) in text.replace("\n", "")


def test_the_passphrase_of_the_key_is_the_containers_unless_told_otherwise(mutual, ca, place):
    mutual("issue", "client", "locked", "--encrypt-key", *UNLOCK).ok()
    mutual("export", "locked", "--p12", "same.p12", *UNLOCK).ok()
    inside(place / "same.p12", "secret")
    mutual("export", "locked", "--p12", "other.p12", *UNLOCK, "--new-passphrase-file", "other").ok()
    inside(place / "other.p12", "other")
    mutual("export", "locked", "--p12", "env.p12", env={"MUTUAL_PASSPHRASE_FILE": "secret"}).ok()
    inside(place / "env.p12", "secret")
    mutual("export", "locked", "--p12", "none.p12", "--new-passphrase-file", "other",
           start_new_session=True).refused("locked.key is protected by a passphrase")


def test_a_containers_passphrase_is_typed_twice(mutual, place):
    code, shown = answer(mutual, ["export", "my-client", "--p12", "c.p12"], ["correct horse"] * 2)
    assert code == 0 and "New passphrase for c.p12: " in shown and "horse" not in shown
    inside(place / "c.p12")
    code, shown = answer(mutual, ["export", "my-client", "--p12", "d.p12"], ["correct horse", "corect horse"])
    assert code == 1 and "differ" in shown and not (place / "d.p12").exists()


@pytest.mark.parametrize("words, code, said", [
    ([], 2, "say what to make"),
    (["my-client"], 2, "say what to make"),
    (["--p12", "c.p12"], 2, "say whose"),
    (["my-client", "--cert", "my-client.crt", "--p12", "c.p12"], 2, "NAME stands for --cert and --key"),
    (["--cert", "my-client.crt", "--p12", "c.p12", *UNLOCK], 1, "name the file of its key with --key FILE"),
    (["nobody", "--p12", "c.p12"], 1, "there is no nobody.crt here"),
    (["x" * 5000, "--p12", "c.p12"], 2, "too long"),
    (["my-client", "--p12", "c.p12", "--passphrase-file", "nothing"], 1, "nothing"),
    (["my-client", "--p12", ".", *UNLOCK], 1, "is a directory"),
    (["my-client", "--p12", "c.p12", *UNLOCK, "--cacert", "my-client.crt"], 1, "not a CA"),
    (["a", "b", "--p12", "c.p12"], 2, "\"b\""),
])
def test_what_cannot_be_exported_is_refused(mutual, place, words, code, said):
    before = sorted(os.listdir(place))
    mutual("export", *words, start_new_session=True).refused(said, code=code)
    assert sorted(os.listdir(place)) == before


def test_without_a_terminal_or_a_file_the_way_to_give_a_passphrase_is_told(mutual, place):
    mutual("export", "my-client", "--p12", "c.p12", start_new_session=True).refused(
        "no new passphrase was given for c.p12", "--new-passphrase-file")
    assert not (place / "c.p12").exists()


def test_a_full_disk_leaves_nothing(mutual, place):
    mutual("export", "my-client", "--p12", "/dev/full/c.p12", *UNLOCK).refused("/dev/full/c.p12")
