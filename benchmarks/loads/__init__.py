"""The loads of the queue's benchmark: each module measures one side of it and yields rows."""
