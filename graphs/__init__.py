"""The LangGraph state machine of a solve: estimate, route, four paths, verify."""
