"""What tests/data/causes/observed.txt says is still what other people's programs say: a few of its cells, once more."""
import re

import pytest

import observe
from conftest import BINARY
from stacks import Place

import make  # of tests/data/causes, as observe.py has it
import record

CASES = ("name", "client_expired")  # each has one side to blame
TOOLS = ("curl", "go", "gnutls", "haproxy", "java17", "java25", "nginx", "node", "nss", "openssl", "python", "python-strict", "rustls", "wget")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    made = make.make(tmp_path_factory.mktemp("causes"), observe.since(make.AT), (make.names, make.time))
    return [case for case in made if case.name in CASES]


def family(version):
    """Words change between 3.0 and 3.5, and not between 3.0.18 and 3.0.19."""
    return re.findall(r"\d+", version)[:2]


def without_versions(words):
    return re.sub(r"\d+\.\d+(?:\.\d+)*", "N", words)


@pytest.mark.judged
@pytest.mark.parametrize("name", TOOLS)
def test_it_says_what_was_written_down(workshop, tmp_path, cases, name):
    seen = record.read()
    tools = observe.Tools(BINARY, workshop.place, [name])
    try:
        if name not in tools.versions:
            pytest.skip(f"{name} is not installed")
        if family(tools.versions[name]) != family(seen.versions[name]):
            pytest.skip(f"{name} is {tools.versions[name]} here, and was {seen.versions[name]}")
        asked = 0
        for case in cases:
            now = observe.observe(tools, case, Place(tmp_path), False)
            for side, said in (("client", now.clients), ("server", now.servers)):
                if said and name in said:
                    asked += 1
                    assert said[name].fine == seen.verdicts[case.name, side, name], (case.name, side, said[name])
                    written = {without_versions(cell.words) for cell in seen.cells
                               if (cell.case, cell.side, cell.tool) == (case.name, side, name)}
                    assert said[name].fine or without_versions(said[name].words) in written, (case.name, said[name])
        assert asked > 0
    finally:
        tools.close()
