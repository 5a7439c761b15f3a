"""Taking certificates back: revoke, hold, release; the lists that say so; the trail that tells of it."""
import contextlib
import datetime
import json
import os
import sqlite3
import subprocess
import time

import pytest

from clock import Clock, needs_clock
from made import serial

DAY = datetime.timedelta(days=1)


def run(*argv, code=0):
    result = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60)
    assert result.returncode == code, result
    return result.stdout + result.stderr


def crl_text(path, *options):
    return run("openssl", "crl", "-in", path, "-noout", "-text", *options)


def number_of(path):
    return int(run("openssl", "crl", "-in", path, "-noout", "-crlnumber").split("=")[1], 16)


def verify(ca, cert, *more, code=0):
    return run("openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", ca / "ca.crt", "-CRLfile", ca / "ca.crl",
               *more, cert, code=code)


@pytest.fixture
def alice(mutual, ca, tmp_path):
    mutual("issue", "client", "alice").ok()
    return tmp_path / "alice.crt"


def test_a_revoked_certificate_is_on_the_list_with_its_reason(mutual, ca, alice):
    said = mutual("revoke", "alice", "--reason", "keyCompromise", "--at", "2026-01-02").ok().stdout
    assert 'revoked "alice"' in said and serial(alice) in said and "keyCompromise" in said and "ca.crl" in said
    text = crl_text(ca / "ca.crl")
    assert serial(alice) in text and "Key Compromise" in text and "Jan  2 00:00:00 2026" in text
    assert "revoked" in verify(ca, alice, code=2)
    judged = mutual("verify", "alice.crt", "--crl", ca / "ca.crl")
    assert judged.code == 1 and "was revoked" in judged.stdout and "key was exposed" in judged.stdout
    assert mutual("list", "--json").ok().json_lines()[0]["state"] == "revoked"


def test_what_is_not_revoked_is_good_in_the_eyes_of_others(mutual, ca, alice):
    mutual("issue", "client", "bob").ok()
    mutual("revoke", "bob").ok()
    assert "OK" in verify(ca, alice)
    mutual("verify", "alice.crt", "--crl", ca / "ca.crl").ok()


def test_a_list_is_good_for_clocks_that_are_behind_and_the_records_say_when_it_was_made(mutual, ca, alice):
    mutual("issue", "client", "bob").ok()
    before = int(time.time())
    mutual("revoke", "bob").ok()
    behind = "-attime", before - 200
    assert "OK" in verify(ca, alice, *behind)
    assert "revoked" in verify(ca, alice.with_name("bob.crt"), *behind, code=2)
    with contextlib.closing(sqlite3.connect(ca / "mutual.db")) as db:
        assert db.execute("SELECT max(this_update) FROM crl").fetchone()[0] >= before
    mutual("crl", "--lifetime", "1m").ok()
    first, last = (datetime.datetime.strptime(line.split("=")[1], "%b %d %H:%M:%S %Y %Z")
                   for line in run("openssl", "crl", "-in", ca / "ca.crl", "-noout", "-lastupdate", "-nextupdate").splitlines())
    assert (last - first).total_seconds() == 120


@pytest.mark.parametrize("call_it", ["name", "serial", "fingerprint", "file"])
def test_a_certificate_is_called_by_what_people_have_of_it(mutual, ca, alice, call_it):
    print_of = run("openssl", "x509", "-in", alice, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]
    word = {"name": "alice", "serial": serial(alice).lower(), "fingerprint": print_of, "file": "./alice.crt"}[call_it]
    mutual("revoke", word).ok()
    assert serial(alice) in crl_text(ca / "ca.crl")


def test_what_is_not_known_or_revoked_already_is_refused_in_words(mutual, ca, alice, tmp_path):
    mutual("revoke", "nobody").refused("nobody", "mutual list")
    mutual("revoke").refused(code=2)
    mutual("revoke", "alice", "--reason", "because").refused("because", "keyCompromise", code=2)
    mutual("revoke", "alice", "--at", "2999-01-01").refused("future", code=2)
    mutual("revoke", "alice", "--release").refused("is not revoked")
    mutual("revoke", "alice", "--release", "--reason", "hold").refused("--release", code=2)
    assert not (ca / "ca.crl").exists()
    mutual("revoke", "alice").ok()
    number = number_of(ca / "ca.crl")
    mutual("revoke", "alice").refused("is revoked already, since")
    mutual("revoke", "alice", "--release").refused("for good")
    assert number_of(ca / "ca.crl") == number
    other = tmp_path / "other"
    mutual("init", home=other).ok()
    mutual("issue", "client", "stranger", home=other).ok()
    mutual("revoke", "stranger.crt").refused("stranger")


