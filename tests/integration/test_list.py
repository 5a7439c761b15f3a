"""mutual list: what the CA has issued."""
import re
import sqlite3
import time

import pytest

from made import files, fingerprint, serial


def listed(mutual, *options):
    return [one["name"] for one in mutual("list", "--json", *options).ok().json_lines()]


def test_what_was_issued_oldest_first(mutual, ca, tmp_path):
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    mutual("issue", "peer", "node.internal", "10.0.0.1").ok()
    lines = mutual("list").ok().stdout.split("\n")
    assert lines[0].split() == ["NAME", "KIND", "STATE", "EXPIRES", "SERIAL"]
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["localhost", "server", "valid"], ["my-client", "client", "valid"], ["node.internal", "peer", "valid"]]
    assert lines[2].endswith(serial(tmp_path / "my-client.crt"))
    assert re.search("in (90|89) days", lines[2]), "a second may have passed"

    one = mutual("list", "--json", "--name", "node*").ok().json_lines()[0]
    assert one["sha256"] == fingerprint(tmp_path / "node.internal.crt").replace(":", "")
    assert one["serial"] == serial(tmp_path / "node.internal.crt")
    assert (one["san"], one["subject"]) == ("DNS:node.internal, IP:10.0.0.1", "CN=node.internal")


def test_filters(mutual, ca):
    for name, lifetime in [("a.internal", "90d"), ("b.internal", "10d"), ("c.example", "10d"), ("d.internal", "1s")]:
        mutual("issue", "server", name, "--lifetime", lifetime).ok()
    time.sleep(2.1)  # until d has expired: X.509 counts in seconds
    assert listed(mutual) == ["a.internal", "b.internal", "c.example", "d.internal"]
    assert listed(mutual, "--name", "*.internal") == ["a.internal", "b.internal", "d.internal"]
    assert listed(mutual, "--name", "[ab].*") == ["a.internal", "b.internal"]
    assert listed(mutual, "--name", "?.example") == ["c.example"]
    assert listed(mutual, "--expiring", "30d") == ["b.internal", "c.example"], "what has expired is not about to"
    assert listed(mutual, "--expiring", "30d", "--name", "*.internal") == ["b.internal"]
    assert listed(mutual, "--expiring", "1d") == []
    states = [one["state"] for one in mutual("list", "--json").ok().json_lines()]
    assert states == ["valid", "valid", "valid", "expired"]


