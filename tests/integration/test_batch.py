"""Many certificates at once: issue --batch, and sign of many requests."""
import base64
import hashlib
import os
import pathlib
import pty
import random
import re
import signal
import subprocess

import pytest

from conftest import WAIT
from made import files, is_whole_pair, mode, names, openssl, public_key, verify
from terminal import read_rest
from test_trouble import assert_no_half_files, mount  # noqa: F401  (a fixture)


def lines(tmp_path, *text):
    (tmp_path / "names.txt").write_text("".join(f"{line}\n" for line in text))
    return tmp_path / "names.txt"


def fingerprint(cert):
    """Without a process: there are many."""
    body = "".join(line for line in cert.read_text().splitlines() if not line.startswith("-"))
    return hashlib.sha256(base64.b64decode(body)).hexdigest().upper()


def recorded(mutual):
    return {one["sha256"].replace(":", "") for one in mutual("list", "--json").ok().json_lines()}


def test_each_line_is_a_certificate(mutual, ca, tmp_path):
    lines(tmp_path, "a.example", "", "# the second", "  b.example ,10.0.0.1, DNS:bb.example  ", "localhost")
    result = mutual("issue", "server", "--batch", "names.txt", "--out-dir", "new/certs").ok()
    assert result.stdout == "issued 3 server certificates\n" and result.stderr == ""
    out = tmp_path / "new/certs"
    assert files(out) == [f"{name}.{end}" for name in ("a.example", "b.example", "localhost") for end in ("crt", "key")]
    for name in ("a.example", "b.example", "localhost"):
        is_whole_pair(out / name)
        verify(ca / "ca.crt", out / f"{name}.crt", "server")
    assert names(out / "b.example.crt") == ["DNS:b.example", "IP Address:10.0.0.1", "DNS:bb.example"]
    assert len(names(out / "localhost.crt")) == 3, "the loopback addresses come along"
    assert recorded(mutual) == {fingerprint(cert) for cert in out.glob("*.crt")}
    assert "whole: " in mutual("audit", "verify").ok().stdout


def test_people_come_through_standard_input_and_get_what_was_asked_for(mutual, ca, tmp_path):
    (tmp_path / "pass").write_text("correct horse\n")
    result = mutual("issue", "client", "--batch", "-", "--key-type", "p384", "--days", 3, "--encrypt-key",
                    "--passphrase-file", "pass", "--json", input="Alice Example, email:alice@example.com\nbob\n").ok()
    alice, bob, done = result.json_lines()
    assert done == {"issued": 2, "refused": 0, "passed_over": 0}
    assert (alice["cert"], alice["key"], alice["name"]) == ("Alice Example.crt", "Alice Example.key", "Alice Example")
    assert alice["sha256"].replace(":", "") == fingerprint(tmp_path / "Alice Example.crt")
    assert names(tmp_path / "Alice Example.crt") == ["email:alice@example.com"]
    assert "ENCRYPTED" in (tmp_path / "bob.key").read_text() and mode(tmp_path / "bob.key") == 0o600
    shown = openssl("x509", "-in", tmp_path / "bob.crt", "-noout", "-text")
    assert "P-384" in shown and bob["not_after"][:10] == mutual("list", "--json").ok().json_lines()[1]["not_after"][:10]


def test_what_cannot_be_issued_is_told_with_its_line_and_the_others_go_on(mutual, ca, tmp_path):
    (ca / "policy.yaml").write_text("server:\n  names: ['*.example']\n")
    lines(tmp_path, "a.example", "bad name", "b.elsewhere", "a.example", "c.example")
    (tmp_path / "c.example.crt").write_text("somebody's")
    result = mutual("issue", "server", "--batch", "names.txt")
    assert result.code == 1 and result.stdout == "issued 1 server certificate\n  refused      4: see above\n"
    for told in ('line 2: "bad name" cannot be used', "line 3: the policy does not allow the name DNS:b.elsewhere",
                 "line 4: a.example.key exists already", "line 5: c.example.crt exists already"):
        assert f"mutual: {told}" in result.stderr, result
    assert files(tmp_path) == ["a.example.crt", "a.example.key", "c.example.crt", "names.txt"]
    assert len(recorded(mutual)) == 1
    told = mutual("issue", "server", "--batch", "names.txt", "--json").json_lines()
    assert [one["error"]["id"] for one in told[:-1]] == ["exists", "bad-name", "exists", "exists", "policy-denied"]


def test_missing_goes_on_where_a_run_was_cut_off(mutual, ca, tmp_path):
    lines(tmp_path, "a", "b", "c")
    mutual("issue", "client", "--batch", "names.txt").ok()
    before = (tmp_path / "a.crt").read_text(), public_key(tmp_path / "b.key", "pkey")
    for gone in ("b.crt", "c.crt", "c.key"):
        (tmp_path / gone).unlink()
    result = mutual("issue", "client", "--batch", "names.txt", "--missing").ok()
    assert result.stdout == "issued 2 client certificates\n  passed over  1 that is there already\n"
    assert ((tmp_path / "a.crt").read_text(), public_key(tmp_path / "b.crt", "x509")) == before
    for name in "abc":
        is_whole_pair(tmp_path / name)


