"""mutual renew: new dates and a new key in the same files; when it is due; and never half of it."""
import json
import os
import re
import shutil
import stat
import subprocess
import threading
import time

import pytest

from conftest import WAIT
from made import (KEY_TYPES, files, fingerprint, is_whole_pair, lifetime, mode, names, openssl, public_key, serial,
                  subject, text, verify)
from test_trouble import Killer, Mount

DAY = 86400


def audit(mutual):
    lines = mutual("audit", "--json").ok().stdout.splitlines()
    return [(one["action"], one["serial"]) for one in map(json.loads, lines)]


def key_of(path):
    return public_key(path, "pkey")


def key_kind(cert):
    """As openssl tells it: the algorithm, and the curve or the size."""
    return re.findall(r"Public Key Algorithm: (.*)|Public-Key: (.*)|ASN1 OID: (.*)", text(cert))


# --- What a renewal is ---

@pytest.mark.parametrize("profile, name, more", [
    ("server", "localhost", []), ("client", "Ąžuolė Example", ["--san", "a@example.org"]),
    ("peer", "node.example", ["--san", "10.0.0.1", "--san", "URI:spiffe://x/y"])])
def test_the_same_names_and_purpose_a_new_key_and_new_dates(mutual, ca, tmp_path, profile, name, more):
    mutual("issue", profile, name, *more, "--days", 20, "--out", "a").ok()
    shutil.copy(tmp_path / "a.crt", tmp_path / "before.crt")
    result = mutual("renew", "a.crt").ok()
    assert f'renewed "{name}", a {profile} certificate' in result.stdout and "20 days" in result.stdout
    old, new = tmp_path / "before.crt", tmp_path / "a.crt"
    assert subject(new) == subject(old)
    if profile != "client":
        assert names(new) == names(old)
    assert lifetime(new) == lifetime(old)
    assert serial(new) != serial(old)
    assert public_key(new, "x509") != public_key(old, "x509")
    is_whole_pair(tmp_path / "a")
    for purpose in {"peer": ["server", "client"]}.get(profile, [profile]):
        verify(ca / "ca.crt", new, purpose)
    assert files(tmp_path) == ["a.crt", "a.key", "before.crt"]
    assert audit(mutual)[-1] == ("renew", serial(new))
    assert mutual("audit", "verify").ok()
    assert [one["state"] for one in mutual("list", "--json").ok().json_lines()] == ["valid", "valid"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_new_key_is_of_the_old_ones_kind(mutual, ca, tmp_path, key_type):
    mutual("issue", "client", "a", "-t", key_type).ok()
    kind = key_kind(tmp_path / "a.crt")
    before = public_key(tmp_path / "a.crt", "x509")
    mutual("renew", "a.crt").ok()
    assert key_kind(tmp_path / "a.crt") == kind
    assert public_key(tmp_path / "a.crt", "x509") != before
    is_whole_pair(tmp_path / "a")


def test_the_new_key_may_be_of_another_kind(mutual, ca, tmp_path):
    mutual("issue", "client", "a", "-t", "rsa2048").ok()
    mutual("renew", "a.crt", "--key-type", "ed25519").ok()
    assert "ED25519" in text(tmp_path / "a.crt")
    is_whole_pair(tmp_path / "a")


def test_keep_key_keeps_the_key_and_needs_no_key_file(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    before = public_key(tmp_path / "a.crt", "x509")
    key = (tmp_path / "a.key").read_bytes()
    mutual("renew", "a.crt", "--keep-key").ok()
    is_whole_pair(tmp_path / "a")
    assert (tmp_path / "a.key").read_bytes() == key
    (tmp_path / "a.key").unlink()
    mutual("renew", "a.crt").refused("a.key", "--key", "--keep-key")
    assert "the same as before" in mutual("renew", "a.crt", "--keep-key").ok().stdout
    assert public_key(tmp_path / "a.crt", "x509") == before
    assert files(tmp_path) == ["a.crt"]


def test_another_lifetime(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("renew", "a.crt", "--days", 7).ok()
    assert lifetime(tmp_path / "a.crt") == 7 * DAY + 300
    mutual("renew", "a.crt", "--lifetime", "36h").ok()
    assert lifetime(tmp_path / "a.crt") == 36 * 3600 + 300
    mutual("renew", "a.crt", "--lifetime", "36h", "--days", 3).refused("one of them", code=2)
    mutual("renew", "a.crt", "--days", 0).refused("--days", code=2)


def test_the_policy_of_today_bounds_what_was_issued_before_it(mutual, ca, tmp_path):
    mutual("issue", "client", "a", "--days", 60).ok()
    (ca / "policy.yaml").write_text("client:\n  longest_lifetime: 20d\n")
    mutual("renew", "a.crt", "--days", 30).refused("20 days", "policy.yaml")
    mutual("renew", "a.crt").ok()
    assert lifetime(tmp_path / "a.crt") == 20 * DAY + 300
    (ca / "policy.yaml").write_text("client:\n  names: [b]\n")
    mutual("renew", "a.crt").refused("DNS:a", "policy.yaml")
    mutual("renew", "a.crt", "--dry-run").refused("DNS:a", "policy.yaml")


def test_an_expired_one_is_renewed(mutual, ca, tmp_path):
    mutual("issue", "client", "a", "--lifetime", "1s").ok()
    while mutual("verify", "a.crt").code == 0:
        time.sleep(0.2)
    mutual("renew", "a.crt", "--days", 5).ok()
    verify(ca / "ca.crt", tmp_path / "a.crt", "client")


# --- Files as they are found ---

def test_a_key_with_a_passphrase_keeps_it(mutual, ca, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    mutual("issue", "client", "a", "--encrypt-key", "--passphrase-file", "secret").ok()
    mutual("renew", "a.crt", prefix=("setsid", "--wait")).refused("a.key", "passphrase")
    result = mutual("renew", "a.crt", "--passphrase-file", "secret").ok()
    assert "horse" not in result.stdout + result.stderr
    assert "ENCRYPTED" in (tmp_path / "a.key").read_text()
    opened = openssl("pkey", "-in", tmp_path / "a.key", "-passin", "pass:correct horse", "-pubout")
    assert opened == public_key(tmp_path / "a.crt", "x509")
    (tmp_path / "wrong").write_text("battery\n")
    mutual("renew", "a.crt", "--passphrase-file", "wrong").refused("a.key", "passphrase")


def test_a_chain_behind_the_certificate_stays(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    (tmp_path / "a.crt").write_text("text of long ago\n" + (tmp_path / "a.crt").read_text() + (ca / "ca.crt").read_text())
    before = fingerprint(tmp_path / "a.crt")
    mutual("renew", "a.crt").ok()
    new = (tmp_path / "a.crt").read_text()
    assert new.endswith((ca / "ca.crt").read_text()) and new.startswith("-----BEGIN") and new.count("BEGIN") == 2
    assert fingerprint(tmp_path / "a.crt") != before
    is_whole_pair(tmp_path / "a")


@pytest.mark.parametrize("order", [["crt", "key"], ["key", "crt"], ["key", "crt", "ca", "dh"]])
def test_certificate_and_key_in_one_file(mutual, ca, tmp_path, order):
    mutual("issue", "server", "localhost", "--out", "a").ok()
    parts = {"crt": (tmp_path / "a.crt").read_text(), "key": (tmp_path / "a.key").read_text(),
             "ca": (ca / "ca.crt").read_text(),
             "dh": "-----BEGIN DH PARAMETERS-----\nMEYCQQ==\n-----END DH PARAMETERS-----\n"}
    (tmp_path / "a.pem").write_text("".join(parts[part] for part in order))
    os.chmod(tmp_path / "a.pem", 0o640)
    for name in ("a.crt", "a.key"):
        (tmp_path / name).unlink()
    mutual("renew", "a.pem").ok()
    new = (tmp_path / "a.pem").read_text()
    begins = [line for line in new.split("\n") if line.startswith("-----BEGIN")]
    kinds = {"crt": "CERTIFICATE", "ca": "CERTIFICATE", "key": "PRIVATE KEY", "dh": "DH PARAMETERS"}
    assert begins == [f"-----BEGIN {kinds[part]}-----" for part in order]
    assert parts["crt"] not in new and parts["key"] not in new
    assert all(parts[part] in new for part in order if part in ("ca", "dh"))
    assert public_key(tmp_path / "a.pem", "x509") == key_of(tmp_path / "a.pem")
    assert mode(tmp_path / "a.pem") == 0o640 and files(tmp_path) == ["a.pem"]


def test_der_stays_der(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    openssl("x509", "-in", "a.crt", "-outform", "DER", "-out", "b.crt", cwd=tmp_path)
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", "a.key", "-outform", "DER", "-out", "b.key", cwd=tmp_path)
    mutual("renew", "b.crt").ok()
    assert (tmp_path / "b.crt").read_bytes()[0] == (tmp_path / "b.key").read_bytes()[0] == 0x30
    assert public_key(tmp_path / "b.crt", "x509") == key_of(tmp_path / "b.key")


def test_permissions_and_owners_stay(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    os.chmod(tmp_path / "a.crt", 0o444)
    os.chmod(tmp_path / "a.key", 0o440)
    root = os.geteuid() == 0
    if root:
        os.chown(tmp_path / "a.key", 12345, 54321)
        os.chown(tmp_path / "a.crt", 12345, 54321)
    mutual("renew", "a.crt").ok()
    for name, bits in (("a.crt", 0o444), ("a.key", 0o440)):
        there = os.stat(tmp_path / name)
        assert stat.S_IMODE(there.st_mode) == bits
        if root:
            assert (there.st_uid, there.st_gid) == (12345, 54321)


def test_a_key_open_to_everybody_is_so_no_more(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    os.chmod(tmp_path / "a.key", 0o644)
    assert "warning: a.key was open to everybody" in mutual("renew", "a.crt").ok().stderr
    assert mode(tmp_path / "a.key") == 0o640
    assert mutual("renew", "a.crt").ok().stderr == ""


def test_links_stay_and_what_they_lead_to_is_renewed(mutual, ca, tmp_path):
    for where in ("certs", "private", "use"):
        (tmp_path / where).mkdir()
    mutual("issue", "client", "a").ok()
    (tmp_path / "a.crt").rename(tmp_path / "certs/real.crt")
    (tmp_path / "a.key").rename(tmp_path / "private/real.key")
    (tmp_path / "use/a.crt").symlink_to("../certs/link.crt")
    (tmp_path / "certs/link.crt").symlink_to("real.crt")
    (tmp_path / "use/a.key").symlink_to(tmp_path / "private/real.key")
    before = serial(tmp_path / "use/a.crt")
    mutual("renew", "use/a.crt").ok()
    assert os.readlink(tmp_path / "use/a.crt") == "../certs/link.crt" and (tmp_path / "use/a.key").is_symlink()
    assert serial(tmp_path / "certs/real.crt") != before
    is_whole_pair(tmp_path / "use/a")
    assert files(tmp_path) == ["certs/link.crt", "certs/real.crt", "private/real.key", "use/a.crt", "use/a.key"]


def test_out_leaves_the_old_ones(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    before = (tmp_path / "a.crt").read_bytes(), (tmp_path / "a.key").read_bytes()
    mutual("renew", "a.crt", "--out", "b").ok()
    is_whole_pair(tmp_path / "b")
    assert ((tmp_path / "a.crt").read_bytes(), (tmp_path / "a.key").read_bytes()) == before
    count = len(mutual("list", "--json").ok().json_lines())
    mutual("renew", "a.crt", "--out", "b").refused("b.key", "exists already", "--force")
    assert len(mutual("list", "--json").ok().json_lines()) == count
    mutual("renew", "a.crt", "--out", "b", "--force").ok()
    is_whole_pair(tmp_path / "b")
    mutual("renew", "a.crt", "--out", "c", "--keep-key").ok()
    assert not (tmp_path / "c.key").exists()


def test_a_file_with_both_is_for_its_owner_wherever_it_is_put(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "a.crt").read_bytes() + (tmp_path / "a.key").read_bytes())
    both.chmod(0o604)
    mutual("renew", both, "--out", "new").ok()
    (made,) = (path for path in tmp_path.glob("new*") if b"PRIVATE KEY" in path.read_bytes())
    assert mode(made) == 0o600
    mutual("renew", both).ok()
    assert mode(both) == 0o600


# --- When it is due ---

def test_due_by_part_and_by_time(mutual, ca, tmp_path):
    mutual("issue", "client", "a", "--days", 30).ok()
    before = (tmp_path / "a.crt").read_bytes()
    for due in ("99%", "29d"):
        result = mutual("renew", "a.crt", "--due", due)
        assert result.code == 3 and result.stderr == "" and 'not due: "a" (a.crt) expires in' in result.stdout
    assert (tmp_path / "a.crt").read_bytes() == before
    for due in ("100%", "31d"):
        mutual("renew", "a.crt", "--due", due).ok()
    assert mutual("renew", "a.crt", "--due", "1%").code == 3
    mutual("renew", "a.crt", "--due", "1%", "--force").ok()


def test_those_that_are_due_of_those_given(mutual, ca, tmp_path):
    mutual("issue", "client", "long").ok()
    mutual("issue", "client", "short", "--days", 5).ok()
    facts = mutual("renew", "long.crt", "short.crt", "--due", "30d", "--json").ok().json()
    assert [one["cert"] for one in facts["renewed"]] == ["short.crt"]
    assert [one["cert"] for one in facts["not_due"]] == ["long.crt"]
    assert facts["failed"] == [] and facts["exec"] is None and facts["dry_run"] is False
    assert facts["renewed"][0]["certificate"]["serial"] == serial(tmp_path / "short.crt")


def test_when_nothing_is_due_nobody_needs_the_ca(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    assert mutual("renew", "a.crt", "--due", "33%", home="/nowhere").code == 3
    mutual("renew", "a.crt", home="/nowhere").refused("there is no CA in /nowhere")


@pytest.mark.parametrize("due", ["", "0%", "101%", "33", "%", "-5%", "33%%", "x", "0d", "5%d", "1e1%"])
def test_what_is_no_due_is_refused(mutual, ca, tmp_path, due):
    mutual("issue", "client", "a").ok()
    result = mutual("renew", "a.crt", f"--due={due}")
    assert result.code in (1, 2) and "hint: " in result.stderr and len(audit(mutual)) == 2


def test_one_that_fails_does_not_keep_the_others_back(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    before = serial(tmp_path / "a.crt")
    result = mutual("renew", "none.crt", "a.crt")
    assert result.code == 1 and "none.crt" in result.stderr and 'renewed "a"' in result.stdout
    assert serial(tmp_path / "a.crt") != before
    facts = mutual("renew", "none.crt", "a.crt", "--json")
    assert facts.code == 1 and facts.stderr == ""
    assert facts.json()["failed"][0]["error"]["id"] == "not-found" and len(facts.json()["renewed"]) == 1


# --- What runs afterwards ---

def test_a_command_runs_once_with_what_was_renewed(mutual, ca, tmp_path):
    for name in ("a b", "c"):
        mutual("issue", "client", name).ok()
    run = ("--exec", 'echo "$MUTUAL_RENEWED" >> ran; echo said; cat; mutual="$0"; echo "$mutual"')
    result = mutual("renew", "a b.crt", "c.crt", *run, input="not for it").ok()
    assert (tmp_path / "ran").read_text() == "a b.crt\nc.crt\n"
    assert "said" in result.stderr and "said" not in result.stdout and "not for it" not in result.stderr
    assert mutual("renew", "c.crt", "--due", "1%", *run).code == 3
    mutual("renew", "c.crt", "--dry-run", *run).ok()
    mutual("renew", "none.crt", *run).refused("none.crt")
    assert (tmp_path / "ran").read_text().count("\n") == 2
    assert mutual("renew", "c.crt", "--json", *run).ok().json()["exec"] == {"status": 0, "error": None}


def test_a_command_that_fails_is_an_error_and_the_renewal_stays(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    before = serial(tmp_path / "a.crt")
    result = mutual("renew", "a.crt", "--exec", "exit 3")
    assert result.code == 1 and "1 renewed, but the command of --exec failed with exit status 3" in result.stderr
    assert serial(tmp_path / "a.crt") != before
    is_whole_pair(tmp_path / "a")
    result = mutual("renew", "a.crt", "--exec", "kill -9 $$")
    assert result.code == 1 and "signal 9" in result.stderr
    result = mutual("renew", "a.crt", "--exec", "no-such-program", "--json")
    assert result.code == 1 and result.json()["exec"]["status"] == 127 and result.json()["exec"]["error"]


def test_a_command_may_be_mutual_itself_and_find_the_pair(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("renew", "a.crt", "--exec", f"{mutual.binary} init --force && {mutual.binary} inspect a.crt").ok()


def test_the_command_does_not_inherit_an_ignored_sigpipe(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("renew", "a.crt", "--exec", "grep SigIgn /proc/self/status > ignored").ok()
    assert int((tmp_path / "ignored").read_text().split()[1], 16) & (1 << 12) == 0


# --- What is refused ---

def test_revoked_held_and_strange_ones_are_refused(mutual, ca, tmp_path):
    for name in ("gone", "held"):
        mutual("issue", "client", name).ok()
    mutual("revoke", "gone", "--reason", "keyCompromise").ok()
    mutual("revoke", "held", "--reason", "hold").ok()
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    mutual("renew", "gone.crt").refused("gone", "revoked on", "keyCompromise", "mutual issue")
    mutual("renew", "held.crt").refused("held", "on hold since", "mutual revoke --release")
    mutual("init", "other", home=tmp_path / "other").ok()
    mutual("renew", "gone.crt", home=tmp_path / "other").refused("this CA has not issued it", "--home")
    mutual("renew", ca / "ca.crt").refused("certificate of a CA", "my-ca")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    mutual("revoke", "held", "--release").ok()
    mutual("renew", "held.crt").ok()


def test_a_key_that_is_not_the_certificates_is_not_overwritten(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("issue", "client", "b").ok()
    shutil.copy(tmp_path / "b.key", tmp_path / "a.key")
    before = (tmp_path / "a.key").read_bytes()
    mutual("renew", "a.crt").refused("does not belong", "a.key")
    assert (tmp_path / "a.key").read_bytes() == before
    assert [action for action, _ in audit(mutual)].count("renew") == 0


@pytest.mark.parametrize("make, said", [
    (lambda p: p.write_bytes(b""), "empty"),
    (lambda p: p.write_bytes(os.urandom(1000)), "bad"),
    (lambda p: p.write_bytes(b"\0" * (17 << 20)), "too large"),
    (lambda p: p.mkdir(), "directory"),
    (lambda p: p.symlink_to("bad"), "bad"),
    (lambda p: None, "bad"),
    (lambda p: p.write_bytes(p.with_name("a.crt").read_bytes()[:200]), "cut off"),
    (lambda p: p.write_bytes(p.with_name("a.key").read_bytes()), "not a certificate"),
    (lambda p: openssl("pkcs12", "-export", "-in", p.with_name("a.crt"), "-nokeys", "-passout", "pass:x", "-out", p),
     "is protected by a passphrase"),
    (lambda p: openssl("crl2pkcs7", "-nocrl", "-certfile", p.with_name("a.crt"), "-out", p), "PKCS#7"),
])
def test_a_file_that_cannot_be_renewed_is_told_for_what_it_is(mutual, ca, tmp_path, make, said):
    mutual("issue", "client", "a").ok()
    make(tmp_path / "bad")
    mutual("renew", "bad").refused(said, "hint: ")


# --- A PKCS#12 container ---

@pytest.fixture
def container(mutual, ca, tmp_path):
    """Make a.p12, with its CA, by these options of openssl's."""
    mutual("issue", "client", "a").ok()
    (tmp_path / "secret").write_text("correct horse\n")

    def make(*options, password="file:secret"):
        openssl("pkcs12", "-export", "-in", "a.crt", "-inkey", "a.key", "-certfile", ca / "ca.crt", "-name", "Žąsis",
                "-passout", password, "-out", "a.p12", *options, cwd=tmp_path)
        (tmp_path / "a.p12").chmod(0o640)
        return tmp_path / "a.p12"
    return make


def how_made(path):
    """Its algorithms and costs, and names, as openssl tells them."""
    done = subprocess.run(["openssl", "pkcs12", "-in", path, "-passin", "file:secret", "-info", "-noout"], cwd=path.parent,
                          capture_output=True, text=True, check=True)
    named = openssl("pkcs12", "-in", path, "-passin", "file:secret", "-nokeys", cwd=path.parent)
    return done.stderr, sorted(re.findall(r"friendlyName: .*|^subject=.*", named, re.M))


@pytest.mark.parametrize("options", [
    [], ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-iter", "100"],
    ["-certpbe", "NONE"], ["-keypbe", "NONE"],
    ["-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC", "-macalg", "sha512", "-iter", "3000"]])
def test_a_container_is_renewed_in_its_place_and_made_as_it_was(mutual, ca, container, tmp_path, options):
    path = container(*options)
    before, old_key = how_made(path), openssl("pkcs12", "-in", path, "-passin", "file:secret", "-nodes", "-nocerts", cwd=tmp_path)
    told = mutual("renew", "a.p12", "--passphrase-file", "secret", "--json").ok().json()
    assert how_made(path) == before
    new = openssl("pkcs12", "-in", path, "-passin", "file:secret", "-nodes", "-clcerts", cwd=tmp_path)
    (tmp_path / "new.pem").write_text(new)
    assert public_key(tmp_path / "new.pem", "x509") == public_key(tmp_path / "new.pem", "pkey") != public_key(tmp_path / "a.crt", "x509")
    assert old_key not in new and serial(tmp_path / "new.pem") == told["renewed"][0]["certificate"]["serial"]
    verify(ca / "ca.crt", tmp_path / "new.pem", "client")
    mutual("verify", "a.p12", "--passphrase-file", "secret").ok()


def test_a_container_without_a_passphrase_stays_without(mutual, ca, container, tmp_path):
    path = container(password="pass:")
    before = path.read_bytes()
    mutual("renew", "a.p12").ok()
    assert path.read_bytes() != before
    openssl("pkcs12", "-in", path, "-passin", "pass:", "-noout")


def test_a_container_may_keep_its_key_and_go_elsewhere(mutual, ca, container, tmp_path):
    path = container()
    before = path.read_bytes()
    mutual("renew", "a.p12", "--passphrase-file", "secret", "--keep-key", "--out", "b").ok()
    assert path.read_bytes() == before
    new = openssl("pkcs12", "-in", "b.p12", "-passin", "file:secret", "-nodes", "-clcerts", cwd=tmp_path)
    (tmp_path / "new.pem").write_text(new)
    assert public_key(tmp_path / "new.pem", "x509") == public_key(tmp_path / "a.crt", "x509")
    assert serial(tmp_path / "new.pem") != serial(tmp_path / "a.crt")


def test_a_container_that_is_not_due_or_not_opened_stays_as_it_is(mutual, ca, container, tmp_path):
    path = container()
    before = path.read_bytes()
    (tmp_path / "wrong").write_text("battery staple\n")
    mutual("renew", "a.p12").refused("protected by a passphrase")
    mutual("renew", "a.p12", "--passphrase-file", "wrong").refused("the passphrase does not open")
    mutual("renew", "a.crt", "--key", "a.p12", "--passphrase-file", "secret").refused("PKCS#12")
    assert mutual("renew", "a.p12", "--passphrase-file", "secret", "--due", "33%").code == 3
    assert path.read_bytes() == before and [action for action, _ in audit(mutual)].count("renew") == 0


@pytest.mark.parametrize("words, said", [
    ([], "FILE.crt"), (["-"], "standard input"), (["a.crt", "--cakey", "x"], "--cakey needs --cacert"),
    (["a.crt", "--profile", "client"], "--cacert"), (["a.crt", "b.crt", "--key", "a.key"], "for one certificate"),
    (["a.crt", "b.crt", "--out", "x"], "for one certificate"), (["a.crt", "--keep-key", "-t", "p256"], "--keep-key"),
    (["a.crt", "--keep-key", "--key", "a.key"], "--keep-key"), (["a.crt", "--out", ""], "hint: "),
])
def test_what_does_not_go_together_is_used_wrongly(mutual, ca, tmp_path, words, said):
    mutual("issue", "client", "a").ok()
    result = mutual("renew", *words)
    assert result.code in (1, 2) and said in result.stderr
    assert len(audit(mutual)) == 2 and files(tmp_path) == ["a.crt", "a.key"]


def test_when_the_ca_ends_no_later_a_renewal_gains_nothing(mutual, home, tmp_path):
    mutual("init", "--days", 5).ok()
    mutual("issue", "client", "a", "--days", 90).ok()
    mutual("renew", "a.crt").refused("would end no later than now", "with the CA itself", "--force")
    assert "cut to the CA's own end" in mutual("renew", "a.crt", "--force", "--days", 90).ok().stderr
    is_whole_pair(tmp_path / "a")


def test_a_place_that_cannot_be_written_costs_no_certificate(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("renew", "a.crt", "--out", "none/b").refused("none/b", "hint: ")
    assert len(audit(mutual)) == 2


def test_dry_run_changes_nothing(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    entries = audit(mutual)
    assert 'would renew "a", a client certificate' in mutual("renew", "a.crt", "-n").ok().stdout
    facts = mutual("renew", "a.crt", "--dry-run", "--json").ok().json()
    assert facts["dry_run"] is True and len(facts["renewed"]) == 1
    assert "not_after" in facts["renewed"][0]["certificate"] and "serial" not in facts["renewed"][0]["certificate"]
    mutual("revoke", "a").ok()
    mutual("renew", "a.crt", "--dry-run").refused("revoked")
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    assert [action for action, _ in audit(mutual)] == [action for action, _ in entries] + ["revoke", "crl"]


# --- A CA without a home ---

@pytest.fixture
def recipe(tmp_path):
    """A CA of openssl's, and what it has issued: a certificate that says what it is for, and one that does not."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-subj", "/CN=their-ca", "-days", 30,
            "-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=tmp_path)
    for name, ext in (("web", "subjectAltName=DNS:web.example\nextendedKeyUsage=serverAuth"), ("bare", "")):
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-subj",
                f"/O=Example/CN={name}.example", "-out", f"{name}.csr", cwd=tmp_path)
        (tmp_path / "ext").write_text(ext)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", 5,
                "-out", f"{name}.crt", *(["-extfile", "ext"] if ext else []), cwd=tmp_path)
        os.chmod(tmp_path / f"{name}.key", 0o600)
    return ("--cacert", "ca.crt", "--cakey", "ca.key")


def test_by_a_ca_of_openssls(mutual, recipe, tmp_path):
    result = mutual("renew", "web.crt", *recipe).ok()
    assert 'its subject was "O=Example, CN=web.example", and is "CN=web.example" now' in result.stderr
    openssl("verify", "-CAfile", tmp_path / "ca.crt", "-purpose", "sslserver", tmp_path / "web.crt")
    assert names(tmp_path / "web.crt") == ["DNS:web.example"] and lifetime(tmp_path / "web.crt") == pytest.approx(5 * DAY, abs=600)
    is_whole_pair(tmp_path / "web")


def test_what_it_is_for_is_said_where_the_certificate_does_not(mutual, recipe, tmp_path):
    mutual("renew", "bare.crt", *recipe).refused("does not say", "--profile")
    mutual("renew", "bare.crt", *recipe, "--profile", "client").ok()
    openssl("verify", "-CAfile", tmp_path / "ca.crt", "-purpose", "sslclient", tmp_path / "bare.crt")
    is_whole_pair(tmp_path / "bare")


def test_not_by_a_ca_that_did_not_issue_it(mutual, recipe, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("renew", "a.crt", *recipe).refused('"their-ca" has not issued it')
    mutual("renew", "web.crt").refused("this CA has not issued it")


# --- Never half of it ---

def test_kill_in_the_middle_of_renew_leaves_the_old_pair_or_the_new(mutual, ca, tmp_path):
    """Looked at right after the kill, before anything could have been repaired."""
    mutual("issue", "client", "a").ok()
    killer, seen = Killer(20261124, mutual, "renew", "a.crt"), set()
    for attempt in range(200):
        if attempt >= 36 and killer.hits > 5 and len(seen) > 3:
            break
        killer.strike("renew", "a.crt")
        is_whole_pair(tmp_path / "a")
        seen.add(serial(tmp_path / "a.crt"))
    assert killer.hits > 5 and len(seen) > 3, "the moments are chosen so that many are hit"
    assert seen <= {one["serial"] for one in mutual("list", "--json").ok().json_lines()}
    mutual("renew", "a.crt").ok()
    is_whole_pair(tmp_path / "a")
    assert files(tmp_path) == ["a.crt", "a.key"], "what the killed ones left is gone"
    mutual("audit", "verify").ok()


def test_many_at_once_leave_one_whole_pair(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    processes = [mutual.start("renew", "a.crt", "--key-type", "p256") for _ in range(8)]
    codes = [process.wait(WAIT) for process in processes]
    assert 0 in codes and set(codes) <= {0, 1}
    is_whole_pair(tmp_path / "a")
    assert files(tmp_path) == ["a.crt", "a.key"]


def test_a_reader_never_meets_a_file_that_is_missing_or_half(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            for name in ("a.crt", "a.key"):
                try:
                    found = (tmp_path / name).read_text()
                except OSError as e:
                    found = str(e)
                if not (found.startswith("-----BEGIN ") and found.endswith("-----\n")):
                    wrong.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        mutual("renew", "a.crt").ok()
    stop.set()
    reader.join()
    assert wrong == []


def test_a_full_disk_leaves_the_old_pair(mutual, ca, tmp_path):
    disk = Mount(tmp_path / "disk", "size=64k")
    try:
        if not disk.works:
            pytest.skip("this user may not mount a file system")
        how = {"prefix": [*disk.prefix, disk.at]}
        mutual("issue", "client", "a", **how).ok()
        before = serial(disk.seen / "a.crt")
        disk.fill()
        mutual("renew", "a.crt", **how).refused("a.", "No space left", "hint: ")
        assert serial(disk.seen / "a.crt") == before
        is_whole_pair(disk.seen / "a")
        (disk.seen / "filler").unlink()
        mutual("renew", "a.crt", **how).ok()
        is_whole_pair(disk.seen / "a")
        assert files(disk.seen) == ["a.crt", "a.key"]
    finally:
        disk.close()
