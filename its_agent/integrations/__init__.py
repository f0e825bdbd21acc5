"""Where the agent meets what people already use; each door has a module of its own."""
