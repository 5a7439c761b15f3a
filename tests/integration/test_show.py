"""mutual show: all that the CA knows of a certificate."""
import re
import sqlite3
import ssl

import pytest

from made import fingerprint, serial


def test_a_certificate_by_each_of_its_names(mutual, ca, tmp_path):
    mutual("issue", "server", "api.internal", "10.0.0.1").ok()
    mutual("issue", "client", "other").ok()
    file = tmp_path / "api.internal.crt"
    number, print_ = serial(file), fingerprint(file)
    shown = mutual("show", "api.internal").ok().stdout
    assert shown.startswith("api.internal: a server certificate\n  state        valid\n")
    assert re.search(r"^  history      \d{4}-\d\d-\d\d \d\d:\d\d UTC: issue, by .+ \(\d+\) on .+ \(entry 2\)$", shown, re.M)
    assert number in shown and print_ in shown and "IP:10.0.0.1" in shown and "other" not in shown
    whole = mutual("show", "api.internal", "--json").ok().stdout  # no word in it depends on the second
    for meant in (number, number.lower(), number[:8], number.lstrip("0"), f"0x{number}", print_, print_[:20],
                  print_.replace(":", ""), "api.internal.crt", file):
        assert mutual("show", meant, "--json").ok().stdout == whole, meant
    der = tmp_path / "der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(file.read_text()))
    assert mutual("show", "der", "--json").ok().stdout == whole


def test_it_says_of_the_certificate_what_inspect_says(mutual, ca, tmp_path):
    mutual("issue", "server", "localhost").ok()
    [inspected] = mutual("inspect", "localhost.crt", "--json").ok().json()["objects"]
    [shown] = mutual("show", "localhost", "--json").ok().json_lines()
    assert shown["certificate"].items() <= inspected.items() and len(shown["certificate"]) > 20
    facts = mutual("inspect", "localhost.crt").ok().stdout
    for line in mutual("show", "localhost").ok().stdout.splitlines()[3:]:
        assert line in facts or line.startswith("  valid "), line


def test_all_of_one_name_oldest_first(mutual, ca, tmp_path):
    mutual("issue", "client", "a", "--out", "1").ok()
    mutual("issue", "client", "b").ok()
    mutual("issue", "client", "a", "--out", "2").ok()
    shown = mutual("show", "a", "--json").ok().json_lines()
    assert [one["serial"] for one in shown] == [serial(tmp_path / "1.crt"), serial(tmp_path / "2.crt")]
    assert mutual("show", "a").ok().stdout.count("a: a client certificate\n") == 2
    both = mutual("show", "b", "a", "--json").ok().json_lines()
    assert [one["name"] for one in both] == ["b", "a", "a"]


def test_as_json(mutual, ca, tmp_path):
    mutual("issue", "peer", "node").ok()
    [one] = mutual("show", "node", "--json").ok().json_lines()
    assert (one["name"], one["kind"], one["state"]) == ("node", "peer", "valid")
    assert one["certificate"]["sha256"] == fingerprint(tmp_path / "node.crt")
    assert [(entry["entry"], entry["action"]) for entry in one["history"]] == [(2, "issue")]
    assert "pem" not in one
    [one] = mutual("show", "node", "--json", "--pem").ok().json_lines()
    assert one["pem"] == (tmp_path / "node.crt").read_text()


def test_the_certificate_itself(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    made = (tmp_path / "a.crt").read_text()
    (tmp_path / "a.crt").unlink()
    assert mutual("show", "a", "--pem").ok().stdout == made
    mutual("verify", "-", "--purpose", "client", input=made).ok()


def test_what_is_revoked_says_since_when_and_why(mutual, ca):
    mutual("issue", "client", "a").ok()
    mutual("revoke", "a", "--reason", "hold").ok()
    assert re.search(r"^  state        held .+: certificateHold$", mutual("show", "a").ok().stdout, re.M)
    mutual("revoke", "a", "--reason", "keyCompromise", "--at", "2026-02-02 02:40").ok()
    shown = mutual("show", "a").ok().stdout
    assert re.search(r"^  state        revoked .+, on \d{4}-\d\d-\d\d \d\d:\d\d UTC: keyCompromise$", shown, re.M)
    assert "not believed from 2026-02-02 02:40 UTC on" in shown
    assert re.findall(r"UTC: (\w+), by", shown) == ["issue", "hold", "revoke"]
    [one] = mutual("show", "a", "--json").ok().json_lines()
    assert (one["state"], one["invalid_since"]) == ("revoked", "2026-02-02T02:40:00Z")


def test_it_needs_no_key_and_changes_nothing(mutual, ca):
    mutual("issue", "client", "a").ok()
    (ca / "ca.key").unlink()
    before = (ca / "mutual.db").read_bytes()
    mutual("show", "a").ok()
    assert (ca / "mutual.db").read_bytes() == before


def test_a_name_that_looks_like_the_beginning_of_a_serial_number(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    number = serial(tmp_path / "a.crt")
    mutual("issue", "client", number[:8]).ok()
    assert [one["name"] for one in mutual("show", number[:8], "--json").ok().json_lines()] == [
        number[:8].lower()]
    assert [one["name"] for one in mutual("show", number[:9], "--json").ok().json_lines()] == ["a"]
    assert [one["name"] for one in mutual("show", number, "--json").ok().json_lines()] == ["a"]


def test_what_is_not_known(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("init", home=tmp_path / "other").ok()
    mutual("issue", "client", "b", home=tmp_path / "other").ok()
    for meant in ("b", "", "aa", "a*", "0" * 36, "f" * 64, "ab" * 100, "no/such/file.crt", "\x1b[2J"):
        result = mutual("show", meant).refused("no certificate", "mutual list")
        assert result.stdout == "" and "\x1b" not in result.stderr
    mutual("show", "./b.crt").refused("\"b\"", "was not issued by this CA")
    (tmp_path / "junk.crt").write_text("this is no certificate")
    mutual("show", "junk.crt").refused("junk.crt")
    mutual("show", home=ca).refused("needs", code=2)
    mutual("show", "a", home="/nowhere").refused("there is no CA in")


def test_a_beginning_that_several_have(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("issue", "client", "b").ok()
    numbers = ["0ABC" + "1" * 32, "0ABC" + "2" * 32]
    with sqlite3.connect(ca / "mutual.db") as db:
        for name, number in zip("ab", numbers):
            db.execute("UPDATE certificate SET serial = ? WHERE name = ?", (number, name))
    db.close()
    mutual("show", "0abc").refused("2 certificates", *numbers, "hint: give the serial number")
    mutual("show", "0abc1").ok()


@pytest.mark.parametrize("der", [b"", b"junk", b"\x30\x82\xff\xff"])
def test_a_damaged_record_is_told(mutual, ca, der):
    mutual("issue", "client", "a").ok()
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute("UPDATE certificate SET der = ?", (der,))
    db.close()
    assert mutual("show", "a").refused("the CA's records").stdout == ""
