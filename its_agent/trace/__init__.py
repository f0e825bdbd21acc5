"""A solve that can be looked at afterwards: recorded to a file, read back, drawn as a page."""

from its_agent.trace.file import read_trace
from its_agent.trace.page import solve_page
from its_agent.trace.recorder import TraceRecorder

__all__ = ("TraceRecorder", "read_trace", "solve_page")
