"""`mutual ocsp`: requests, the CA's answers, and what they say."""
import datetime
import json
import os
import pty
import stat
import subprocess

import pytest

from conftest import WAIT

MALFORMED, INTERNAL, UNAUTHORIZED = (b"\x30\x03\x0a\x01" + bytes([status]) for status in (1, 2, 6))


@pytest.fixture
def client(mutual, ca, tmp_path):
    """A client's certificate, and a request for it."""
    mutual("issue", "client", "my-client").ok()
    mutual("ocsp", "request", "my-client.crt").ok()
    return tmp_path / "my-client.crt"


def ask(mutual, *options):
    """Answer my-client.req anew, and read what the answer says of my-client."""
    mutual("ocsp", "answer", "my-client.req", "--force", *options).ok()
    return mutual("ocsp", "read", "my-client.resp", "--cert", "my-client.crt", "--request", "my-client.req")


def piped(mutual, request, *options):
    """The answer's bytes, as a program gets them that starts us with a request on standard input."""
    return subprocess.run(mutual.argv("ocsp", "answer", *options), input=request, capture_output=True, cwd=mutual.cwd,
                          env=mutual.environment(), timeout=WAIT, check=False)


def test_what_was_issued_is_good(mutual, client):
    assert ask(mutual).ok().stdout == "my-client: good\n"


def test_what_is_revoked_is_so_with_its_reason(mutual, client):
    ask(mutual).ok()
    mutual("revoke", "my-client", "--reason", "keyCompromise").ok()
    answer = ask(mutual)
    assert answer.code == 1 and answer.stdout.startswith("my-client: revoked on ") and "keyCompromise" in answer.stdout


def test_what_is_on_hold_is_revoked_until_it_is_released(mutual, client):
    mutual("revoke", "my-client", "--reason", "hold").ok()
    assert "certificateHold" in ask(mutual).stdout
    mutual("revoke", "my-client", "--release").ok()
    assert ask(mutual).ok().stdout == "my-client: good\n"


def test_what_the_ca_signed_and_does_not_remember_is_unknown(mutual, ca, client, tmp_path):
    mutual("request", "ghost").ok()
    mutual("sign", "ghost.csr", "--profile", "client", "--cacert", ca / "ca.crt", "--cakey", ca / "ca.key").ok()
    mutual("ocsp", "request", "ghost.crt").ok()
    mutual("ocsp", "answer", "ghost.req").ok()
    answer = mutual("ocsp", "read", "ghost.resp", "--cert", "ghost.crt")
    assert answer.code == 1 and answer.stdout == "ghost: unknown\n"


def test_one_request_may_ask_for_several(mutual, client):
    mutual("issue", "server", "localhost").ok()
    mutual("revoke", "localhost").ok()
    mutual("ocsp", "request", "my-client.crt", "localhost.crt", "--hash", "sha256", "--out", "both.req").ok()
    assert mutual("ocsp", "answer", "both.req").ok().stdout.startswith("both.resp: 1 good, 1 revoked, until ")
    told = json.loads(mutual("ocsp", "read", "both.resp", "--cert", "localhost.crt", "--cert", "my-client.crt",
                             "--json").stdout)
    assert [(one["name"], one["state"], one["hash"]) for one in told] == \
        [("localhost", "revoked", "sha256"), ("my-client", "good", "sha256")]


def test_a_request_on_standard_input_is_answered_on_standard_output(mutual, client, tmp_path):
    done = piped(mutual, (tmp_path / "my-client.req").read_bytes())
    assert done.returncode == 0 and done.stderr == b""
    (tmp_path / "piped.resp").write_bytes(done.stdout)
    mutual("ocsp", "read", "piped.resp", "--request", "my-client.req", "--cert", "my-client.crt").ok()


@pytest.mark.parametrize("request_bytes", [b"", b"foo\n", b"\x30\x80", b"\x30\x03\x0a\x01\x00", bytes(70_000)],
                         ids=["empty", "text", "damaged", "an answer", "much"])
def test_what_is_no_request_is_answered_too(mutual, ca, request_bytes):
    done = piped(mutual, request_bytes)
    assert done.returncode == 1 and done.stdout == MALFORMED
    assert done.stderr.startswith(b"mutual: standard input: ") and b"malformedRequest" in done.stderr
    assert not (ca / "ocsp.crt").exists()  # nothing was signed


