"""Who is to blame when points fall silent: which node of the network or of the power grid, and whose it is. Pure.

Fault localization by shared risk groups (SCORE, NSDI 2005; Shrink, 2005; Sherlock, SIGCOMM 2007; Flock, 2023). Those
search greedily, for theirs is a set cover; two trees are not, and the most probable explanation is one minimum cut:

``model``        what goes in and what comes out
``forest``       both trees as arrays
``observed``     the evidence as arrays, and what each word is worth
``likelihood``   what a point's state costs under each state of its nodes
``cut``          the labelling of least energy, exactly
``attributor``   cascades, and the best explanations without what is blamed
``explanation``  a labelling read: nodes, points, odds, evidence
``suspicion``    rows of the inventory that contradict what is seen
"""

from monitor.core.attribution.attributor import Attributor
from monitor.core.attribution.model import (
    SITE,
    Attribution,
    Blame,
    Evidence,
    Fact,
    FactKind,
    PointEvidence,
    PowerSign,
    PowerSource,
    Priors,
    RunnerUp,
)

__all__ = [
    "SITE",
    "Attribution",
    "Attributor",
    "Blame",
    "Evidence",
    "Fact",
    "FactKind",
    "PointEvidence",
    "PowerSign",
    "PowerSource",
    "Priors",
    "RunnerUp",
]