def test_a_hold_can_be_taken_back_or_made_final(mutual, ca, alice):
    mutual("revoke", "alice", "--reason", "hold").ok()
    assert "Certificate Hold" in crl_text(ca / "ca.crl")
    assert "alice" in mutual("list").ok().stdout and "held" in mutual("list").ok().stdout
    mutual("revoke", "alice", "--reason", "hold").refused("on hold already", "--release")
    assert 'released "alice"' in mutual("revoke", "alice", "--release").ok().stdout
    assert "No Revoked Certificates" in crl_text(ca / "ca.crl")
    assert "OK" in verify(ca, alice)
    mutual("revoke", "alice", "--reason", "hold").ok()
    mutual("revoke", "alice", "--reason", "superseded").ok()
    assert "Superseded" in crl_text(ca / "ca.crl")
    mutual("revoke", "alice", "--release").refused("for good")


def test_several_of_a_name_are_told_apart(mutual, ca, alice):
    mutual("issue", "client", "alice", "--force").ok()
    mutual("revoke", "alice").refused("alice", serial(alice))
    mutual("revoke", serial(alice)).ok()
    mutual("issue", "client", "alice", "--force").ok()
    said = mutual("revoke", "alice", "--all").ok().stdout
    assert said.count("revoked \"alice\"") == 2
    assert crl_text(ca / "ca.crl").count("Serial Number") == 3


def test_all_of_a_name_that_are_revoked_already_are_refused_in_words(mutual, ca, alice):
    mutual("issue", "client", "alice", "--force").ok()
    mutual("revoke", "alice", "--all").ok()
    mutual("revoke", "alice", "--all").refused("revoked already")
    mutual("revoke", "alice", "--all", "--release").refused("for good")


@pytest.mark.parametrize("cut_off", ["before it was made", "before it had its name"])
def test_a_revocation_that_was_cut_off_and_is_said_again_has_its_list(mutual, ca, alice, cut_off):
    """A kill between the two left it on record and on no list, and nobody made one."""
    mutual("crl").ok()
    before = (ca / "ca.crl").read_bytes()
    mutual("revoke", "alice").ok()
    (ca / "ca.crl").write_bytes(before)
    if cut_off == "before it was made":
        with contextlib.closing(sqlite3.connect(ca / "mutual.db")) as db:
            db.executescript("DELETE FROM crl WHERE seq = (SELECT max(seq) FROM crl); DELETE FROM trail_head WHERE seq = "
                             "(SELECT max(seq) FROM trail); DELETE FROM trail WHERE seq = (SELECT max(seq) FROM trail)")
    mutual("revoke", "alice").refused("revoked already")
    assert serial(alice) in crl_text(ca / "ca.crl")
    number = number_of(ca / "ca.crl")
    mutual("revoke", "alice").refused("revoked already")
    assert number_of(ca / "ca.crl") == number, "there is nothing to tell"
    mutual("audit", "verify").ok()


def test_who_mistypes_one_of_many_says_all_of_them_again(mutual, ca, alice):
    mutual("issue", "client", "bob").ok()
    mutual("revoke", "alice", "bbo", "bob").refused('"bbo"')
    mutual("revoke", "alice", "bob").ok()
    assert crl_text(ca / "ca.crl").count("Serial Number") == 2


def test_what_was_revoked_before_a_later_one_was_refused_is_on_the_list(mutual, ca, alice):
    mutual("issue", "client", "bob").ok()
    mutual("revoke", "bob").ok()
    mutual("revoke", "alice", "bob").refused("bob", "revoked")
    assert serial(alice) in crl_text(ca / "ca.crl")


def test_a_revocation_as_json(mutual, ca, alice):
    told = mutual("revoke", "alice", "--reason", "hold", "--json").ok().json()
    assert told["changed"] == [{"name": "alice", "serial": serial(alice), "state": "held", "reason": "certificateHold"}]
    assert told["crl"]["file"] == str(ca / "ca.crl") and told["crl"]["revoked"] == 1
    assert int(told["crl"]["number"], 16) == number_of(ca / "ca.crl")


