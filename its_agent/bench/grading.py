"""Whether an answer is right: equal to the gold one, the calls that it lists, or a program that
passes all tests."""

from __future__ import annotations

from its_agent.bench.function_calls import called_right
from its_agent.bench.problems import BenchProblem, is_right
from its_agent.errors import EngineError
from its_agent.verifiers import CodeTests, Sandbox


class Grader:
    """Grades answers, each program once."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self._sandbox = sandbox
        self._known: dict[tuple[str, str], bool] = {}

    async def is_right(self, problem: BenchProblem, answer: str | None) -> bool:
        """Grade an answer; none is wrong. Raises EngineError where the sandbox broke, so that no
        program counts as wrong for it."""
        if problem.tools:
            return called_right(answer, problem.answer)
        if answer is None or not problem.tests:
            return is_right(answer, problem.answer)
        key = (problem.id, answer)
        if key not in self._known:
            result = await CodeTests(problem.grading_tests, sandbox=self._sandbox).examine(answer)
            if result == "broken":
                raise EngineError(f"the sandbox broke while {problem.id} was graded")
            self._known[key] = result == "pass"
        return self._known[key]
