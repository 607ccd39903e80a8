"""The guide's import lines (`import lmstrix`): thin re-exports of what registry and testing do."""
