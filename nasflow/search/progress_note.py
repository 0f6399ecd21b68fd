"""How a round stands, in a few words for a person who waits."""

from __future__ import annotations

from collections.abc import Sequence

from nasflow.particles.flow import Counts, Vector

BARS = "▁▂▃▄▅▆▇█"  # one character per node


def progress_note(names: Sequence[str], counts: Counts, V: Vector, tau: float) -> str:
    """Name the node with most particles, its share and its loss; draw one bar for each node.

    Args:
        names: what people call each node, the centre first.
        counts: particles and ghosts on each node, (m,).
        V: running averages of the validation losses, nats (m,).
        tau: the step size.

    Returns:
        One line, such as `█▁ leader 0 parent with 97%, loss 1.234, tau 0.05`.
    """
    leader = int(counts.argmax())
    share = counts[leader] / counts.sum()
    led = f"leader {leader} {names[leader]} with {share:.0%}, loss {V[leader]:.3f}"
    return f"{bars(counts)} {led}, tau {tau:.2g}"


def bars(counts: Counts) -> str:
    """Draw counts, (m,), relative to the largest one; an empty node is a blank."""
    most = max(int(counts.max()), 1)
    places = -(-counts * len(BARS) // most)  # 1 to 8; 0 for none
    return "".join((" " + BARS)[place] for place in places)
