"""Ranges of addresses: what an operator types, and the same question to either database."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, and_, literal, not_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ..database import ADDRESS_WITHIN

Network = IPv4Network | IPv6Network
_MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses in IPv6's spelling: they count as what they are."""
_MAPPED_BITS = 96
_PERSONAL = {4: 24, 6: 56}
"""What is narrower may be one person's, and then stands in no event that cannot be erased."""


def parse_range(text: str) -> Network:
    """Return the network that CIDR text names; one address is a network, too.

    Raises ValueError with a sentence for the operator.
    """
    try:
        if "%" in text:
            raise ValueError("a zone belongs to one machine")
        network = ip_network(text.strip(), strict=False)
        exact = ip_network(text.strip())
    except ValueError as error:
        if "host bits set" in str(error):
            words = f"That is an address inside a range: write {network} for all of the range."
            raise ValueError(words) from None
        raise ValueError("Write a range as 10.20.0.0/16 or 2001:db8::/32.") from None
    if isinstance(exact, IPv6Network) and exact.subnet_of(_MAPPED):
        first = exact.network_address.ipv4_mapped
        return IPv4Network((int(first or 0), exact.prefixlen - _MAPPED_BITS))
    return exact


def is_personal(network: Network) -> bool:
    """Return whether the range may be that of one household or workplace."""
    return network.prefixlen > _PERSONAL[network.version]


class _within(FunctionElement[bool]):
    """Whether an address lies in a network: PostgreSQL knows them, SQLite is taught them."""

    name = ADDRESS_WITHIN
    type = Boolean()
    inherit_cache = True


@compiles(_within, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    address, network = (compiler.process(each, **options) for each in element.clauses)
    return f"(CAST({address} AS inet) <<= CAST({network} AS inet))"


@compiles(_within, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"{ADDRESS_WITHIN}({compiler.process(element.clauses, **options)})"


def is_within(column: Any, network: Network) -> ColumnElement[bool]:
    """Express that the address in `column` lies in the network; not where there is none."""
    if isinstance(network, IPv6Network):
        mapped = _asked(column, _MAPPED)
        return and_(column.is_not(None), _asked(column, network), not_(mapped))
    first = int(_MAPPED.network_address) + int(network.network_address)
    mapped_too = IPv6Network((first, _MAPPED_BITS + network.prefixlen))
    return and_(column.is_not(None), or_(_asked(column, network), _asked(column, mapped_too)))


def _asked(column: Any, network: Network) -> ColumnElement[bool]:
    return _within(column, literal(str(network), String()))
