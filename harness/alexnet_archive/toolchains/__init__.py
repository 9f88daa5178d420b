"""The pinned toolchains: the table, its locks, Dockerfiles, container images and the container runner.

Public names live in `table` (rows), `locks` (pins), `render` (pure text), `container` (Docker, the only user of its SDK),
`runner` (commands in an image), `images` (build and find a row's image), `gpu` (which row covers a GPU), `verify` (prove a
row by compiling in it).
"""
