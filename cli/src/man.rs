//! `neap man`: the manual pages, made of what the help says.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::{Args, Command, ValueHint};
use clap_mangen::roff::{Roff, roman};

use crate::help::{self, Section};
use crate::start_error::StartError;
use crate::{args, completions};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  neap man | man -l -
  neap man ~/.local/share/man/man1";

/// The flags of `neap man`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Directory to write them to, a file each; it is made if it is missing
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

impl Man {
    /// Prints the pages, or writes them to files.
    pub(crate) fn write(&self) -> Result<(), StartError> {
        let failed = |source| StartError::Write {
            directory: self.directory.clone(),
            source,
        };
        let pages = pages().map_err(failed)?;
        let Some(directory) = &self.directory else {
            return completions::print(
                &pages
                    .into_iter()
                    .flat_map(|page| page.1)
                    .collect::<Vec<_>>(),
            );
        };
        fs::create_dir_all(directory).map_err(failed)?;
        for (name, page) in pages {
            fs::write(directory.join(name), page).map_err(failed)?;
        }
        Ok(())
    }
}

/// Every page, and the name of its file.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    // `help` is no command that has anything to tell.
    let mut root = args::command().disable_help_subcommand(true);
    root.build();
    let mut pages = vec![("neap.1".to_owned(), page(&root, &root)?)];
    for command in root.get_subcommands() {
        let name = format!("neap-{}.1", command.get_name());
        pages.push((name, page(&root, command)?));
    }
    Ok(pages)
}

/// The page of one command.
fn page(root: &Command, command: &Command) -> io::Result<Vec<u8>> {
    let is_root = command.get_name() == root.get_name();
    let version = root.get_version().unwrap_or_default();
    let man = clap_mangen::Man::new(command.clone().subcommand_help_heading("COMMANDS"))
        // An empty one would let what follows take its place.
        .date(" ")
        .source(format!("neap {version}"))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;

    let long = command.get_after_long_help().or(command.get_after_help());
    let own = long.map(ToString::to_string).unwrap_or_default();
    let mut sections = help::sections(&own);
    if serves(command) {
        // What holds for each command that serves stands below the help of neap itself.
        let has = |heading| sections.iter().any(|section| section.heading == heading);
        let shared = help::sections(help::AFTER_LONG_HELP).into_iter();
        let shared: Vec<_> = shared.filter(|section| !has(section.heading)).collect();
        let examples = sections
            .iter()
            .position(|it| it.heading == Some("Examples"));
        let place = examples.unwrap_or(sections.len());
        sections.splice(place..place, shared);
    }
    let variables = Section {
        heading: Some("Environment"),
        lines: vec!["Each flag is also a variable. What is typed outranks it."],
    };
    let has_variables = command.get_arguments().any(|it| it.get_env().is_some());
    if has_variables && sections.iter().all(|it| it.heading != variables.heading) {
        sections.insert(place(&sections), variables);
    }
    let (before, after): (Vec<_>, Vec<_>) = sections
        .iter()
        .partition(|section| section.heading.is_none());
    for section in before {
        write_section(section, &mut page)?;
    }
    if is_root {
        man.render_subcommands_section(&mut page)?;
    } else {
        man.render_options_section(&mut page)?;
    }
    for section in &after {
        write_section(section, &mut page)?;
        if section.heading == Some("Environment") && !is_root {
            write_variables(command, &mut page)?;
        }
    }
    if !is_root {
        write_see_also(&mut page)?;
    }
    Ok(page)
}

/// Where what a page adds belongs: before the examples.
fn place(sections: &[Section<'_>]) -> usize {
    let examples = sections
        .iter()
        .position(|it| it.heading == Some("Examples"));
    examples.unwrap_or(sections.len())
}

fn serves(command: &Command) -> bool {
    let mut arguments = command.get_arguments();
    arguments.any(|argument| argument.get_id() == "config")
}

/// A section of the help. What is indented is a table or an example, and stays as it is.
fn write_section(section: &Section<'_>, page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    if let Some(heading) = section.heading {
        roff.control("SH", [heading.to_uppercase().as_str()]);
    } else {
        roff.control("PP", []);
    }
    let mut is_verbatim = false;
    for line in &section.lines {
        let indented = line.strip_prefix("  ");
        if indented.is_some() && !is_verbatim {
            roff.control("EX", []);
        } else if indented.is_none() && is_verbatim && !line.is_empty() {
            roff.control("EE", []);
        }
        is_verbatim = indented.is_some() || is_verbatim && line.is_empty();
        roff.text([roman(indented.unwrap_or(line))]);
    }
    if is_verbatim {
        roff.control("EE", []);
    }
    roff.to_writer(page)
}

/// The variables of the command's flags.
fn write_variables(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let shown = command.get_arguments().filter(|it| !it.is_hide_set());
    let variables = shown.filter_map(|argument| {
        let variable = argument.get_env()?.to_string_lossy();
        Some(match argument.get_long() {
            Some(_) => variable.into_owned(),
            None => format!("{variable} (the {})", argument.get_value_names()?.first()?),
        })
    });
    let variables: Vec<_> = variables.collect();
    let mut roff = Roff::new();
    roff.control("PP", []);
    roff.text([roman(format!("They are {}.", variables.join(", ")))]);
    roff.to_writer(page)
}

fn write_see_also(page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("neap(1)")]);
    roff.to_writer(page)
}
