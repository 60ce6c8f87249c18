"""The documents of a session, one after the other, for undo and redo."""

from mg_jax.interactive.document import Document

_MOST = 200


class History:
    """A list of documents and the place in it."""

    def __init__(self, documents: list[Document], at: int) -> None:
        """`documents` has at least one; `at` is the place of the current one."""
        self.documents, self.at = documents, at

    @property
    def now(self) -> Document:
        """The current document."""
        return self.documents[self.at]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier document."""
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a later one."""
        return self.at < len(self.documents) - 1

    def add(self, document: Document) -> None:
        """Go on from the current document; what was undone is forgotten."""
        if document != self.now:
            self.documents = [*self.documents[: self.at + 1], document][-_MOST:]
            self.at = len(self.documents) - 1

    def move(self, by: int) -> None:
        """Undo (-1) or redo (1), as far as there is something."""
        self.at = min(max(self.at + by, 0), len(self.documents) - 1)
