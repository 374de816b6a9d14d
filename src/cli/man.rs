//! `upright man`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::output::{print, print_bytes};
use super::{Arguments, Done, Stopped};
use crate::report::printable;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright man | man -l -\n  \
    upright man --out ~/.local/share/man/man1")]
pub(super) struct ManArguments {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &ManArguments) -> Done {
    match &arguments.out {
        None => {
            let mut page = Vec::new();
            Man::new(Arguments::command())
                .render(&mut page)
                .map_err(|error| Stopped::could_not_run(miette::miette!("manual page: {error}")))?;
            print_bytes(&page)
        }
        Some(folder) => {
            let shown = folder.to_string_lossy();
            let shown = printable(&shown);
            write_all(folder).map_err(|error| Stopped::usage(miette::miette!("`{shown}`: {error}")))?;
            print(&format!("manual pages of all commands are in {shown}\n"))
        }
    }
}

fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder)
}
