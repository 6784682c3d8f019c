"""The way of one mail: from envelope and bytes to one outcome a recipient."""
