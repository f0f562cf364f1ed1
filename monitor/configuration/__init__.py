"""What the operator wrote: files of ``config/`` → one valid :class:`Configuration`, or every error at once.

``load`` is the door. Nothing here is in force by halves: a configuration is whole, immutable and checked, so no room
below it looks for a dangling id or a missing module again.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from monitor.configuration import access as access_file
from monitor.configuration import attribution as attribution_file
from monitor.configuration import ceremony as ceremony_file
from monitor.configuration import checks as checks_file
from monitor.configuration import contacts as contacts_file
from monitor.configuration import coordinators as coordinators_file
from monitor.configuration import gateway as gateway_file
from monitor.configuration import inventory as inventory_files
from monitor.configuration import links as links_file
from monitor.configuration import readiness as readiness_file
from monitor.configuration import report as report_file
from monitor.configuration.checks import (
    WITNESS_INTERVAL_S,
    CheckLine,
    CheckSet,
    Module,
    Service,
    Witness,
)
from monitor.configuration.errors import ConfigError, Errors, InvalidConfiguration, Spot
from monitor.configuration.links import LinkPolicy
from monitor.core.access import AccessPolicy
from monitor.core.attribution import Priors
from monitor.core.contacts import Contacts
from monitor.core.model import Ceremony, CheckPolicy, Inventory, Node, NodeKind, Phase, Point, Source, Tier
from monitor.core.organization import Coordinator, Letterhead
from monitor.core.providers import Providers
from monitor.core.pulse import BEAT_S, check_of
from monitor.core.readiness import Rules
from probes.model import Check, Layer
from probes.registry import KINDS

__all__ = [
    "CheckLine",
    "CheckSet",
    "ConfigError",
    "Configuration",
    "InvalidConfiguration",
    "Module",
    "Service",
    "Witness",
    "load",
]


class Configuration(msgspec.Struct, frozen=True, dict=True):
    """Everything that the operator decides, valid as a whole."""

    inventory: Inventory
    ceremony: Ceremony
    modules: Mapping[str, Module]
    check_sets: Mapping[str, CheckSet]
    defaults: Mapping[Tier, str]
    """Tier → check set of the points that name none."""
    witnesses: Mapping[str, Witness]
    services: Mapping[str, Service] = {}
    nodes: Mapping[NodeKind, str] = {}
    """Kind of network node → the module that asks those that have an address."""
    links: LinkPolicy = LinkPolicy()
    priors: Priors = Priors()
    rules: Rules = Rules()
    """What makes points ready."""
    coordinators: Mapping[str, Coordinator] = {}
    """Who answers for a district or commune, by scope."""
    letterhead: Letterhead = Letterhead()
    access: AccessPolicy = AccessPolicy()
    contacts: Contacts = Contacts()
    """The desks that are told."""
    providers: Providers = Providers()
    """Who carries the messages to them."""

    def checks(self, phase: Phase) -> list[Check]:
        """All checks of a phase: of the points that take part and have an address, then services, witnesses, nodes."""
        made = [
            self._check(
                point.id, line.module, line.address(point.address or "", point.id), phase.interval_s * line.every
            )
            for point, check_set in self._probed()
            for line in check_set.checks
        ]
        made += (
            self._check(f"service:{name}", service.module, service.target, service.interval_s)
            for name, service in self.services.items()
        )
        made += (
            self._check(f"witness:{name}", witness.module, witness.target, WITNESS_INTERVAL_S)
            for name, witness in self.witnesses.items()
        )
        made += (
            self._check(f"node:{node.id}", module, address, phase.interval_s) for node, module, address in self._asked
        )
        return made

    def policies(self, phase: Phase) -> list[CheckPolicy]:
        """What detection must know: of ``checks(phase)`` in the same order, then of what is not asked but told.

        That is, for each point that takes part, its own page, and who has joined by each roster.
        """
        made = [
            CheckPolicy(
                f"{point.id}/{line.module}",
                point.id,
                self.modules[line.module].layer,
                phase.interval_s * line.every,
                check_set.expected_loss_ratio,
                check_set.max_loss_ratio,
                check_set.max_jitter_s,
            )
            for point, check_set in self._probed()
            for line in check_set.checks
        ]
        made += (self._service_policy(name, service) for name, service in self.services.items())
        made += (self._witness_policy(name, witness) for name, witness in self.witnesses.items())
        made += (self._node_policy(node, module, phase) for node, module, _ in self._asked)
        made += (policy for point in self.inventory.points.values() if point.expected for policy in self._told(point))
        return made

    def _service_policy(self, name: str, service: Service) -> CheckPolicy:
        layer = self.modules[service.module].layer
        return CheckPolicy(f"service:{name}/{service.module}", "", layer, service.interval_s, source=Source.SERVICE)

    def _witness_policy(self, name: str, witness: Witness) -> CheckPolicy:
        layer = self.modules[witness.module].layer
        return CheckPolicy(f"witness:{name}/{witness.module}", "", layer, WITNESS_INTERVAL_S, source=witness.source)

    def _node_policy(self, node: Node, module: str, phase: Phase) -> CheckPolicy:
        check_id = f"node:{node.id}/{module}"
        return CheckPolicy(check_id, "", Layer.REACHABLE, phase.interval_s, source=Source.NODE, node=node.id)

    @cached_property
    def _asked(self) -> tuple[tuple[Node, str, str], ...]:
        """The network nodes that are asked: each with its module and its address."""
        nodes = self.inventory.network.values()
        return tuple(
            (n, self.nodes[n.kind], n.address) for n in nodes if n.address is not None and n.kind in self.nodes
        )

    def _told(self, point: Point) -> Iterator[CheckPolicy]:
        """What a point's own page, and the platform, tell of it."""
        line = self.set_of(point) or CheckSet(())
        yield CheckPolicy(
            check_of(point.id),
            point.id,
            Layer.REACHABLE,
            BEAT_S,
            line.expected_loss_ratio,
            line.max_loss_ratio,
            line.max_jitter_s,
            Source.PAGE,
        )
        for service in self._rosters:
            check_id = f"{point.id}/{service.module}"
            yield CheckPolicy(check_id, point.id, Layer.JOINED, service.interval_s, source=Source.ROSTER)

    @cached_property
    def _rosters(self) -> tuple[Service, ...]:
        """The services that tell who has joined."""
        return tuple(each for each in self.services.values() if self.modules[each.module].layer is Layer.JOINED)

    def check_for(self, target: str, module: str) -> Check | None:
        """The check of a point, by its id or address, through any module; None for what is not in the inventory.

        A module that the point's own check set does not ask is asked as the first check set that knows it would.
        """
        point = self.inventory.points.get(target) or self._by_address.get(target)
        if point is None or point.address is None or module not in self.modules:
            return None
        address = self._line(point, module).address(point.address, point.id)
        return self._check(point.id, module, address, self.ceremony.phases[0].interval_s)

    def set_of(self, point: Point) -> CheckSet | None:
        """The check set of a point; None when it names none and its tier has no default."""
        name = point.check_set or self.defaults.get(point.tier)
        return None if name is None else self.check_sets[name]

    def _check(self, target: str, module_name: str, address: str, interval_s: float) -> Check:
        module = self.modules[module_name]
        check_id = f"{target}/{module_name}"
        return Check(check_id, target, module_name, address, module.probe, interval_s, module.timeout_s)

    def _probed(self) -> Iterator[tuple[Point, CheckSet]]:
        """The points that are probed, each with its check set."""
        for point in self.inventory.points.values():
            check_set = self.set_of(point) if point.expected and point.address is not None else None
            if check_set is not None:
                yield point, check_set

    def _line(self, point: Point, module: str) -> CheckLine:
        own = self.set_of(point)
        sets = (*([own] if own else []), *self.check_sets.values())
        lines = (line for check_set in sets for line in check_set.checks if line.module == module)
        return next(lines, CheckLine(module, KINDS[self.modules[module].probe.kind].target))

    @cached_property
    def _by_address(self) -> dict[str, Point]:
        """Points by address and by what their checks ask, ``10.38.1.7:1720``; points that take part before others."""
        found = {
            line.address(point.address or "", point.id): point
            for point, check_set in self._probed()
            for line in check_set.checks
        }
        ordered = sorted(self.inventory.points.values(), key=lambda point: point.expected)
        return found | {point.address: point for point in ordered if point.address is not None}


