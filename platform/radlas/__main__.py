"""``python -m radlas``, and the command itself.

Nothing is imported before it runs: every process that a run starts imports this module anew.
"""


def main() -> None:
    """Run the command line."""
    from radlas.cli import app  # noqa: PLC0415 - a second that a worker need not wait

    app()


if __name__ == "__main__":
    main()
