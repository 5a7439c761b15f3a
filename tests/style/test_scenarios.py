"""The list of scenarios names tests that are there."""
import pathlib
import re

SCENARIOS = pathlib.Path(__file__).resolve().parents[1] / "integration"


def test_each_test_that_the_list_names_is_there():
    listed = re.findall(r"^\| .* \| (.*) \|$", (SCENARIOS / "README.md").read_text(), re.MULTILINE)
    assert len(listed) > 20
    for places in listed[1:]:
        for file, names in re.findall(r"`(test_\w+\.py)`(?:: ((?:`test_\w+`(?:, )?)+))?", places):
            text = (SCENARIOS / file).read_text()
            for name in re.findall(r"test_\w+", names):
                assert f"\ndef {name}(" in text, f"{file} has no {name}"