def test_by_state(mutual, ca):
    for name in ("good", "gone", "held"):
        mutual("issue", "client", name).ok()
    mutual("revoke", "gone", "--reason", "keyCompromise").ok()
    mutual("revoke", "held", "--reason", "hold").ok()
    assert listed(mutual, "--state", "valid") == ["good"]
    assert listed(mutual, "--state", "revoked") == ["gone", "held"]
    assert listed(mutual, "--state", "held") == ["held"]
    assert listed(mutual, "--state", "expired") == []
    assert listed(mutual, "--state", "any") == ["good", "gone", "held"]
    gone = mutual("list", "--json", "--name", "gone").ok().json_lines()[0]
    assert (gone["state"], gone["reason"], gone["invalid_since"]) == ("revoked", "keyCompromise", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", gone["revoked_at"])
    assert " held " in mutual("list", "--name", "held").ok().stdout


def test_by_alternative_name_serial_number_and_fingerprint(mutual, ca, tmp_path):
    mutual("issue", "server", "a.internal", "10.0.0.1").ok()
    mutual("issue", "server", "b.internal", "b.example.org", "10.1.0.1", "fd00::7").ok()
    assert listed(mutual, "--san", "*.example.org") == ["b.internal"]
    assert listed(mutual, "--san", "10.0.*") == ["a.internal"]
    assert listed(mutual, "--san", "IP:10.*") == ["a.internal", "b.internal"]
    assert listed(mutual, "--san", "IP:fd00:*") == ["b.internal"]
    assert listed(mutual, "--san", "10.*", "--name", "b*") == ["b.internal"], "all that is asked for has to fit"
    number, print_ = serial(tmp_path / "b.internal.crt"), fingerprint(tmp_path / "b.internal.crt")
    assert listed(mutual, "--serial", number) == listed(mutual, "--serial", number[:8].lower()) == ["b.internal"]
    assert listed(mutual, "--fingerprint", print_) == listed(mutual, "--fingerprint", print_[:11]) == ["b.internal"]
    assert listed(mutual, "--serial", "F") == [], "no serial number of ours begins so"


def test_a_certificate_with_hundreds_of_names_is_shown_whole(mutual, ca):
    others = [f"a-host-with-a-rather-long-name-{i:03}.some.internal.example" for i in range(300)]
    mutual("issue", "server", "main.example", *others).ok()
    [one] = mutual("list", "--json", "--san", "*-299.*").ok().json_lines()
    assert one["san"].split(", ") == [f"DNS:{name}" for name in ["main.example", *others]]
    [one] = mutual("show", "main.example", "--json").ok().json_lines()
    assert len(one["certificate"]["names"]) == 301


def test_by_issuer(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    for issuer in ("my-ca", ca / "ca.crt", fingerprint(ca / "ca.crt"), fingerprint(ca / "ca.crt")[:8]):
        assert listed(mutual, "--issuer", issuer) == ["a"], issuer
    mutual("init", "other-ca", home=tmp_path / "other").ok()
    assert listed(mutual, "--issuer", tmp_path / "other/ca.crt") == []
    mutual("list", "--issuer", "other-ca").refused("no CA that has issued here", "FILE.crt")


def test_many_in_pieces(mutual, ca):
    names = [f"n{i}" for i in range(7)]
    for name in names:
        mutual("issue", "client", name).ok()
    seen, more = [], []
    while piece := mutual("list", "--json", "--limit", 3, *more).ok().json_lines():
        seen.append([one["name"] for one in piece])
        more = ["--after", piece[-1]["serial"]]
    assert seen == [names[:3], names[3:6], names[6:]]

    shown = mutual("list", "--limit", 3).ok()
    last = shown.stdout.split("\n")[3].split()
    assert last[0] == "n2" and shown.stderr == f"mutual: there is more: --after {last[-1]} goes on\n"
    assert mutual("list", "--limit", 7).ok().stderr == ""
    assert listed(mutual, "--after", "n5") == ["n6"], "a name will do where only one has it"
    mutual("list", "--after", "nobody").refused("nobody")
    for limit in ("0", "-1", "x", ""):
        mutual("list", f"--limit={limit}").refused("a whole number from 1", code=2)


def test_by_end_in_pieces(mutual, ca):
    for name, days in (("c", 3), ("a", 1), ("d", 3), ("b", 2)):
        mutual("issue", "client", name, "--days", days).ok()
    assert listed(mutual, "--expiring", "30d") == ["a", "b", "c", "d"]
    assert listed(mutual, "--expiring", "30d", "--limit", 2, "--after", "b") == ["c", "d"]


def test_damaged_records_cannot_write_to_the_terminal(mutual, ca):
    mutual("issue", "client", "a").ok()
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("UPDATE certificate SET name = 'a' || char(27) || '[2Jb', serial = char(27) || '[2J'")
    db.close()
    for words in (["list"], ["list", "--json"]):
        assert "\x1b" not in mutual(*words).ok().stdout
    assert mutual("list", "--json").ok().json_lines()[0]["name"] == "a\\x1b[2Jb"


def test_nothing_to_show_is_said_aside(mutual, ca):
    result = mutual("list").ok()
    assert (result.stdout, result.stderr) == ("", "mutual: nothing has been issued yet\n")
    mutual("issue", "client", "a").ok()
    result = mutual("list", "--name", "b").ok()
    assert (result.stdout, result.stderr) == ("", "mutual: nothing that was issued fits\n")


def test_listing_changes_nothing(mutual, ca):
    mutual("issue", "client", "a").ok()
    before = (ca / "mutual.db").read_bytes()
    mutual("list").ok()
    assert (ca / "mutual.db").read_bytes() == before
    assert {"mutual.db-shm", "mutual.db-wal"}.issuperset(set(files(ca)) - {"ca.crt", "ca.key", "mutual.db"})


def test_a_home_with_a_strange_name(mutual, tmp_path):
    home = tmp_path / "what?#%41 is this"
    mutual("init", "--home", home).ok()
    mutual("issue", "client", "a", "--home", home).ok()
    assert listed(mutual, "--home", home) == ["a"]


def test_without_a_ca(mutual, tmp_path, home):
    mutual("list").refused("there is no CA in", "mutual init")
    assert not home.exists()


@pytest.mark.parametrize("data", [b"", b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_records_that_are_damaged_are_told_and_left_as_they_are(mutual, ca, data):
    (ca / "mutual.db").write_bytes(data)
    mutual("list").refused("mutual.db", "backup")
    assert (ca / "mutual.db").read_bytes() == data


def test_records_of_a_newer_mutual_are_left_alone(mutual, ca, tmp_path):
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for words in (["list"], ["issue", "client", "a"]):
        mutual(*words).refused("newer mutual", "schema 99")
    assert files(tmp_path) == []


@pytest.mark.parametrize("words, code, said", [
    (["list", "a"], 2, "\"a\""),
    (["list", "--expiring", "30"], 2, "90d"),
    (["list", "--expiring", ""], 2, "length of time"),
    (["list", "--name"], 2, "--name needs a value"),
    (["list", "--state", "good"], 2, "valid, expired, revoked or held"),
    (["list", "--serial", "12xy"], 2, "hexadecimal digits"),
    (["list", "--fingerprint", ""], 2, "hexadecimal digits"),
    (["list", "--fingerprint", "ab" * 40], 2, "hexadecimal digits"),
])
def test_what_cannot_be_listed(mutual, ca, words, code, said):
    mutual(*words).refused(said, "hint: ", code=code)
