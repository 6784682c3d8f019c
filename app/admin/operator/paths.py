"""The addresses of the operator's pages."""

from app.admin.operator.render import HOME
from app.core.model import Brand

OF_BRAND = f"{HOME}/brands/{{brand}}"
DELIVERIES, RECIPIENT, FIELDS, PAGES = (
    f"{OF_BRAND}/{name}" for name in ("deliveries", "recipient", "fields", "pages")
)


def of_brand(brand: Brand, path: str = OF_BRAND) -> str:
    """Return the address of one of a brand's pages. An id of a brand needs no quoting."""
    return path.replace("{brand}", brand.id)
