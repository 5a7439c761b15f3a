"""mutual list: what the CA has issued."""
import re
import sqlite3
import time

import pytest

from made import files, fingerprint, serial


def listed(mutual, *options):
    return [one["name"] for one in mutual("list", "--json", *options).ok().json()]


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

    one = mutual("list", "--json", "--name", "node*").ok().json()[0]
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
    states = [one["state"] for one in mutual("list", "--json").ok().json()]
    assert states == ["valid", "valid", "valid", "expired"]


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
])
def test_what_cannot_be_listed(mutual, ca, words, code, said):
    mutual(*words).refused(said, "hint: ", code=code)