def test_force_replaces_pair_by_pair(mutual, ca, tmp_path):
    lines(tmp_path, "a", "b")
    mutual("issue", "client", "--batch", "names.txt").ok()
    before = public_key(tmp_path / "a.key", "pkey")
    mutual("issue", "client", "--batch", "names.txt", "--force").ok()
    assert public_key(tmp_path / "a.key", "pkey") != before and files(tmp_path) == [
        "a.crt", "a.key", "b.crt", "b.key", "names.txt"]
    is_whole_pair(tmp_path / "a")


def test_few_open_files_make_smaller_groups(mutual, ca, tmp_path):
    lines(tmp_path, *[f"n{i}" for i in range(40)])
    mutual("issue", "client", "--batch", "names.txt", prefix=["sh", "-c", 'ulimit -n 70 && exec "$0" "$@"']).ok()
    assert len(list(tmp_path.glob("*.crt"))) == 40


@pytest.mark.parametrize("words, why", [
    (["--batch", "names.txt", "a"], "names are read from its FILE"), (["--batch", "names.txt", "--out", "x"], "--out"),
    (["--batch", "names.txt", "--san", "x"], "--san"), (["a", "--out-dir", "x"], "--out-dir"), (["a", "--missing"],
    "--missing"), ([], "no NAME")])
def test_options_that_do_not_go_together(mutual, ca, tmp_path, words, why):
    lines(tmp_path, "a")
    mutual("issue", "client", *words).refused(why, code=2)


