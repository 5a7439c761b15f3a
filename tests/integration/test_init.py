"""mutual init: a private CA."""
import shlex
import re

import pytest

from made import KEY_TYPES, files, fingerprint, leave_midway, mode, openssl, subject, text


def test_a_ca_is_three_files_and_the_next_command(mutual, home):
    result = mutual("init").ok()
    assert files(home) == ["ca.crt", "ca.key", "mutual.db"]
    assert [mode(home / name) for name in files(home)] == [0o644, 0o600, 0o600]
    assert mode(home) == 0o700
    assert subject(home / "ca.crt") == "subject=CN = my-ca"
    for fact in [home / "ca.crt", home / "ca.key", fingerprint(home / "ca.crt"), "next: mutual issue"]:
        assert str(fact) in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_ca_passes_the_strict_rules_of_x509(mutual, home, key_type):
    mutual("init", "Example CA", "--key-type", key_type, "--days", 1825).ok()
    openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", home / "ca.crt", home / "ca.crt")
    shown = text(home / "ca.crt")
    assert "CA:TRUE, pathlen:0" in shown and "Certificate Sign, CRL Sign" in shown


def test_facts_as_json(mutual, home):
    facts = mutual("init", "Example CA", "--json").ok().json()
    assert (facts["name"], facts["cert"], facts["key"], facts["old"]) == (
        "Example CA", str(home / "ca.crt"), str(home / "ca.key"), None)
    assert facts["sha256"] == fingerprint(home / "ca.crt")


def test_a_ca_is_never_overwritten(mutual, ca):
    before = (ca / "ca.key").read_bytes(), (ca / "ca.crt").read_bytes()
    mutual("init").refused("there is a CA in", "--force")
    assert ((ca / "ca.key").read_bytes(), (ca / "ca.crt").read_bytes()) == before
    assert files(ca) == ["ca.crt", "ca.key", "mutual.db"]


def test_force_moves_the_old_ca_aside(mutual, ca):
    """However often, and however fast: no key is ever lost."""
    mutual("issue", "client", "a").ok()
    keys = {(ca / "ca.key").read_bytes()}
    for _ in range(3):
        result = mutual("init", "--force").ok()
        assert re.search(r"has been moved to \S+/old-", result.stderr)
        keys.add((ca / "ca.key").read_bytes())
    assert {path.read_bytes() for path in ca.rglob("ca.key")} == keys
    assert len(keys) == 4
    assert mutual("list", "--json").ok().json_lines() == [], "the records are the old CA's, and went with it"
    assert len(list(ca.glob("old-*/mutual.db"))) == 3
    assert all(mode(old) == 0o700 for old in ca.glob("old-*"))


def test_force_moves_aside_files_and_not_the_links_that_a_kill_has_left(mutual, ca):
    """The links lead nowhere from there, and what they led to goes with the next change of the new CA's files."""
    before = {name: (ca / name).read_bytes() for name in ("ca.crt", "ca.key")}
    leave_midway(ca, "ca.key", "ca.crt")
    mutual("init", "--force").ok()
    mutual("ca", "rollover", "start").ok()
    [old] = ca.glob("old-*")
    assert {name: (old / name).read_bytes() for name in before} == before
    assert not list(ca.glob(".mutual-*"))


def test_an_init_that_was_cut_off_can_be_repeated(mutual, ca):
    """The key is there, the certificate is not, and nothing was ever issued."""
    key = (ca / "ca.key").read_bytes()
    (ca / "ca.crt").unlink()
    mutual("issue", "client", "a").refused("there is no CA in", "mutual init")
    mutual("init").ok()
    assert [path.read_bytes() for path in ca.glob("old-*/ca.key")] == [key], "kept, all the same"
    mutual("issue", "client", "a").ok()


