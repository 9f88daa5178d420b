"""Stands for the pre-Pillow top-level module `Image`, which shownet.py imports and never uses (python-and-data 1.8)."""
