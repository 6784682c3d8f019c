"""Brands and their subscription groups."""

from collections.abc import Sequence

from app.admin.api.call import OF_BRAND, AnyOperation, Call, NoBody, NoQuery, Operation
from app.admin.api.requests import GroupEdit, GroupNew
from app.admin.api.responses import BrandList, BrandView, GroupList, GroupView, shown
from app.admin.api.serialize import brand_view, group_view
from app.core.api_key import KeyScope
from app.core.audit import AuditAction
from app.core.model import GroupId, SubscriptionGroup
from app.http.answers import Answer
from app.usecases.administration import Administration


class GroupEndpoints:
    """Answers `/v1/brands` and `…/groups`."""

    def __init__(self, services: Administration) -> None:
        self._services = services

    def operations(self) -> Sequence[AnyOperation]:
        """Return the rows of the table."""
        group = f"{OF_BRAND}/groups/{{group}}"
        one = {200: GroupView}
        return (
            Operation(
                id="listBrands",
                method="GET",
                path="/v1/brands",
                summary="List the brands that the key is good for",
                endpoint=self.brands,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: BrandList},
            ),
            Operation(
                id="getBrand",
                method="GET",
                path=OF_BRAND,
                summary="Show a brand as the settings have it",
                endpoint=self.brand,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: BrandView},
            ),
            Operation(
                id="listGroups",
                method="GET",
                path=f"{OF_BRAND}/groups",
                summary="List the subscription groups, archived ones too",
                endpoint=self.list,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: GroupList},
            ),
            Operation(
                id="createGroup",
                method="POST",
                path=f"{OF_BRAND}/groups",
                summary="Create a subscription group",
                description=(
                    "50 may be active at once. A name is unique in the brand without regard to"
                    " case, archived groups included."
                ),
                endpoint=self.create,
                query=NoQuery,
                body=GroupNew,
                scope=KeyScope.WRITE,
                answers={201: GroupView},
                problems=(409,),
                answer_fields={"Location": "the group's own path"},
            ),
            Operation(
                id="getGroup",
                method="GET",
                path=group,
                summary="Show a subscription group",
                endpoint=self.group,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers=one,
            ),
            Operation(
                id="editGroup",
                method="PATCH",
                path=group,
                summary="Change a group's name or description",
                endpoint=self.edit,
                query=NoQuery,
                body=GroupEdit,
                scope=KeyScope.WRITE,
                answers=one,
                problems=(409,),
            ),
            Operation(
                id="deleteGroup",
                method="DELETE",
                path=group,
                summary="Archive a group",
                description=(
                    "A group is never deleted: links in mails already sent name it. The same as"
                    " archive."
                ),
                endpoint=self.archive,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers=one,
                problems=(409,),
            ),
            Operation(
                id="archiveGroup",
                method="POST",
                path=f"{group}/archive",
                summary="Offer a group to nobody any more",
                description="What recipients said about it is kept. Idempotent.",
                endpoint=self.archive,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers=one,
                problems=(409,),
            ),
            Operation(
                id="restoreGroup",
                method="POST",
                path=f"{group}/restore",
                summary="Make an archived group active again",
                description="Idempotent.",
                endpoint=self.restore,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers=one,
                problems=(409,),
            ),
        )

    async def brands(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """List the brands that the key is good for."""
        own = [brand_view(brand) for brand in call.brands if call.key.covers(brand.id)]
        return shown(200, BrandList(brands=own))

    async def brand(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Show one brand."""
        return shown(200, brand_view(call.brand))

    async def list(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """List the groups."""
        groups = await self._services.groups.list(call.brand.number)
        return shown(200, GroupList(groups=[group_view(group) for group in groups]))

    async def create(self, call: Call, _query: NoQuery, body: GroupNew) -> Answer:
        """Create a group."""
        group_id = None if body.id is None else GroupId(body.id)
        group = await self._services.groups.create(
            call.brand.number, name=body.name, description=body.description, id=group_id
        )
        await self._note(call, AuditAction.GROUP_CREATED, group)
        return shown(
            201, group_view(group), Location=f"/v1/brands/{call.brand.id}/groups/{group.id}"
        )

    async def group(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Show one group."""
        return shown(
            200, group_view(await self._services.groups.find(call.brand.number, _named(call)))
        )

    async def edit(self, call: Call, _query: NoQuery, body: GroupEdit) -> Answer:
        """Change name, description or both."""
        group = await self._services.groups.edit(
            call.brand.number, _named(call), name=body.name, description=body.description
        )
        await self._note(call, AuditAction.GROUP_EDITED, group)
        return shown(200, group_view(group))

    async def archive(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Offer the group to nobody any more."""
        group = await self._services.groups.archive(call.brand.number, _named(call))
        await self._note(call, AuditAction.GROUP_ARCHIVED, group)
        return shown(200, group_view(group))

    async def restore(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Make the group active again."""
        group = await self._services.groups.restore(call.brand.number, _named(call))
        await self._note(call, AuditAction.GROUP_RESTORED, group)
        return shown(200, group_view(group))

    async def _note(self, call: Call, action: AuditAction, group: SubscriptionGroup) -> None:
        await self._services.auditing.note(
            call.brand, call.key.id, action, group.id, name=group.name
        )


def _named(call: Call) -> GroupId:
    return GroupId(call.path["group"])
