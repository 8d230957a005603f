"""Strategies: each a small file, pure, that looks at a cycle and asks. None of them can make the site unsafe."""
