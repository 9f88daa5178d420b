"""Reliability campaigns: what is read from outside under coverage-guided mutation (`make fuzz`), and processes killed at random
instants (`make kills`). The tables that they print are kept in docs/reliability.md."""
