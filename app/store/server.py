"""What must hold before a server may keep unsubscribes: settings that neither evict nor lose
(catalogue Q3).
"""

from app.core.errors import Misconfigured
from app.store.batching import Reply
from app.store.connection import StoreConnection

_NEVER_EVICTS = "noeviction"
# measured: 61 recipients a bucket at a million a brand, 512 at eight million
_LISTPACK_ENTRIES = 512


async def check_settings(
    connection: StoreConnection, *, replicated: bool, development: bool
) -> tuple[str, ...]:
    """Return a warning for each setting that weakens a promise; Misconfigured when a primary may
    evict (outside development).
    """
    warnings: dict[str, None] = {}  # each text once, in order, however many primaries say it
    infos = await _infos(connection, "memory")
    if not all(info.get("maxmemory_policy") for info in infos):
        unread = (
            "store: the eviction policy cannot be read: see to it that maxmemory-policy is"
            " noeviction, or unsubscribes may be evicted"
        )
        warnings[unread] = None
    policies = [policy for info in infos if (policy := info.get("maxmemory_policy"))]
    evicting = sorted({policy for policy in policies if policy != _NEVER_EVICTS})
    if evicting:
        problem = (
            f"store.url: maxmemory-policy is {', '.join(evicting)}: unsubscribes may be evicted;"
            f" set {_NEVER_EVICTS}"
        )
        if not development:
            raise Misconfigured([problem])
        warnings[problem] = None
    for configuration in await _configurations(connection):
        warnings.update(dict.fromkeys(_weaknesses(configuration, replicated=replicated)))
    return tuple(warnings)


def _weaknesses(configuration: dict[str, str], *, replicated: bool) -> list[str]:
    if not configuration:
        return [
            "store: CONFIG GET is not allowed, so appendonly, appendfsync and the rest could not be"
            " checked"
        ]
    entries = max(
        int(value) for name, value in configuration.items() if name.endswith("max-listpack-entries")
    )
    table = {
        f"store: appendonly is {configuration['appendonly']}: a restart loses acknowledged clicks; set yes": (
            configuration["appendonly"] != "yes"
        ),
        f"store: appendfsync is {configuration['appendfsync']}: a power loss loses acknowledged clicks; set always": (
            configuration["appendfsync"] != "always"
        ),
        "store: min-replicas-to-write is 0: a cut-off primary takes writes that a failover drops; set 1": (
            replicated and configuration["min-replicas-to-write"] == "0"
        ),
        "store: cluster-replica-validity-factor is 0: a replica of any age may take over; set 10": (
            replicated and configuration.get("cluster-replica-validity-factor") == "0"
        ),
        f"store: hash-max-listpack-entries is {entries}: records take several times the memory beyond;"
        f" set {_LISTPACK_ENTRIES}": (entries < _LISTPACK_ENTRIES),
    }
    return [warning for warning, holds in table.items() if holds]


async def generation(connection: StoreConnection) -> str:
    """Return the run ids of all primaries, in the order of their names; empty when the user may not
    ask for them.
    """
    ids = [info.get("run_id", "") for info in await _infos(connection, "server")]
    return ",".join(ids) if any(ids) else ""


async def _infos(connection: StoreConnection, section: str) -> list[dict[str, str]]:
    return [_info(reply) for reply in await connection.run_on_primaries(("INFO", section))]


def _info(reply: Reply) -> dict[str, str]:
    """Return what a server tells; nothing when the user may not ask (ACL category dangerous), or
    when that primary is away.
    """
    if not isinstance(reply, bytes):
        return {}
    pairs = (
        line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line
    )
    return dict(pairs)


async def _configurations(connection: StoreConnection) -> list[dict[str, str]]:
    names = (
        "appendonly",
        "appendfsync",
        "min-replicas-to-write",
        "cluster-replica-validity-factor",
        "hash-max-listpack-entries",
    )
    return [_pairs(reply) for reply in await connection.run_on_primaries(("CONFIG", "GET", *names))]


def _pairs(reply: Reply) -> dict[str, str]:
    """Return the settings; none when the server does not let us ask, as managed services do."""
    if not isinstance(reply, list):
        return {}
    values = [part.decode() if isinstance(part, bytes) else "" for part in reply]
    return dict(zip(values[::2], values[1::2], strict=True))