def test_nobody_is_answered_about_the_certificates_of_others(mutual, ca, tmp_path):
    other = tmp_path / "other"
    mutual("init", "other-ca", home=other).ok()
    mutual("issue", "client", "stranger", home=other).ok()
    mutual("ocsp", "request", "stranger.crt").refused("not issued by any CA that is known here")
    mutual("ocsp", "request", "stranger.crt", "--cacert", other / "ca.crt").ok()
    mutual("ocsp", "answer", "stranger.req").refused("stranger.req", "unauthorized")
    assert (tmp_path / "stranger.resp").read_bytes() == UNAUTHORIZED
    mutual("ocsp", "read", "stranger.resp", "--cacert", other / "ca.crt").refused("gave no answer: unauthorized")


def test_a_key_that_is_gone_is_an_internal_error(mutual, ca, client, tmp_path):
    (ca / "ca.key").rename(ca / "away.key")
    done = piped(mutual, (tmp_path / "my-client.req").read_bytes())
    assert done.returncode == 1 and done.stdout == INTERNAL and b"ca.key" in done.stderr


def test_each_of_several_is_answered_whatever_the_others_are(mutual, client, tmp_path):
    (tmp_path / "bad.req").write_text("foo")
    done = mutual("ocsp", "answer", "bad.req", "missing.req", "my-client.req", "--json")
    assert done.code == 1
    bad, missing, good = done.json()
    assert bad["status"] == "malformedRequest" and bad["out"] == "bad.resp"
    assert missing["error"]["id"] == "not-found"
    assert good["good"] == 1 and good["nonce"] is True
    mutual("ocsp", "read", "my-client.resp", "--cert", "my-client.crt").ok()


def test_the_responder_is_recorded_told_in_the_trail_and_kept(mutual, ca, client):
    ask(mutual).ok()
    first = (ca / "ocsp.crt").read_bytes()
    assert stat.S_IMODE((ca / "ocsp.key").stat().st_mode) == 0o600
    ask(mutual).ok()
    assert (ca / "ocsp.crt").read_bytes() == first
    assert [one["name"] for one in mutual("list", "--json").json_lines() if one["kind"] == "ocsp"] == ["OCSP responder"]
    assert 'ocsp "OCSP responder"' in mutual("audit").ok().stdout
    mutual("audit", "verify").ok()


def test_who_revokes_the_responder_gets_another(mutual, ca, client):
    ask(mutual).ok()
    first = (ca / "ocsp.crt").read_bytes()
    mutual("revoke", "OCSP responder", "--reason", "keyCompromise").ok()
    ask(mutual).ok()
    assert (ca / "ocsp.crt").read_bytes() != first


def test_the_policy_of_the_ca_does_not_bind_the_responder(mutual, ca, client):
    (ca / "policy.yaml").write_text("client:\n  names: ['*.internal']\n  longest_lifetime: 1h\n")
    ask(mutual).ok()


