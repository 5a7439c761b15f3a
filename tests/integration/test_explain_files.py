"""mutual explain of files: several faults at once, and commands that mend what they are printed for."""
import subprocess
import sys

import pytest

from conftest import ROOT, WAIT

sys.path.insert(0, str(ROOT / "tests/data/causes"))
import make  # noqa: E402

ROOT_CA = ("root", "root")
AT = "2026-06-01"


@pytest.fixture(scope="module")
def m(tmp_path_factory):
    maker = make.Maker(tmp_path_factory.mktemp("files"))
    for name in ("root", "inter", "leaf", "other"):
        maker.key(name)
    maker.cert("root", "/CN=Example Root", make.CA, key="root", start=make.CA_START, end=make.CA_END)
    maker.cert("inter", "/CN=Issuing CA", make.CA, by=ROOT_CA, key="inter", start=make.CA_START, end=make.CA_END)
    maker.cert("localhost", "/CN=localhost", make.SERVER, by=ROOT_CA)
    maker.cert("alice", "/CN=alice", make.CLIENT, by=ROOT_CA)
    return maker


@pytest.fixture
def told(m, mutual):
    """What is said of the two sides, all well but for what is said, or of files by themselves."""
    def ask(*files, **sides):
        given = {"cert": "alice.crt", "key": "leaf.key", "cacert": "root.crt", "server_cert": "localhost.crt", "server_key": "leaf.key",
                 "server_cacert": "root.crt", "host": "localhost", **sides}
        options = [] if files else [word for option, value in given.items() if value is not None
                                    for word in ("--" + option.replace("_", "-"), value)]
        return mutual("explain", *files, *options, "--at", AT, "--json", cwd=m.dir).json()
    return ask


def causes(report):
    return [finding["cause"] for finding in report["findings"]]


def test_all_faults_are_told_as_they_bite(m, told):
    """Though the CA that issued it is not at hand, and each by the clock of the case."""
    m.cert("unseen", "/CN=Unseen CA", make.CA, key="other", start=make.CA_START, end=make.CA_END)
    m.cert("bad", "/CN=x", make.changed(make.CLIENT, subjectAltName="DNS:x"), by=("unseen", "other"), end="20260520000000Z")
    assert causes(told(server_cert="bad.crt")) == ["server_untrusted_ca", "server_cert_no_serverauth", "server_name_mismatch",
                                                   "server_cert_expired"]
    m.cert("old-root", "/CN=Example Root", make.CA, key="root", start=make.CA_START, end="20260401000000Z")
    m.cert("old-inter", "/CN=Issuing CA", make.CA, by=ROOT_CA, key="inter", start="20260501000000Z", end="20260510000000Z")
    m.cert("old", "/CN=localhost", make.SERVER, by=("old-inter", "inter"), end="20260505000000Z")
    m.join("old-chain.crt", "old.crt", "old-inter.crt")
    said = told(server_cert="old-chain.crt", cacert="old-root.crt", cert=None, key=None, server_cacert=None, server_clients="none")
    assert causes(said) == ["ca_cert_expired", "intermediate_expired", "server_cert_expired"]
    assert "27 days ago" in said["findings"][2]["what"]
    # The root ended before the leaf began: that is no fault of the leaf.
    m.cert("young", "/CN=localhost", make.SERVER, by=ROOT_CA, start="20260501000000Z")
    assert causes(told(server_cert="young.crt", cacert="old-root.crt")) == ["ca_cert_expired"]


def test_a_list_is_judged_by_the_clock_though_the_certificate_is_old(m, told):
    m.cert("over", "/CN=alice", make.CLIENT, by=ROOT_CA, end="20260420000000Z")
    m.crl("fresh", "root", "root")
    m.crl("stale", "root", "root", last="20260401000000Z", due="20260520000000Z")
    m.crl("names", "root", "root", revoke=["over"])
    for name, expected in [("fresh", ["client_cert_expired"]), ("stale", ["crl_expired", "client_cert_expired"]),
                           ("names", ["client_cert_revoked", "client_cert_expired"])]:
        assert causes(told(cert="over.crt", server_crl=f"{name}.crl")) == expected


def test_who_is_on_a_list_that_is_out_of_date_is_told_of_both(m, told):
    """A new list would only bring the second refusal to light."""
    m.crl("names-all", "root", "root", revoke=["alice", "localhost"], last="20260401000000Z", due="20260520000000Z")
    m.crl("early", "root", "root", revoke=["alice"], last="20260701000000Z")
    m.crl("names-none", "root", "root", last="20260401000000Z", due="20260520000000Z")
    assert causes(told(server_crl="names-all.crl")) == ["crl_expired", "client_cert_revoked"]
    assert causes(told(crl="names-all.crl")) == ["crl_expired", "server_cert_revoked"]
    assert causes(told(server_crl="early.crl")) == ["crl_not_yet_valid", "client_cert_revoked"]
    assert causes(told(server_crl="names-none.crl")) == ["crl_expired"]


