"""The inbox: the listener to which mail-to unsubscribes come. It never sends mail."""
