"""What tests/data/causes/observed.txt says is still what other people's programs say: a few of its cells, once more."""
import re

import pytest

import observe
from conftest import BINARY
from stacks import Place

import make  # of tests/data/causes, as observe.py has it
import record

CASES = ("name", "client_expired")  # each has one side to blame
TOOLS = ("chromium", "curl", "firefox", "go", "gnutls", "haproxy", "java17", "java21", "java25", "nginx", "node", "nss", "openssl", "python", "python-strict", "rustls", "wget")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    made = make.make(tmp_path_factory.mktemp("causes"), observe.since(make.AT), (make.names, make.time))
    return [case for case in made if case.name in CASES]


def family(version):
    """Words change between 3.0 and 3.5, and not between 3.0.18 and 3.0.19."""
    return re.findall(r"\d+", version)[:2]


@pytest.mark.judged
@pytest.mark.parametrize("name", TOOLS)
def test_it_says_what_was_written_down(workshop, tmp_path, cases, name):
    records = [record.read(), record.read(record.NEWER), record.read(record.BROWSERS)]
    tools, place = observe.Tools(BINARY, workshop.place, [name]), Place(tmp_path)
    try:
        if name not in tools.versions:
            pytest.skip(f"{name} is not installed")
        version, recorded = tools.versions[name], [seen.versions.get(name, "") for seen in records]
        if family(version) not in map(family, recorded):
            pytest.skip(f"{name} is {version} here, and was {' or '.join(filter(None, recorded))}")
        words = {(cell.case, cell.side, record.unversioned(cell.words)) for seen in records for cell in seen.cells
                 if record.kind(cell.tool) == record.kind(name)}
        verdicts = {(case, side, verdict) for seen in records for (case, side, tool), verdict in seen.verdicts.items()
                    if record.kind(tool) == record.kind(name)}
        asked = 0
        for case in cases:
            now = observe.observe(tools, case, place, False)
            place.leave()
            for side, said in (("client", now.clients), ("server", now.servers)):
                if said and name in said:
                    asked += 1
                    assert (case.name, side, said[name].fine) in verdicts, (case.name, side, said[name])
                    assert said[name].fine or (case.name, side, record.unversioned(said[name].words)) in words, (case.name, said[name])
        assert asked > 0
    finally:
        place.leave()
        tools.close()
