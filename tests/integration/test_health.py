"""mutual health: is all well with the CA? Each finding has its place in tests/unit/authority/test_health.c."""
import os
import sqlite3

import pytest

from made import openssl


def found(result):
    """The ids of what is not well."""
    return [one["id"] for one in result.json()["findings"] if one["severity"] != "ok"]


def test_all_is_well(mutual, ca):
    mutual("issue", "server", "localhost").ok()
    mutual("backup", "b").ok()
    result = mutual("health").ok()
    lines = result.stdout.splitlines()
    assert result.stderr == "" and all(line.startswith("ok       ") for line in lines)
    whole = mutual("health", "--json").ok().json()
    assert whole["status"] == "ok"
    assert [one["id"] for one in whole["findings"]] == [
        "ca", "key", "policy", "records", "trail", "certificates", "crl", "backup", "permissions", "clock", "disk"]
    assert [one["what"].split()[0] for one in whole["findings"][:-1]] == [line.split()[1] for line in lines[:-1]]
    assert "trail" not in [one["id"] for one in mutual("health", "--json", "--quick").ok().json()["findings"]]


def test_the_exit_status_is_for_monitoring(mutual, ca):
    warned = mutual("health")
    assert (warned.code, warned.stderr) == (3, "")
    assert "warning  no backup has been made [backup_never]\n         hint: " in warned.stdout
    assert mutual("health", "--ignore", "backup_never").ok().stdout.count("backup") == 0
    os.chmod(ca / "ca.key", 0o644)
    broken = mutual("health", "--json")
    assert (broken.code, broken.json()["status"], found(broken)) == (1, "error", ["backup_never", "secret_open"])
    mutual("health", "--ignore", "secret_open", "--ignore", "backup_never").ok()
    mutual("health", "--ignore", "secret-open").refused("secret-open", code=2)
    mutual("health", "x").refused("\"x\"", code=2)
    mutual("health", home="/nowhere").refused("there is no CA in")


def test_a_protected_key_needs_no_passphrase(mutual, home, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    mutual("init", "--passphrase-file", "secret").ok()
    result = mutual("health", "--ignore", "backup_never").ok()
    assert "the CA's key is protected by a passphrase" in result.stdout


def test_a_broken_trail_and_damaged_records_are_errors(mutual, ca):
    for name in ("a", "b", "c"):
        mutual("issue", "client", name).ok()
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("UPDATE trail SET detail = 'nothing happened' WHERE seq = 2")
    db.close()
    result = mutual("health", "--json")
    assert result.code == 1 and "trail_broken" in found(result)
    assert "trail_broken" not in found(mutual("health", "--json", "--quick"))

    whole = (ca / "mutual.db").read_bytes()
    (ca / "mutual.db").write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    result = mutual("health", "--json")
    assert result.code == 1
    assert {"records_damaged", "records_unreadable"} & set(found(result))
    assert {"ca", "key", "clock", "disk", "permissions"} <= {one["id"] for one in result.json()["findings"]}


def test_nothing_is_changed(mutual, ca):
    mutual("issue", "client", "a").ok()
    before = {path.name: path.read_bytes() for path in ca.iterdir()}
    mutual("health")
    for name, data in before.items():
        assert (ca / name).read_bytes() == data


def test_a_revocation_without_a_list_is_told(mutual, ca):
    mutual("issue", "client", "a").ok()
    mutual("revoke", "a").ok()
    mutual("backup", "b").ok()
    assert "the revocation list has 1 certificate; the next is due in " in mutual("health").ok().stdout
    old = (ca / "ca.crl").read_bytes()
    (ca / "ca.crl").unlink()
    assert found(mutual("health", "--json")) == ["crl_missing"]
    mutual("crl").ok()
    (ca / "ca.crl").write_bytes(old)
    result = mutual("health", "--json")
    assert (result.code, found(result)) == (1, ["crl_old"])
    mutual("crl").ok()
    mutual("health").ok()


def test_a_policy_that_cannot_be_read_is_told(mutual, ca):
    mutual("backup", "b").ok()
    (ca / "policy.yaml").write_text("nonsense: 1\n")
    result = mutual("health", "--json", "--quick")
    assert result.code == 1 and found(result) == ["policy_unreadable"]


def test_a_partition_without_a_list_is_told(mutual, ca):
    mutual("backup", "b").ok()
    mutual("crl", "--url", "http://pki.example/", "--partitions", 4).ok()
    mutual("health").ok()
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("DELETE FROM crl WHERE part = 3")
    db.close()
    result = mutual("health", "--quick", "--json")
    assert result.code == 1 and found(result) == ["crl_expired"]
    assert "of the lists of 4 partitions 1 is out of date or missing" in result.stdout
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("UPDATE crl SET this_update = this_update + 86400 WHERE part = 2")
    db.close()
    assert "of the lists of 4 partitions 2 are" in mutual("health", "--quick", "--json").stdout


def test_lists_by_a_former_key_alone_are_told(mutual, ca):
    """As a rollover leaves them that is killed before it has made others."""
    mutual("backup", "b").ok()
    mutual("crl").ok()
    before = (ca / "ca.crl").read_bytes()
    mutual("ca", "rollover", "start").ok()
    assert found(mutual("health", "--quick", "--json")) == []
    (ca / "ca.crl").write_bytes(before)
    with sqlite3.connect(ca / "mutual.db") as db:
        db.execute("DELETE FROM crl")
    db.close()
    assert found(mutual("health", "--quick", "--json")) == ["crl_old"]
    mutual("crl").ok()
    assert found(mutual("health", "--quick", "--json")) == []


@pytest.mark.parametrize("data, id", [(b"", "crl_unreadable"), (b"junk", "crl_unreadable")])
def test_a_list_that_cannot_be_read(mutual, ca, data, id):
    (ca / "ca.crl").write_bytes(data)
    result = mutual("health", "--json", "--quick")
    assert result.code == 1 and id in found(result)


def test_a_list_of_openssl_is_judged_by_its_dates(mutual, ca, tmp_path):
    (tmp_path / "index").write_text("")
    (tmp_path / "cnf").write_text("[ca]\ndefault_ca=c\n[c]\ndatabase=index\ndefault_md=sha256\n")

    def make(*dates):
        openssl("ca", "-config", "cnf", "-gencrl", "-cert", ca / "ca.crt", "-keyfile", ca / "ca.key",
                "-out", ca / "ca.crl", *dates, cwd=tmp_path)
        return found(mutual("health", "--json", "--quick", "--ignore", "backup_never"))

    assert make("-crldays", 30) == []
    assert make("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z") == ["crl_expired"]
    assert make("-crl_lastupdate", "20200101000000Z", "-crldays", 1) == ["crl_expires"]
    assert make("-crl_lastupdate", "20480101000000Z", "-crl_nextupdate", "20480201000000Z") == ["crl_not_yet_valid"]
