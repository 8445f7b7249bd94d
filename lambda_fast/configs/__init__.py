"""Recipes: each module states one run in `recipe()`, and in its docstring what it reached."""
