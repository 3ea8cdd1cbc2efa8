"""The prose check: `python -m scripts.prose` counts words and finds phrases rejected by STYLE.md.

It reads the documents (docs/, README, CHANGELOG, the other pages at the root, READMEs of examples and packages) and the
prose in the sources (docstrings, help texts, messages). `passages` finds the text, `phrases` and `word_counts` judge
it, `allowances` holds the limits, `report` puts them together.
"""