def run(command, place):
    subprocess.run(["sh", "-c", command], cwd=place, check=True, capture_output=True, timeout=WAIT)


def test_commands_mend_what_they_are_printed_for(m, told, mutual):
    cert = m.read("alice.crt").decode()
    for name, data in {"le": cert.encode("utf-16-le"), "be": cert.encode("utf-16-be"), "marked": b"\xfe\xff" + cert.encode("utf-16-be")}.items():
        m.write(f"{name}.crt", data)
        for command in {said[kind] for said in [told(cert=f"{name}.crt")] for kind in ("remedy", "openssl")}:
            run(command, m.dir)
            assert told(cert="NEW.pem")["cause"] == "ok", command
    m.cert("below", "/CN=localhost", make.SERVER, by=("inter", "inter"))
    m.join("order.crt", "inter.crt", "below.crt")
    for said in [told(server_cert="order.crt"), told("order.crt", "leaf.key")]:
        assert said["cause"] == "bundle_wrong_order"
        run(said["openssl"], m.dir)
        assert told(server_cert="NEW.crt")["cause"] == "ok"
    said = told(cert="leaf.key", key="alice.crt")
    assert said["remedy"].endswith("--cert alice.crt --key leaf.key")
    assert "inspect root.crt other.key" in told(cakey="other.key")["remedy"]


def test_a_name_that_is_the_fault_is_in_no_command(m, told):
    m.cert("same", "/CN=Example Root", make.changed(make.CLIENT, subjectAltName=None), by=ROOT_CA)
    said = told(cert="same.crt")
    assert (said["cause"], said["remedy"]) == ("subject_equals_issuer", "mutual issue client NAME")


def test_an_address_in_cn_is_none(m, told):
    """Only curl takes it for one."""
    m.cert("cn", "/CN=127.0.0.1", make.changed(make.SERVER, subjectAltName=None), by=ROOT_CA)
    said = told(server_cert="cn.crt", host="127.0.0.1")
    assert {peer["as_client"] for peer in said["peers"]} == {"server_no_san"} == {said["cause"]}
    assert told(server_cert="localhost.crt", host="127.0.0.1")["cause"] == "ok"


def test_other_names_are_no_hosts(m, told):
    m.cert("mail", "/CN=localhost", make.changed(make.SERVER, subjectAltName="email:a@example.com"), by=ROOT_CA)
    said = told(server_cert="mail.crt")
    assert (said["cause"], "no host's name in subjectAltName" in said["what"]) == ("server_no_san", True), said["what"]


def test_why_a_wildcard_does_not_match(m, told):
    """Each has its own reason, and Go and Java take one of them."""
    mismatch = "server_wildcard_mismatch"
    one, whole, wide = "exactly one label", "the whole first label", "two labels behind it"
    for i, (name, host, why, go, java) in enumerate([("*.localhost", "a.localhost", wide, "ok", "ok"), ("*", "localhost", wide, "ok", mismatch),
                                                     ("*.localhost", "a.b.localhost", one, mismatch, mismatch),
                                                     ("*.localhost", "localhost", one, mismatch, mismatch),
                                                     ("*.example.com", "a.b.example.com", one, mismatch, mismatch),
                                                     ("f*.example.com", "foo.example.com", whole, mismatch, mismatch),
                                                     ("*.*.example.com", "a.b.example.com", whole, mismatch, mismatch)]):
        m.cert(f"wild{i}", "/CN=x", make.changed(make.SERVER, subjectAltName=f"DNS:{name}"), by=ROOT_CA)
        said = told(server_cert=f"wild{i}.crt", host=host)
        assert (said["cause"], why in said["what"]) == (mismatch, True), (name, said["what"])
        peers = {peer["who"]: peer["as_client"] for peer in said["peers"]}
        assert (peers["Go"], peers["Java"]) == (go, java), (name, peers)
    assert told(server_cert="wild5.crt", host="bar.example.com")["cause"] == "server_name_mismatch"


def test_a_clock_is_named_by_the_date_that_shows_it(mutual, m):
    for at, field in [("1970-01-02", "notBefore"), ("2099-01-01", "notAfter")]:
        said = mutual("explain", "alice.crt", "root.crt", "--at", at, "--json", cwd=m.dir).json()
        assert (said["cause"], said["findings"][0]["field"]) == ("clock_wrong", field)
