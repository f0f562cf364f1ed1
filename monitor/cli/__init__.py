"""The command line: a file a command. Commands read options and call one room; they decide nothing."""

from importlib import import_module

import click

COMMANDS = {
    "run": "Monitor the province: probe, detect, publish, alert, show.",
    "rehearse": "Play faults on an emulated province against the real service, and score it.",
    "check": "Validate a configuration directory; every error at once.",
    "links": "Print the links to the points' own pages, and sheets of QR codes; revoke and rotate them.",
    "accounts": "Add, list, disable the accounts that people sign in with; change passwords and roles.",
    "tokens": "Add, list, revoke the tokens of programs that ask the API.",
    "report": "Write the report to the People's Committee from a frozen count: DOCX, XLSX or CSV.",
    "render": "Make Alertmanager's configuration from contacts.yaml: who is told what, and what is held back.",
    "store": "Back up, restore, prune and describe the store: check-ins, snapshots, accounts, the audit trail.",
    "attribute": "Say who is to blame for what is down, from a file of evidence: company, odds, and why.",
    "probe": "Run one probe and explain it phase by phase.",
    "sample": "Write a complete sample configuration, of Thanh Hóa or of any size.",
    "bench": "Measure the prober, side by side with its peers.",
}


class LazyGroup(click.Group):
    """Imports a command's module when it is asked for, so that ``--help`` and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command's click object, imported now; None for a name that is not in the table."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"monitor.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"monitor.cli.{cmd_name}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List them from the table, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "DIEMCAU", "max_content_width": 110},
    epilog="First steps: `diemcau rehearse` plays a morning of faults on an emulated province and opens the board; "
    "`diemcau sample my-config && diemcau check my-config && diemcau run --config my-config` watches your own.",
)
@click.version_option(package_name="diemcau", message="%(prog)s %(version)s")
def main() -> None:
    """Monitor every connection point (điểm cầu) of a video conference, and say who must act.

    Every option can also be set in the environment, as DIEMCAU_<COMMAND>_<OPTION>.
    """
