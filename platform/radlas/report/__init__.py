"""Evidence in, one self-contained HTML page out: ``render.render``.

Nothing is imported here: a flow that only asks for remarks must not wait for the figures.
"""