def test_numbers_rise_also_after_a_restore_from_a_backup(mutual, ca, alice):
    backup = {name: (ca / name).read_bytes() for name in ("mutual.db", "ca.crt", "ca.key")}
    numbers = []
    for _ in range(3):
        mutual("crl").ok()
        numbers.append(number_of(ca / "ca.crl"))
    for name in os.listdir(ca):
        if name.startswith("mutual.db-"):
            (ca / name).unlink()
    for name, data in backup.items():
        (ca / name).write_bytes(data)
    # The records know of no list; those that are out have numbers of the clock, which went on.
    with sqlite3.connect(ca / "mutual.db") as db:
        assert db.execute("SELECT count(*) FROM crl").fetchone() == (0,)
    last = numbers[-1]
    while number_of(ca / "ca.crl") <= last:
        mutual("crl").ok()
    assert numbers == sorted(set(numbers)) and number_of(ca / "ca.crl") - last < 60_000


def test_an_entry_stays_until_a_list_was_made_after_the_end_of_its_certificate(mutual, ca, alice):
    mutual("revoke", "alice").ok()
    past = int(datetime.datetime.now().timestamp()) - 86400
    with sqlite3.connect(ca / "mutual.db") as db:  # a day later, as it were
        db.execute("UPDATE certificate SET not_before = 1, not_after = ?", (past,))
        db.execute("UPDATE crl SET this_update = ?, next_update = ?", (past - 86400, past + 86400 * 6))
    mutual("crl").ok()
    assert serial(alice) in crl_text(ca / "ca.crl")
    mutual("crl").ok()
    assert "No Revoked Certificates" in crl_text(ca / "ca.crl")


def test_a_list_as_a_file_of_its_own(mutual, ca, alice, tmp_path):
    mutual("crl", "--out", "list.pem", "--days", "3").ok()
    assert (tmp_path / "list.pem").read_text().startswith("-----BEGIN X509 CRL-----")
    mutual("crl", "--out", "list.pem").refused("list.pem", "--force")
    mutual("crl", "--out", "list.der", "--der").ok()
    assert (tmp_path / "list.der").read_bytes()[0] == 0x30
    assert mutual("crl", "--out", "-").ok().stdout.startswith("-----BEGIN X509 CRL-----")
    mutual("crl", "--der").refused("--out", code=2)
    mutual("crl", "--days", "0").refused("--days", code=2)
    # Three days are kept for the lists to come.
    told = mutual("crl", "--json").ok().json()
    due = datetime.datetime.fromisoformat(told["next_update"].replace("Z", "+00:00"))
    assert abs(due - datetime.datetime.now(datetime.timezone.utc) - 3 * DAY) < datetime.timedelta(minutes=5)
    assert "complete list" in mutual("audit").ok().stdout


# --- In public ---

URL = "http://pki.example.com/lists/"


def public_files(ca):
    """{what comes behind the key's part of the name: path}"""
    return {path.name[16:]: path for path in (ca / "public").iterdir()}


def test_with_a_url_certificates_point_to_what_lies_in_public(mutual, ca, alice, tmp_path):
    mutual("crl", "--url", URL, "--ocsp-url", "http://ocsp.example.com/").ok()
    mutual("issue", "client", "bob").ok()
    text = run("openssl", "x509", "-in", tmp_path / "bob.crt", "-noout", "-text")
    files = public_files(ca)
    assert set(files) == {".crl", ".crt"}
    assert f"URI:{URL}{files['.crl'].name}" in text and f"CA Issuers - URI:{URL}{files['.crt'].name}" in text
    assert "OCSP - URI:http://ocsp.example.com/" in text
    assert "pki.example.com" not in run("openssl", "x509", "-in", alice, "-noout", "-text")
    # DER, as what is fetched has to be. [RFC 5280 4.2.1.13, 4.2.2.1]
    assert "my-ca" in crl_text(files[".crl"], "-inform", "DER")
    assert "my-ca" in run("openssl", "x509", "-in", files[".crt"], "-inform", "DER", "-noout", "-subject")
    assert f"look for lists at {URL}: let public/ be there" in mutual("crl", "--url", "http://b.example.com/").ok().stderr
    assert "look for lists at http://b.example.com/, and none" in mutual("crl", "--url", "").ok().stderr
    mutual("issue", "client", "carol").ok()
    assert "pki.example.com" not in run("openssl", "x509", "-in", tmp_path / "carol.crt", "-noout", "-text")