def load(directory: Path) -> Configuration:
    """The configuration of a directory. Raises InvalidConfiguration with the errors of all files at once."""
    errors = Errors()
    if not directory.is_dir():
        errors.add(Spot(str(directory)), "", "a directory with points.csv and checks.yaml", "none")
        raise errors.invalid()
    ceremony = ceremony_file.read(directory, errors)
    checks, names = checks_file.read(directory, errors)
    inventory = inventory_files.read(directory, names, errors)
    if ceremony is not None and inventory is not None:
        ceremony_file.check_points(directory, ceremony, inventory, errors)
    links = links_file.read(directory, inventory, errors)
    priors = attribution_file.read(directory, errors)
    rules = readiness_file.read(directory, errors)
    coordinators = coordinators_file.read(directory, inventory, errors)
    letterhead = report_file.read(directory, errors)
    access = access_file.read(directory, errors)
    contacts = contacts_file.read(directory, inventory, ceremony, errors)
    providers = gateway_file.read(directory, errors)
    if ceremony is None or checks is None or inventory is None or links is None or priors is None:
        raise errors.invalid()
    if rules is None or coordinators is None or letterhead is None or access is None:
        raise errors.invalid()
    if contacts is None or providers is None or errors.total:
        raise errors.invalid()
    return Configuration(
        inventory,
        ceremony,
        checks.modules,
        checks.check_sets,
        checks.defaults,
        checks.witnesses,
        checks.services,
        checks.nodes,
        links,
        priors,
        rules,
        coordinators,
        letterhead,
        access,
        contacts,
        providers,
    )