def test_a_passphrase_is_needed_for_a_new_responder_only(mutual, ca, client, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    mutual("ca", "passwd", "--new-passphrase-file", "secret").ok()
    mutual("ocsp", "answer", "my-client.req").refused("passphrase")
    ask(mutual, "--passphrase-file", "secret").ok()
    ask(mutual).ok()


def test_processes_that_start_at_once_make_one_responder(mutual, ca, client):
    answers = [mutual.start("ocsp", "answer", "my-client.req", "--out", f"{i}.resp") for i in range(6)]
    assert [process.wait(WAIT) for process in answers] == [0] * 6
    assert len([one for one in mutual("list", "--json").json_lines() if one["kind"] == "ocsp"]) == 1
    for i in range(6):
        mutual("ocsp", "read", f"{i}.resp", "--cert", "my-client.crt", "--request", "my-client.req").ok()


def test_an_answer_may_be_kept_for_as_long_as_is_said_but_not_longer_than_the_responder(mutual, ca, client):
    def times(*options):
        mutual("ocsp", "answer", "my-client.req", "--force", *options).ok()
        one, = mutual("inspect", "my-client.resp", "--json").json()["objects"][0]["certificates"]
        return [datetime.datetime.fromisoformat(one[name].rstrip("Z")) for name in ("this_update", "next_update")]

    for options, lifetime in [([], 3600), (["--valid", "10m"], 600), (["--valid", "2d"], 2 * 86400)]:
        this_update, next_update = times(*options)
        assert (next_update - this_update).total_seconds() == lifetime
    end = mutual("inspect", ca / "ocsp.crt", "--json").json()["objects"][0]["not_after"]
    assert times("--valid", "30d")[1] == datetime.datetime.fromisoformat(end.rstrip("Z"))
    mutual("ocsp", "answer", "my-client.req", "--force", "--valid", "1x").refused("1x", code=2)


def test_an_old_answer_or_one_to_another_request_is_not_believed(mutual, client):
    ask(mutual).ok()
    mutual("ocsp", "read", "my-client.resp", "--at", "2020-01-01").refused("not signed by the CA")
    mutual("ocsp", "request", "my-client.crt", "--force").ok()
    mutual("ocsp", "read", "my-client.resp", "--request", "my-client.req").refused("another request")
    mutual("ocsp", "request", "my-client.crt", "--no-nonce", "--out", "old.req").ok()
    mutual("ocsp", "answer", "old.req").ok()
    mutual("ocsp", "read", "old.resp", "--request", "my-client.req").refused("no nonce")
    mutual("ocsp", "read", "old.resp", "--request", "old.req", "--cert", "my-client.crt").ok()
    mutual("issue", "client", "other").ok()
    mutual("ocsp", "request", "other.crt", "--no-nonce").ok()
    mutual("ocsp", "read", "old.resp", "--request", "other.req").refused("another request", "all that this one asks for")


def test_files_of_other_kinds_are_told_for_what_they_are(mutual, client, tmp_path):
    ask(mutual).ok()
    mutual("ocsp", "read", "my-client.crt").refused("holds a certificate, not an OCSP answer")
    mutual("ocsp", "read", "my-client.resp", "--request", "my-client.crt").refused("not an OCSP request")
    mutual("ocsp", "request", "my-client.req").refused("not a certificate")
    (tmp_path / "empty").touch()
    mutual("ocsp", "read", "empty").refused("is empty")
    mutual("ocsp", "read", "my-client.resp", "--cert", "missing.crt").refused("missing.crt")


def test_inspect_shows_requests_and_answers(mutual, client, tmp_path):
    ask(mutual).ok()
    shown = mutual("inspect", "my-client.req", "my-client.resp").ok().stdout
    assert "my-client.req: an OCSP request" in shown and "my-client.resp: an OCSP answer" in shown
    serial = mutual("inspect", "my-client.crt", "--json").json()["objects"][0]["serial"]
    assert shown.count(serial) == 2 and "is           good" in shown
    assert "OCSP Request Data" in mutual("inspect", "--text", "my-client.req").ok().stdout
    assert "Cert Status: good" in mutual("inspect", "--text", "my-client.resp").ok().stdout
    request, answer = mutual("inspect", "--json", "my-client.req", "my-client.resp").json()["objects"]
    assert (request["kind"], answer["kind"]) == ("ocsp-request", "ocsp-response")
    assert request["nonce"] == answer["nonce"] != "" and answer["certificates"][0]["state"] == "good"


def test_what_is_there_is_not_replaced_without_force(mutual, client, tmp_path):
    ask(mutual).ok()
    before = (tmp_path / "my-client.resp").read_bytes()
    mutual("ocsp", "answer", "my-client.req").refused("my-client.resp")
    mutual("ocsp", "request", "my-client.crt").refused("my-client.req")
    assert (tmp_path / "my-client.resp").read_bytes() == before


def test_a_terminal_is_not_shown_binary(mutual, client, tmp_path):
    main, side = pty.openpty()
    with open(tmp_path / "my-client.req", "rb") as request:
        done = mutual("ocsp", "answer", stdin=request, stdout=side)
    os.close(side)
    os.close(main)
    done.refused("terminal cannot show", "--out", code=2)


def test_a_full_disk_is_told(mutual, client, tmp_path):
    with open("/dev/full", "wb") as full, open(tmp_path / "my-client.req", "rb") as request:
        mutual("ocsp", "answer", stdin=request, stdout=full).refused("cannot write")


@pytest.mark.parametrize("words, part", [
    (["answer", "a.req", "b.req", "--out", "c"], "--out names one file"),
    (["request"], "FILE.crt"),
    (["request", "my-client.crt", "ca.crt"], "--out"),
    (["read"], "FILE.resp"),
])
def test_what_is_used_wrongly_is_told(mutual, client, words, part):
    mutual("ocsp", *words).refused(part, code=2)


def test_facts_and_an_answer_do_not_share_standard_output(mutual, client):
    for words in (["answer", "--json"], ["answer", "-", "--json"], ["answer", "my-client.req", "--out", "-", "--json"], ["request", "my-client.crt", "--out", "-", "--json"]):
        done = mutual("ocsp", *words)
        assert done.code == 2 and "--out FILE" in done.json()["error"]["what"]


def test_without_a_ca_there_is_nobody_to_answer(mutual, tmp_path):
    mutual("ocsp", "answer").refused("there is no CA", "mutual init")
