"""Python in the book runs as it is written."""

from conftest import ROOT


def test_the_blocks_of_the_page_run_one_after_the_other(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "python.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(block, names)
    assert [cost["violations"] for cost in names["costs"]] == [0, 0]
