"""How a round stands, in a few words for whoever waits: who leads, and where the particles are."""

from __future__ import annotations

from collections.abc import Sequence

from nasflow.particles.flow import Counts, Vector

BARS = "▁▂▃▄▅▆▇█"  # a character a node


def news(names: Sequence[str], counts: Counts, V: Vector, tau: float) -> str:
    """The fullest node with its share and loss, the clock, and a bar a node, g_r first."""
    leader = int(counts.argmax())
    share = counts[leader] / counts.sum()
    led = f"leader {leader} {names[leader]} with {share:.0%}, loss {V[leader]:.3f}"
    return f"{bars(counts)} {led}, tau {tau:.2g}"


def bars(counts: Counts) -> str:
    """Heights as shares of the fullest; an empty node is a blank."""
    most = max(int(counts.max()), 1)
    places = -(-counts * len(BARS) // most)  # 1 to 8; 0 of none
    return "".join((" " + BARS)[place] for place in places)