def test_what_takes_more_than_a_second_says_so_on_a_terminal_alone(mutual, ca, tmp_path):
    """A list of names that stays open holds the work up for as long as it takes to be seen."""
    ours, theirs = pty.openpty()
    words = mutual.argv("issue", "server", "--batch", "-", "--out-dir", "out")
    running = subprocess.Popen(words, cwd=tmp_path, env={**mutual.environment(), "TERM": "xterm"}, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    running.stdin.write(b"".join(b"n%d\n" % i for i in range(300)) + b"bad name\n")
    running.stdin.flush()
    shown = b""
    while not (told := re.search(rb"line 301: .*issuing: (\d+) s, 256 done, (\d+) a second", shown, re.DOTALL)):
        shown += os.read(ours, 4096)
    assert int(told[1]) >= 1 and int(told[2]) == 256 // int(told[1])
    assert b"\nissuing" not in shown, shown
    running.stdin.close()
    assert running.stdout.read() == b"issued 300 server certificates\n  refused      1: see above\n"
    running.stdout.close()
    assert running.wait(WAIT) == 1
    assert read_rest(ours).endswith(b"\r\x1b[K"), "the line is gone"


# --- Requests ---

@pytest.fixture
def requests(mutual, ca, tmp_path):
    """Three good ones, one that is damaged, and a file of another kind."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        mutual("request", f"{name}.example", "--out", f"in/{name}").ok()
    whole = (tmp_path / "in/c.csr").read_text()
    (tmp_path / "in/damaged.csr").write_text(whole.replace(whole[80], "A" if whole[80] != "A" else "B", 1)[:-60])
    (tmp_path / "in/notes.txt").write_text("nothing")
    return tmp_path / "in"


@pytest.mark.parametrize("words", [["sign", "in"], ["issue", "server", "--batch", "in"]])
def test_every_request_of_a_directory_is_signed(mutual, ca, requests, words):
    result = mutual(*words)
    assert result.code == 1 and "issued 3 server certificates" in result.stdout, result
    assert "in/damaged.csr: " in result.stderr and result.stderr.count("hint: ") == 1
    for name in "abc":
        verify(ca / "ca.crt", requests / f"{name}.crt", "server")
        assert public_key(requests / f"{name}.crt", "x509") == public_key(requests / f"{name}.key", "pkey")
    assert len(recorded(mutual)) == 3
    again = mutual(*words, "--missing")
    assert again.code == 1 and "passed over  3 that are there already" in again.stdout


def test_requests_by_name_are_signed_by_any_ca_into_one_place(mutual, ca, requests, tmp_path):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "their.key", "-subj", "/CN=theirs",
            "-days", 30, "-out", tmp_path / "their.crt")
    mutual("sign", "in/a.csr", "in/b.csr", "--profile", "client", "--cacert", "their.crt", "--cakey", "their.key",
           "--out-dir", "out").ok()
    assert files(tmp_path / "out") == ["a.crt", "b.crt"]
    openssl("verify", "-CAfile", tmp_path / "their.crt", tmp_path / "out/b.crt")
    assert recorded(mutual) == set()
    mutual("sign", "in/a.csr", "in/b.csr", "--out", "x").refused("--out is for one request", code=2)


def test_a_ca_that_cannot_issue_ends_the_run_with_one_sentence(mutual, ca, requests, tmp_path):
    mutual("issue", "server", "leaf").ok()
    result = mutual("sign", "in", "--cacert", "leaf.crt", "--cakey", "leaf.key", "--out-dir", "out")
    assert result.code == 1 and result.stderr.count("is not a CA") == 1 and files(tmp_path / "out") == []


# --- Trouble ---

def test_a_full_disk_ends_the_run_and_missing_goes_on(mutual, ca, mount, tmp_path):  # noqa: F811
    disk = mount("size=400k")
    lines(tmp_path, *[f"n{i}" for i in range(700)])
    words = ["issue", "client", "--batch", tmp_path / "names.txt"]
    result = mutual(*words, prefix=[*disk.prefix, disk.at])
    assert result.code == 1 and "No space left" in result.stderr and result.stderr.count("hint: ") == 1
    assert_no_half_files(disk.seen)
    assert {fingerprint(cert) for cert in disk.seen.glob("*.crt")} <= recorded(mutual)
    disk.remount("size=8m")
    mutual(*words, "--missing", prefix=[*disk.prefix, disk.at]).ok()
    assert len(list(disk.seen.glob("*.crt"))) == 700
    is_whole_pair(disk.seen / "n699")


def kill_when(running, out, names):
    """Once so many names are in the directory, unless it is done before."""
    while running.poll() is None and (not out.exists() or len(os.listdir(out)) < names):
        pass
    running.send_signal(signal.SIGKILL)
    return running.wait(WAIT) == -signal.SIGKILL


def test_kill_at_any_moment_hands_out_nothing_unrecorded(mutual, ca, tmp_path):
    count = 1500
    lines(tmp_path, *[f"n{i}" for i in range(count)])
    out = tmp_path / "out"
    words = ["issue", "client", "--batch", "names.txt", "--out-dir", "out", "--missing"]
    rng, killed, there = random.Random(5), 0, 0
    while there < 2 * count - 600:
        killed += kill_when(mutual.start(*words), out, there + rng.randrange(600))
        handed_out = list(out.glob("*.crt"))
        there = len(files(out))
        assert_no_half_files(out)
        assert {fingerprint(cert) for cert in handed_out} <= recorded(mutual)
        assert all(cert.with_suffix(".key").exists() for cert in handed_out)
    assert killed >= 3
    mutual(*words).ok()
    assert len(list(out.glob("*.crt"))) == count == len(list(out.glob("*.key"))) and len(files(out)) == 2 * count
    for i in range(0, count, 150):
        is_whole_pair(out / f"n{i}")
    assert "whole: " in mutual("audit", "verify").ok().stdout


def test_two_runs_at_once_share_the_work(mutual, ca, tmp_path):
    lines(tmp_path, *[f"n{i}" for i in range(300)])
    other = [f"m{i}" for i in range(300)]
    (tmp_path / "other.txt").write_text("\n".join(other))
    first = mutual.start("issue", "client", "--batch", "names.txt", "--out-dir", "out", stderr=subprocess.PIPE)
    mutual("issue", "client", "--batch", "other.txt", "--out-dir", "out").ok()
    assert first.wait(WAIT) == 0, first.stderr.read()
    first.stderr.close()
    assert recorded(mutual) == {fingerprint(cert) for cert in pathlib.Path(tmp_path / "out").glob("*.crt")}
    assert len(recorded(mutual)) == 600


def test_what_is_of_no_use_to_requests_is_refused(mutual, ca, tmp_path):
    """Their keys are made, and are not here; and standard input is one request."""
    (tmp_path / "reqs").mkdir()
    mutual("request", "a.example", "--out", "reqs/a").ok()
    for options in (["--encrypt-key"], ["--key-type", "p384"]):
        mutual("issue", "server", "--batch", "reqs", *options).refused("requests have theirs", code=2)
    mutual("sign", "-", "reqs/a.csr").refused("is for one request", code=2)
    assert files(tmp_path) == ["reqs/a.csr", "reqs/a.key"]


def test_a_lifetime_that_is_cut_is_noted_once_whichever_is_refused(mutual, ca, tmp_path):
    (ca / "policy.yaml").write_text(
        "server:\n  names: ['DNS:*.good.example']\n  longest_lifetime: 30d\n  overlong: cut\n")
    for order in (["a.bad.example", "b.good.example"], ["c.good.example", "d.bad.example"]):
        result = mutual("issue", "server", "--days", 90, "--batch", lines(tmp_path, *order))
        assert result.code == 1 and result.stderr.count("the lifetime is cut to 30 days by the policy") == 1, result
