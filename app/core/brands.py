"""The brands of one installation, found by what a mail or a token says of them."""

from collections.abc import Iterable, Iterator

from app.core.errors import NotFound, RuleViolation
from app.core.model import Brand, BrandId, BrandNumber


class Brands:
    """All brands, by sender domain, number and id. No two share a domain or a number; the settings
    see to that.
    """

    def __init__(self, brands: Iterable[Brand]) -> None:
        self.adopt(brands)

    def adopt(self, brands: Iterable[Brand]) -> None:
        """Know these brands from now on, instead of those before."""
        self._by_id = {brand.id: brand for brand in brands}
        self._by_number = {brand.number: brand for brand in self._by_id.values()}
        self._by_domain = {
            domain: brand for brand in self._by_id.values() for domain in brand.sender_domains
        }

    def __iter__(self) -> Iterator[Brand]:
        return iter(self._by_id.values())

    def by_number(self, number: BrandNumber) -> Brand:
        """Return the brand of a token. Raises NotFound."""
        try:
            return self._by_number[number]
        except KeyError as exc:
            raise NotFound("no brand has this number") from exc

    def by_id(self, brand: BrandId) -> Brand:
        """Return the brand an operator names. Raises NotFound."""
        try:
            return self._by_id[brand]
        except KeyError as exc:
            raise NotFound(f"no brand is called {brand!r}") from exc

    def of_sender(self, domains: frozenset[str]) -> Brand:
        """Return the one brand that all these From domains belong to. Raises RuleViolation
        (catalogue S4).
        """
        owners = {self._by_domain.get(domain) for domain in domains}
        brand = owners.pop() if len(owners) == 1 else None
        if brand is None:
            raise RuleViolation("the From address is not of one brand's sender domains")
        return brand

    def has_any(self, domains: frozenset[str]) -> bool:
        """Say whether one of these domains is a brand's."""
        return not self._by_domain.keys().isdisjoint(domains)
