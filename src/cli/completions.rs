//! `upright completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::print_bytes;
use super::{Arguments, Done};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright completions bash > ~/.local/share/bash-completion/completions/upright\n  \
    upright completions zsh > ~/.zfunc/_upright\n  \
    upright completions fish > ~/.config/fish/completions/upright.fish")]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "upright", &mut script);
    print_bytes(&script)
}