@pytest.mark.parametrize("words, said", [
    (["--url", "https://pki.example.com/"], "http://HOST"),
    (["--url", "http://pki.example.com"], "slash"),
    (["--url", "http://pki.example.com/\x1b/"], "http://HOST"),
    (["--url", "http://" + "a" * 2000 + "/"], "too long"),
    (["--partitions", "4"], "--url"),
    (["--deltas", "on"], "--url"),
    (["--deltas", "perhaps", "--url", URL], "on or off"),
    (["--partitions", "99999", "--url", URL], "--partitions"),
    (["--delta"], "no delta lists"),
])
def test_settings_that_make_no_sense_are_refused_and_not_kept(mutual, ca, words, said):
    mutual("crl", *words).refused(said, code=2)
    assert "setting" not in mutual("audit").stdout


def test_a_delta_list_has_what_changed_since_the_lists_that_are_out(mutual, ca, tmp_path):
    mutual("crl", "--url", URL, "--deltas", "on").ok()
    for name in ("alice", "bob", "carol"):
        mutual("issue", "client", name).ok()
    mutual("revoke", "bob", "--reason", "hold").ok()
    base = tmp_path / "base.crl"
    base.write_bytes((ca / "ca.crl").read_bytes())
    mutual("revoke", "alice", "--reason", "superseded").ok()
    mutual("revoke", "bob", "--release").ok()
    complete = number_of(ca / "ca.crl")
    told = mutual("crl", "--delta", "--json").ok().json()
    assert number_of(ca / "ca.crl") == complete < int(told["number"], 16)
    delta = tmp_path / "delta.pem"
    delta.write_text(run("openssl", "crl", "-inform", "DER", "-in", told["file"]))
    text = crl_text(delta)
    assert "X509v3 Delta CRL Indicator: critical" in text
    assert "Superseded" in text and "Remove From CRL" in text and "Freshest CRL" not in text
    assert "X509v3 Freshest CRL" in crl_text(base)
    # The first list is the base: somebody may still hold it.
    assert int(told["base"], 16) < number_of(base)
    both = ["-use_deltas", "-extended_crl", "-CRLfile", delta]

    def judge(cert, code):
        return run("openssl", "verify", "-crl_check", "-CAfile", ca / "ca.crt", "-CRLfile", base, *both,
                   tmp_path / f"{cert}.crt", code=code)

    assert "revoked" in judge("alice", 2)
    assert "OK" in judge("carol", 0)
    assert "OK" in judge("bob", 0)


def test_a_partition_has_its_own_certificates_and_says_so(mutual, ca, tmp_path):
    mutual("crl", "--url", URL, "--partitions", "3").ok()
    certs = []
    for i in range(6):
        mutual("issue", "client", f"c{i}").ok()
        certs.append(tmp_path / f"c{i}.crt")
    mutual("revoke", "c0").ok()
    files = public_files(ca)
    assert set(files) == {".crl", ".crt", "-1.crl", "-2.crl", "-3.crl"}

    def partition(cert):
        text = run("openssl", "x509", "-in", cert, "-noout", "-text")
        return next(ending for ending in files if ending != ".crl" and f"{URL}{files[ending].name}" in text
                    and ending.endswith(".crl"))

    pem = tmp_path / "part.pem"
    ending = partition(certs[0])
    pem.write_text(run("openssl", "crl", "-inform", "DER", "-in", files[ending]))
    text = crl_text(pem)
    assert "X509v3 Issuing Distribution Point: critical" in text and serial(certs[0]) in text
    for cert in certs:
        said = run("openssl", "verify", "-crl_check", "-extended_crl", "-CAfile", ca / "ca.crt", "-CRLfile", pem, cert,
                   code=0 if partition(cert) == ending and cert != certs[0] else 2)
        if cert == certs[0]:
            assert "certificate revoked" in said
        elif partition(cert) != ending:
            assert "different CRL scope" in said or "unable to get certificate CRL" in said
    # The complete list has everything, whoever issued it and whenever.
    assert serial(certs[0]) in crl_text(ca / "ca.crl")
    assert "revoked" in verify(ca, certs[0], code=2)


