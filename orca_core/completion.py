"""Shell completion: commands by ourselves, overrides by Hydra's own completion engine."""

from __future__ import annotations

from typing import Final

from orca_core.errors import UserError, did_you_mean

COMMANDS: Final = ("run", "draw", "plan", "plugins", "report", "export", "responses", "completion")

_BASH: Final = """\
_orca_complete() {
    COMPREPLY=($(orca _complete "${COMP_LINE:0:$COMP_POINT}" 2>/dev/null))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _orca_complete orca"""
_ZSH: Final = "autoload -Uz bashcompinit && bashcompinit\n" + _BASH
_FISH: Final = """\
complete -c orca -f -a '(orca _complete (commandline -cp) 2>/dev/null | string split " ")'"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(arguments: list[str]) -> str:
    """The script that a shell evaluates at its start."""
    if len(arguments) != 1 or arguments[0] not in SCRIPTS:
        word = arguments[0] if arguments else ""
        raise UserError(f"usage: orca completion SHELL{did_you_mean(word, SCRIPTS)}")
    return SCRIPTS[arguments[0]]


def suggest(arguments: list[str]) -> str:
    """The candidates for the last word of a command line, separated by blanks."""
    line = (arguments or [""])[0]
    words = line.split()
    fresh = not line or line[-1].isspace()
    if len(words) + fresh <= 2:
        stem = words[1] if len(words) > 1 else ""
        return " ".join(command for command in COMMANDS if command.startswith(stem))
    if words[1] == "responses" and len(words) + fresh == 3:
        stem = "" if fresh else words[2]
        return " ".join(action for action in ("show", "export") if action.startswith(stem))
    if words[1] not in ("run", "draw", "plan"):
        return ""
    return " ".join(_overrides(line.split(None, 2)[2] if len(words) > 2 else ""))


def _overrides(line: str) -> list[str]:
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.plugins.completion_plugin import DefaultCompletionPlugin

    from orca_core import plugins
    from orca_core.compose import CONFIG_MODULE, CONFIG_NAME, register

    register(plugins.load(strict=False))
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        engine = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())
        return engine._query(config_name=CONFIG_NAME, line=line)