def test_a_lost_certificate_is_no_reason_to_begin_anew_unasked(mutual, ca):
    mutual("issue", "client", "a").ok()
    (ca / "ca.crt").unlink()
    mutual("init").refused("ca.key", "--force")
    assert len(mutual("list", "--json").ok().json_lines()) == 1


def test_the_home_is_what_is_said_nearest(mutual, tmp_path):
    env = {"XDG_DATA_HOME": tmp_path / "xdg", "HOME": tmp_path / "user"}
    homes = [
        (["--home", tmp_path / "said"], {"MUTUAL_HOME": tmp_path / "env", **env}, tmp_path / "said"),
        ([], {"MUTUAL_HOME": tmp_path / "env", **env}, tmp_path / "env"),
        ([], {"MUTUAL_HOME": "", **env}, tmp_path / "xdg/mutual"),
        ([], {"MUTUAL_HOME": "", **env, "XDG_DATA_HOME": ""}, tmp_path / "user/.local/share/mutual"),
        ([], {"MUTUAL_HOME": "", **env, "XDG_DATA_HOME": "relative", "HOME": tmp_path / "other"},
         tmp_path / "other/.local/share/mutual"),
    ]
    for options, env, expected in homes:
        mutual("init", *options, env=env).ok()
        assert (expected / "ca.key").exists()
    mutual("--home", tmp_path / "first", "init").ok()
    assert (tmp_path / "first/ca.key").exists()