def test_a_revocation_makes_only_the_lists_anew_in_which_it_stands(mutual, ca, tmp_path):
    mutual("crl", "--url", URL, "--partitions", "40").ok()
    mutual("issue", "client", "alice").ok()
    before = {ending: path.read_bytes() for ending, path in public_files(ca).items()}
    mutual("revoke", "alice").ok()
    after = {ending: path.read_bytes() for ending, path in public_files(ca).items()}
    assert sum(before[ending] != after[ending] for ending in before) == 2

    # A list that another machine has made, or somebody who was killed before it had its name, is on record and not there.
    stale = next(path for ending, path in public_files(ca).items() if ending == "-7.crl")
    stale.write_bytes(public_files(ca)["-8.crl"].read_bytes())
    public_files(ca)["-9.crl"].unlink()
    shown = mutual("health", "--quick").stdout
    assert "of the lists of 40 partitions 2 are out of date or missing" in shown
    mutual("issue", "client", "bob").ok()
    mutual("revoke", "bob").ok()
    assert stale.read_bytes() != public_files(ca)["-8.crl"].read_bytes() and "-9.crl" in public_files(ca)
    assert "partitions" not in mutual("health", "--quick").stdout


def test_certificates_of_more_partitions_go_on_having_their_lists(mutual, ca, tmp_path):
    mutual("crl", "--url", URL, "--partitions", "12").ok()
    mutual("issue", "client", "--batch", "-", input="".join(f"c{i}\n" for i in range(6))).ok()
    mutual("crl", "--partitions", "1").ok()
    text = {i: run("openssl", "x509", "-in", tmp_path / f"c{i}.crt", "-noout", "-text") for i in range(6)}
    ending, who = next((ending, f"c{i}") for i in text for ending in public_files(ca)
                       if ending not in (".crl", "-1.crl", ".crt") and ending in text[i])
    mutual("revoke", who).ok()
    listed = run("openssl", "crl", "-inform", "DER", "-in", public_files(ca)[ending], "-noout", "-text")
    assert serial(tmp_path / f"{who}.crt") in listed
    mutual("crl", "--partitions", "0").ok()
    assert f"which point to {URL}, have none from now on" in mutual("crl", "--url", "http://b.example.com/").ok().stderr


# --- The trail ---

def test_the_trail_tells_what_was_done_in_order(mutual, ca, alice):
    mutual("revoke", "alice", "--reason", "hold").ok()
    mutual("revoke", "alice", "--release").ok()
    entries = [json.loads(line) for line in mutual("audit", "--json").ok().stdout.splitlines()]
    assert [entry["action"] for entry in entries] == ["ca", "issue", "hold", "crl", "release", "crl"]
    assert [entry["seq"] for entry in entries] == list(range(1, 7))
    assert entries[1]["serial"] == serial(alice) == entries[2]["serial"]
    assert f"({os.geteuid()})" in entries[0]["who"] and entries[0]["host"] == os.uname().nodename
    text = mutual("audit", "--from", "3").ok().stdout
    assert text.count("\n") == 4 and "hold" in text
    assert "whole: 6 entries" in mutual("audit", "verify").ok().stdout
    assert mutual("audit", "verify", "--json").ok().json()["whole"] is True


def test_an_entry_that_was_changed_is_named(mutual, ca, alice):
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("UPDATE trail SET who = 'nobody (65534)' WHERE seq = 2")
    mutual("audit", "verify").refused("entry 2 (issue) was changed", "backup")
    assert mutual("audit", "verify", "--json").json()["error"]["id"] == "audit-broken"
    mutual("audit", "prove").refused("audit prove", code=2)


def test_a_trail_without_a_ca_is_refused(mutual, home):
    mutual("audit").refused("no CA", "mutual init")
    mutual("crl").refused("no CA", "mutual init")
    mutual("revoke", "a").refused("no CA", "mutual init")


@needs_clock
def test_a_clock_that_was_far_ahead_for_once_takes_nobody_off_the_lists(mutual, ca, alice, tmp_path):
    """In its eyes all certificates had ended."""
    clock = Clock(tmp_path)
    mutual("issue", "client", "carol").ok()
    mutual("crl", "--url", "http://pki.example/", "--partitions", 1, "--deltas", "on").ok()
    mutual("issue", "client", "bob").ok()
    mutual("revoke", "alice").ok()
    mutual("revoke", "bob").ok()
    clock.set(3600 * 24 * 365 * 2)
    for _ in range(2):
        mutual("crl", prefix=clock.prefix).ok()
    assert "No Revoked Certificates" in crl_text(ca / "ca.crl"), "rightly, in that year"
    clock.set(0)
    mutual("revoke", "carol").ok()
    assert all(serial(tmp_path / f"{name}.crt") in crl_text(ca / "ca.crl") for name in ("alice", "bob", "carol"))
    [partition] = (ca / "public").glob("*-1.crl")
    assert serial(tmp_path / "bob.crt") in crl_text(partition), "though nothing has changed in it"
