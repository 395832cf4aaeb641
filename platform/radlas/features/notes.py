"""What is told of a network's weights, in their file and in a store: who made them, of whom."""

from radlas.forms import COUNT, FLAG, SHARE, TEXT, every

NOTE = {
    **every([TEXT], "centres", "subjects", "images", "recast"),
    **every(TEXT, "source", "source_sha256", "objective"),
    **every(FLAG, "synthetic", "untrained"),
    **every(SHARE, "found", "chance", "untaught"),
    "steps": COUNT,
}
