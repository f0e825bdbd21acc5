"""The command `its-agent`: solve, trace, serve, strategies, bench, record, calibrate, model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from its_agent.errors import ItsAgentError
from its_agent.terminal.bench import bench_app
from its_agent.terminal.bench_bound import bound
from its_agent.terminal.bench_report import report
from its_agent.terminal.bench_run import run
from its_agent.terminal.calibrate import calibrate
from its_agent.terminal.failures import INTERRUPTED, exit_code, tell
from its_agent.terminal.measures import early_stop, sandbox, speed
from its_agent.terminal.model import model_app
from its_agent.terminal.peers import peers
from its_agent.terminal.record import record_app
from its_agent.terminal.serve import serve
from its_agent.terminal.solve import solve
from its_agent.terminal.strategies import strategies
from its_agent.terminal.trace import trace

app = typer.Typer(
    help="Solve problems with a local language model, inside one hard compute budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(name="solve")(solve)
app.command()(trace)
app.command(name="serve")(serve)
app.command()(strategies)
app.command()(calibrate)
bench_app.command()(run)
bench_app.command()(bound)
bench_app.command()(report)
bench_app.command()(speed)
bench_app.command("early-stop")(early_stop)
bench_app.command()(sandbox)
bench_app.command()(peers)
app.add_typer(bench_app, name="bench")
app.add_typer(record_app, name="record")
app.add_typer(model_app, name="model")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 answered, 1 abstained, 2 bad input, 3 no engine."""
    try:
        app(args=arguments, prog_name="its-agent")
    except ItsAgentError as error:
        tell(error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)
