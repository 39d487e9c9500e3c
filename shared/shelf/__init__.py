"""The models that a process serves: starters of its own, and those added to the database and the storage."""

from shared.shelf.files import StoredModel, forget_model, open_added, store_model
from shared.shelf.shelf import Shelf

__all__ = ["Shelf", "StoredModel", "forget_model", "open_added", "store_model"]
