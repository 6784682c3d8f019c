"""The identifier by which a self-managed brand knows its user, as an event tells it
(docs/adr/0033).

It is told only where it is certain: rendered again from the address, when the brand's template asks
for nothing else, or our digest of the recipient, which stands in the mail when the brand has no
template. What a mail-to subject says is no proof: anybody can write there.
"""

import re

from app.core.model import Brand, Management, RecipientDigest
from app.core.template import EMAIL, identifier_template

_ATTRIBUTE = re.compile(r"""UserAttribute\s*\[\s*(?:'([^']*)'|"([^"]*)")\s*\]""")


def identifier_of(brand: Brand | None, *, address: str, digest: RecipientDigest) -> str:
    """Return the brand's own identifier of a recipient; empty when it is unknown or the brand is
    not self-managed.
    """
    if brand is None or brand.management is not Management.SELF_MANAGED:
        return ""
    template = identifier_template(brand.user_identifier)
    if template is None:
        return digest.hex()
    asked = {single or double for single, double in _ATTRIBUTE.findall(brand.user_identifier)}
    return template.render({EMAIL: address}) if address and asked == {EMAIL} else ""
