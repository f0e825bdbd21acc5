"""The LangGraph state machine of a solve: estimate, route, five paths, verify."""
