"""The groups of one brand as an operator writes and reads them: `all`, an id or a name, in; `all`
or an id, out.
"""

from collections.abc import Iterable

from app.core.errors import RuleViolation
from app.core.events import NamedGroup
from app.core.group_names import GroupNames
from app.core.groups import ALL, EVERYTHING, folded_name, group_key
from app.core.model import GroupKey, SubscriptionGroup


class GroupWords:
    """Words for keys and keys for words; archived groups too, since what recipients said about them
    still counts.
    """

    def __init__(self, groups: Iterable[SubscriptionGroup]) -> None:
        known = tuple(groups)
        self._names = GroupNames(known)
        self._named = {group_key(group.id): NamedGroup(group.id, group.name) for group in known}
        self._ids = {group_key(group.id): str(group.id) for group in known} | {EVERYTHING: ALL}

    def key(self, word: str) -> GroupKey:
        """Return the key of a word. Raises RuleViolation when the brand has no such group."""
        if folded_name(word) == ALL:
            return EVERYTHING
        found = self._names.known(word)
        if found is None:
            raise RuleViolation("the brand has no such subscription group")
        return group_key(found)

    def keys(self, words: Iterable[str]) -> tuple[GroupKey, ...]:
        """Return the keys of words, each once. A word is one group, or several with commas between
        them. Raises RuleViolation.
        """
        return tuple(dict.fromkeys(key for word in words for key in self._of(word)))

    def scope(self, words: Iterable[str]) -> tuple[GroupKey, ...]:
        """Return the groups of a statement, each once: empty for all mail alone, and for no words.
        Raises RuleViolation.
        """
        keys = self.keys(words)
        return () if keys == (EVERYTHING,) else keys

    def _of(self, word: str) -> tuple[GroupKey, ...]:
        if self._names.known(word):  # a name may hold a comma
            return (self.key(word),)
        return tuple(self.key(part.strip()) for part in word.split(","))

    def knows(self, key: GroupKey) -> bool:
        """Tell whether the brand lists a group of this key, archived or not."""
        return key in self._named

    def changed(self, keys: Iterable[GroupKey]) -> tuple[NamedGroup, ...]:
        """Return the groups among these keys by id and name, in their order; all mail is none of
        them.
        """
        return tuple(
            self._named.get(key) or NamedGroup(self.word(key), self.word(key))
            for key in keys
            if key != EVERYTHING
        )

    def word(self, key: GroupKey) -> str:
        """Return the id of a key, or the key in hex for a group that the brand no longer lists."""
        return self._ids.get(key, f"#{key:08x}")