def test_a_key_with_a_passphrase_needs_it(mutual, home, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("correct horse\nnot this line\n")
    mutual("init", "--passphrase-file", secret).ok()
    assert "BEGIN ENCRYPTED PRIVATE KEY" in (home / "ca.key").read_text()
    openssl("pkey", "-in", home / "ca.key", "-passin", "pass:correct horse", "-noout")

    lone = ("setsid", "--wait")  # without a terminal to ask on
    mutual("issue", "client", "a", prefix=lone).refused("ca.key", "passphrase", "--passphrase-file")
    (tmp_path / "wrong").write_text("battery staple\n")
    mutual("issue", "client", "a", "--passphrase-file", tmp_path / "wrong").refused("passphrase")
    (tmp_path / "empty").write_text("\n")
    mutual("issue", "client", "a", "--passphrase-file", tmp_path / "empty").refused("empty first line")
    mutual("issue", "client", "a", "--passphrase-file", tmp_path / "none").refused("none")
    mutual("issue", "client", "a", "--passphrase-file", secret).ok()
    mutual("issue", "client", "b", env={"MUTUAL_PASSPHRASE_FILE": secret}).ok()
    assert "horse" not in (home / "mutual.db").read_bytes().decode(errors="replace")
    assert len(mutual("list", "--json").ok().json_lines()) == 2


def next_command(result):
    """The command that is to be copied, as a shell reads it."""
    return shlex.split(result.stdout[result.stdout.index("mutual ", result.stdout.index("next: ")):])[1:]


def test_the_next_command_works_as_it_is_written_down(mutual, tmp_path):
    """For a home that was named on the command line, and for names with spaces, too."""
    there = tmp_path / "a home"
    issue = next_command(mutual("init", "--home", there).ok())
    result = mutual(*issue).ok()
    assert fingerprint(tmp_path / "localhost.crt") in mutual("inspect", "localhost.crt").stdout
    assert next_command(result) == ["serve", "--home", str(there)]
    get = next_command(mutual("issue", "client", "Alice Example", "--home", there).ok())
    assert get[-3:] == ["https://localhost:3000", "--home", str(there)]
    sign = next_command(mutual("request", "Bob Example").ok())
    mutual(*sign, "--profile", "client", "--home", there).ok()


@pytest.mark.parametrize("words, code, said", [
    ([""], 1, "1 to 64 characters"),
    (["x" * 65], 1, "1 to 64 characters"),
    (["a\x1b[31mb"], 1, "control characters"),
    (["--key-type", "dsa"], 2, "p256, p384"),
    (["--days", "0"], 2, "--days"),
    (["--days", "36501"], 2, "36500"),
    (["--days", "1d"], 2, "--days"),
    (["--days", " 5"], 2, "--days"),
    (["--days", "+5"], 2, "--days"),
    (["a", "b"], 2, "\"b\""),
    (["--permit", ""], 1, "empty"),
    (["--permit", "DNS:*.example.com"], 1, "no wildcards"),
    (["--exclude", "IP:10.0.0.1/8"], 1, "10.0.0.0/8"),
    (["--exclude", "URI:\x1b[31mhttps://a/"], 1, "DNS:example.com"),
    (["--permit", "DNS:" + "a" * 10000], 1, "too long"),
])
def test_a_ca_that_cannot_be_is_refused_and_leaves_nothing(mutual, home, words, code, said):
    result = mutual("init", *words).refused(said, "hint: ", code=code)
    assert "\x1b" not in result.stderr
    assert not home.exists()


def test_a_ca_can_be_bound_to_names(mutual, home, tmp_path):
    result = mutual("init", "--permit", "DNS:internal.example", "--permit", "IP:10.0.0.0/8", "--permit", "fd00::/8",
                    "--exclude", "DNS:vip.internal.example", "--exclude", "email:.example.com").ok()
    assert "next: mutual issue server internal.example\n" in result.stdout and result.stderr == ""
    shown = openssl("x509", "-in", home / "ca.crt", "-noout", "-ext", "nameConstraints")
    assert "Name Constraints: critical" in shown
    permitted, excluded = shown.split("Permitted:")[1].split("Excluded:")
    assert permitted.split() == ["DNS:internal.example", "IP:10.0.0.0/255.0.0.0",
                                 "IP:FD00:0:0:0:0:0:0:0/FF00:0:0:0:0:0:0:0"]
    assert excluded.split() == ["DNS:vip.internal.example", "email:.example.com"]
    told = mutual("inspect", home / "ca.crt").ok().stdout
    for name in ("DNS:internal.example", "IP:10.0.0.0/8", "IP:fd00::/8", "DNS:vip.internal.example"):
        assert name in result.stdout and name in told
    facts = mutual("inspect", "--json", home / "ca.crt").ok().json()["objects"][0]
    assert facts["permitted_names"] == ["DNS:internal.example", "IP:10.0.0.0/8", "IP:fd00::/8"]
    assert facts["excluded_names"] == ["DNS:vip.internal.example", "email:.example.com"]


def test_what_a_bound_ca_leaves_open_is_told(mutual, home):
    assert "IP addresses are not constrained" in mutual("init", "--permit", "DNS:a.example").ok().stderr
    assert "DNS names are not constrained" in mutual("init", "--permit", "IP:::/0", "--force").ok().stderr
    facts = mutual("init", "--force", "--json").ok().json()
    assert facts["permitted_names"] == facts["excluded_names"] == []


def test_names_of_many_tongues_are_welcome(mutual, home):
    mutual("init", "Hausgerät Ąžuolas 家").ok()
    assert subject(home / "ca.crt") == "subject=CN = Hausgerät Ąžuolas 家"


def test_a_home_that_cannot_be_is_refused(mutual, tmp_path):
    (tmp_path / "file").write_text("")
    mutual("init", "--home", tmp_path / "file").refused(str(tmp_path / "file"))
    mutual("init", "--home", tmp_path / "file/below").refused(str(tmp_path / "file"))
    mutual("init", "--home", "/proc/nowhere").refused("/proc/nowhere")
    mutual("init", "--home", "x" * 5000).refused("too long", code=2)


def test_modes_do_not_depend_on_the_umask(mutual, home):
    for umask in (0, 0o077):
        mutual("init", "--force", umask=umask).ok()
        assert (mode(home / "ca.key"), mode(home / "mutual.db")) == (0o600, 0o600)
        assert mode(home) == 0o700
