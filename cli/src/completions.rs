//! `neap completions`: what makes a shell complete commands, flags and their values.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::args;
use crate::start_error::StartError;

pub(crate) const AFTER_HELP: &str = "\
Where a shell looks for them by itself:
  bash        ~/.local/share/bash-completion/completions/neap
  zsh         _neap in a directory of $fpath, before compinit
  fish        ~/.config/fish/completions/neap.fish

Examples:
  neap completions bash > ~/.local/share/bash-completion/completions/neap
  neap completions zsh > ~/.zfunc/_neap
  neap completions fish > ~/.config/fish/completions/neap.fish
  neap completions powershell >> $PROFILE
  neap completions elvish > ~/.config/elvish/lib/neap.elv";

/// The flags of `neap completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub(crate) fn print(&self) -> Result<(), StartError> {
        let mut script = Vec::new();
        let mut root = args::command().mut_subcommands(without_hidden);
        generate(self.shell, &mut root, "neap", &mut script);
        print(&script)
    }
}

/// `serve` without the flags that its help does not tell: scripts would. Others have none.
fn without_hidden(command: Command) -> Command {
    if command.get_name() != "serve" {
        return command;
    }
    let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
    let about = command.get_about().cloned().unwrap_or_default();
    Command::new("serve").about(about).args(shown)
}

/// Writes all of this to stdout. A reader that has seen enough is no error.
pub(crate) fn print(text: &[u8]) -> Result<(), StartError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(StartError::Write {
            directory: None,
            source,
        }),
        _ => Ok(()),
    }
}
